"""Step 3 on a server that shares another one's key: exported there, imported here, in memory in between.

The password of the PFX is random, made for the one transfer, and kept nowhere. Neither it nor the PFX is in a plan, a
transcript or a record: both have types that no text shows.
"""

from __future__ import annotations

from dataclasses import dataclass

from tlsrunbook.certificates.chain import intermediates_of
from tlsrunbook.certificates.facts import certificate_facts
from tlsrunbook.errors import CommandFailed
from tlsrunbook.exchange import cmdlets, decode
from tlsrunbook.exchange.command import Command, Later, Value
from tlsrunbook.exchange.state import ExchangeCertificate
from tlsrunbook.plan.activation import choose_default
from tlsrunbook.plan.model import Change, Irreversible, Plan, PlanItem, Reverse, Transfer
from tlsrunbook.plan.target import chosen_certificate, due
from tlsrunbook.policy.confirm import confirm_server
from tlsrunbook.policy.finding import Finding
from tlsrunbook.policy.sharing import refuse_sharing, stays_behind
from tlsrunbook.site import Server
from tlsrunbook.steps.importing import intermediate_item, live_at_once, same_name_installed
from tlsrunbook.steps.model import Decision, Seen, StepContext, Wanted
from tlsrunbook.steps.observe import ask, observe_server

_PASSWORD = Later("one-time password")
_PFX = Later("the PFX, in memory only")
_THUMBPRINT = Later("thumbprint of the certificate to be issued")


@dataclass(frozen=True)
class SharedExtra:
    """What install looks at on a server that shares another one's key.

    Args:
        source: The other server as it was read.
        theirs: The certificate it uses; None while it has none.
        exportable: Whether its key may leave; None when the server does not tell.
        remembered: The default SMTP certificate of the sharing server as this change first saw it.
    """

    source: Seen
    theirs: ExchangeCertificate | None
    exportable: bool | None
    remembered: str


def observe_source(context: StepContext) -> SharedExtra:
    """Read the server whose key is shared.

    Raises:
        ConnectionFailed: It could not be reached.
        CommandFailed: A read was answered with an error.
        DecodeError: An answer was not understood.
    """
    wanted, server = context.wanted, _source(context.wanted)
    shell = context.peers.shell(server.name)
    source = observe_server(shell)
    theirs = chosen_certificate(source.state, wanted.site, server, wanted.at)
    exportable = None
    if theirs:
        reply = ask(shell, cmdlets.get_exportable(source.target, theirs.thumbprint))
        exportable = decode.decode_exportable(reply, theirs.thumbprint)
    return SharedExtra(source, theirs, exportable, context.workspace.remembered_default())


def _source(wanted: Wanted) -> Server:
    return wanted.site.server(wanted.server.share_from or "")


def decide_shared(wanted: Wanted, seen: Seen) -> Decision:
    """Decide between nothing to do, waiting for the other server, and taking its certificate over."""
    extra: SharedExtra = seen.extra
    server, theirs = _source(wanted), extra.theirs
    wrong = confirm_server(extra.source.state, server)
    if wrong:
        return Decision(findings=wrong)
    if theirs is None or (wanted.planning and due(theirs, wanted.site, wanted.at)):
        return _later(wanted, seen, server)
    present = seen.state.certificate(theirs.thumbprint)
    behind = stays_behind(
        chosen_certificate(seen.state, wanted.site, wanted.server, wanted.at), theirs, seen.state.name
    )
    facts = {
        "shared from": server.name,
        "thumbprint": theirs.thumbprint,
        "subject": theirs.subject,
        "issuer": theirs.issuer,
        "names": theirs.names,
        "valid until": theirs.not_after,
    }
    if present and present.has_private_key is not False:
        summary = f"the certificate {theirs.thumbprint} of {server.name} is installed with its key"
        return Decision(findings=behind, facts=facts, summary=summary)
    refusals = refuse_sharing(server.name, theirs, extra.exportable, (extra.source.target, seen.target))
    if refusals:
        return Decision(findings=refusals, facts=facts)
    items, findings = _items(wanted, seen, theirs)
    return Decision(Plan(items), behind + findings, facts, f"took over {theirs.thumbprint} with its key")


def _later(wanted: Wanted, seen: Seen, server: Server) -> Decision:
    waiting = f"the certificate of {server.name}"
    todo = f"run the steps request and install on {server.name}, then this step again"
    if not wanted.planning:
        return Decision(Plan(waiting_for=waiting), todo=todo)
    item = PlanItem(
        f"Take over the certificate of {server.name} with its key when it is there",
        _transfer(wanted, seen, _THUMBPRINT),
        (Change(f"server {seen.state.name}", "certificate", None, _THUMBPRINT),),
        Irreversible("which certificate is to be removed is known when it is there"),
    )
    return Decision(Plan((item,), waiting), todo=todo)


def _transfer(wanted: Wanted, seen: Seen, thumbprint: str | Later) -> Transfer:
    bring = cmdlets.import_certificate(
        seen.target,
        _PFX,
        exportable=False,  # the key leaves the one server that is its source, and no other
        friendly_name=wanted.site.certificate.friendly_name,
        password=_PASSWORD,
    )
    source: Seen = seen.extra.source
    export = cmdlets.export_certificate(source.target, thumbprint, _PASSWORD)
    return Transfer(_source(wanted).name, export, (bring,))


def _items(wanted: Wanted, seen: Seen, theirs: ExchangeCertificate) -> tuple[tuple[PlanItem, ...], tuple[Finding, ...]]:
    leaf = certificate_facts(theirs.raw)
    chain = intermediates_of(theirs.raw, seen.extra.source.store)
    lacking = [der for der in chain if certificate_facts(der).thumbprint not in seen.state.intermediates]
    transfer = _transfer(wanted, seen, theirs.thumbprint)
    target = f"certificate {theirs.thumbprint}"
    changes = (
        Change(target, "installed", None, theirs.subject),
        Change(target, "private key", None, f"shared with {transfer.source}"),
    )
    before = tuple(intermediate_item(seen, der) for der in lacking)
    if not same_name_installed(seen.state, theirs.raw):
        why = f"Take the certificate over from {transfer.source} with its key, under a password that nobody keeps"
        undo = Reverse(((cmdlets.remove_certificate(seen.target, theirs.thumbprint),),))
        return (*before, PlanItem(why, transfer, changes, undo)), ()
    policy = wanted.site.policy.default_smtp_certificate
    choice = choose_default(seen.state, theirs.thumbprint, policy, seen.extra.remembered)
    first, *rest = live_at_once(seen, transfer.bring[0], changes, leaf.thumbprint, choice)
    if not isinstance(first.does, tuple):
        raise TypeError("an import is a pipeline")
    first = PlanItem(first.why, Transfer(transfer.source, transfer.export, first.does), first.changes, first.undo)
    return (*before, first, *rest), choice.findings


def take_over(context: StepContext, transfer: Transfer) -> None:
    """Export there and import here. Password and PFX exist in this function only.

    Raises:
        CommandFailed: One of the servers answered with an error.
        SessionLost: A session ended, and nothing was changed.
        OutcomeUnknown: A session ended after the command was sent.
        DecodeError: What came is no PFX.
    """
    password = context.peers.one_time_password()
    export = _filled(transfer.export, Password=password)
    try:
        pfx = decode.decode_export(ask(context.peers.shell(transfer.source), export))
    except CommandFailed as error:
        where, todo = f"{transfer.source}: {export.name}", "nothing was imported; read that server's message"
        raise CommandFailed(
            error.what, where=where, todo=todo, category=error.category, error_id=error.error_id
        ) from error
    bring, *more = transfer.bring
    ask(context.shell, _filled(bring, FileData=pfx, Password=password), *more)


def _filled(command: Command, **values: Value) -> Command:
    parameters = tuple((name, values.get(name, value)) for name, value in command.parameters)
    return Command(command.name, parameters, command.select, command.secret)
