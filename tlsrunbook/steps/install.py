"""Step 3: the CA's reply, judged before anything is sent, then intermediates and certificate."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tlsrunbook.certificates.facts import CertificateFacts, certificate_facts, pem_of
from tlsrunbook.certificates.reply import read_reply
from tlsrunbook.errors import BadCertificateFile
from tlsrunbook.exchange import cmdlets
from tlsrunbook.exchange.command import Command, Later
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.plan.activation import DefaultChoice, choose_default, enable_undo, put_back_item
from tlsrunbook.plan.later import (
    CERTIFICATE,
    INTERMEDIATE,
    INTERMEDIATE_SUBJECT,
    INTERMEDIATE_THUMBPRINT,
    SUBJECT,
    THUMBPRINT,
    VALID_UNTIL,
    Known,
    named,
)
from tlsrunbook.plan.model import Change, Compensate, Plan, PlanItem, Reverse, Submit
from tlsrunbook.plan.target import chosen_certificate, due
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.policy.installed import start_over, unusable_findings
from tlsrunbook.policy.reply import ReplyVerdict, judge_reply
from tlsrunbook.steps.base import Step
from tlsrunbook.steps.model import Decision, Seen, StepContext, Wanted
from tlsrunbook.steps.requests import PendingRequest, pending_request


@dataclass(frozen=True)
class InstallExtra:
    """What install looks at besides the server.

    Args:
        pending: The request that waits, with the authority's answer; None when none waits.
        remembered: The default SMTP certificate as this change first saw it.
    """

    pending: PendingRequest | None
    remembered: str


class Install(Step):
    """Import what the CA issued for the server's own request."""

    id = "install"
    number = 3
    slug = "install-certificate"
    title = "Install the certificate"

    def observe(self, context: StepContext) -> Seen:
        """Read the server, and fetch the authority's answer."""
        seen = super().observe(context)
        pending = pending_request(context, seen.state)
        if pending and pending.reply is not None and not context.wanted.planning:
            context.workspace.keep("reply.bin", pending.reply)
        return replace(seen, extra=InstallExtra(pending, context.workspace.remembered_default()))

    def decide(self, wanted: Wanted, seen: Seen) -> Decision:
        """Decide between nothing to do, waiting, and importing the reply that passed its checks."""
        pending = seen.extra.pending
        if pending and pending.reply is not None:
            return _import(wanted, seen, pending)
        chosen = chosen_certificate(seen.state, wanted.site, wanted.server, wanted.at)
        if chosen and not (due(chosen, wanted.site, wanted.at) and (pending or wanted.planning)):
            return Decision(
                facts={"thumbprint": chosen.thumbprint, "valid until": chosen.not_after},
                summary=f"the certificate {chosen.thumbprint} for {wanted.server.fqdn} is installed",
            )
        if pending or wanted.planning:
            waiting = f"the answer of the authority ({wanted.site.authority.kind})"
            return Decision(_later(wanted, seen, waiting))
        return Decision(findings=(_no_request(wanted, seen), *unusable_findings(seen.state, wanted.server)))

    def perform(self, context: StepContext, item: PlanItem) -> None:
        """Keep what is imported as PEM beside the record, then send it."""
        if not isinstance(item.does, Submit):
            data = item.does[0].get("FileData")
            if isinstance(data, bytes):
                context.workspace.keep("certificate.pem", pem_of((data,)))
        super().perform(context, item)

    def prove(self, before: Decision, after: Seen) -> tuple[Finding, ...]:
        """The certificate is listed under the thumbprint computed here, with its key."""
        thumbprint = str(before.facts["thumbprint"])
        certificate = after.state.certificate(thumbprint)
        if certificate and certificate.has_private_key is not False:
            return ()
        return (
            Finding(
                "not-listed",
                Severity.ERROR,
                f"{after.state.name} took the certificate without an error and does not list {thumbprint} with a key",
                "its key is not on this server: import it where the request was made",
                f"certificate {thumbprint}",
            ),
        )


def _no_request(wanted: Wanted, seen: Seen) -> Finding:
    return Finding(
        "no-request",
        Severity.REFUSE,
        f"{seen.state.name} has no pending request and no certificate for {', '.join(wanted.server.all_names)}",
        "run the step request first",
        f"server {seen.state.name}",
    )


def _later(wanted: Wanted, seen: Seen, waiting: str) -> Plan:
    if not wanted.planning:
        return Plan(waiting_for=waiting)
    bring, changes = _bringing(wanted, seen, CERTIFICATE, THUMBPRINT, SUBJECT, VALID_UNTIL)
    first = _intermediate(seen, INTERMEDIATE, INTERMEDIATE_THUMBPRINT, INTERMEDIATE_SUBJECT)
    items = [first, _joining(seen, bring, changes, THUMBPRINT)]
    if any(c.self_signed is False and not c.pending for c in seen.state.certificates):
        choice = _default(wanted, seen, THUMBPRINT)
        live, *back = _live_at_once(seen, bring, changes, THUMBPRINT, choice)
        items += [replace(live, why=f"Instead of the import alone, if need be: {live.why}"), *back]
    return Plan(tuple(items), waiting)


def _import(wanted: Wanted, seen: Seen, pending: PendingRequest) -> Decision:
    try:
        ders = read_reply(pending.reply or b"")
    except BadCertificateFile as error:
        return Decision(findings=(_unreadable(error), start_over(pending.entry, seen.state.name)))
    verdict = judge_reply(
        ders,
        pending.csr,
        wanted.server.all_names,
        wanted.at,
        wanted.roots,
        known=seen.store,
        installed=frozenset(c.thumbprint for c in seen.state.certificates if not c.pending),
        requested=pending.entry.not_before,
    )
    if verdict.leaf is None or any(finding.severity is Severity.REFUSE for finding in verdict.findings):
        hint = start_over(pending.entry, seen.state.name)
        return Decision(findings=(*verdict.findings, hint), facts={"certificates in the reply": len(ders)})
    leaf = certificate_facts(verdict.leaf)
    facts = {
        "thumbprint": leaf.thumbprint,
        "subject": leaf.subject,
        "issuer": leaf.issuer,
        "names": leaf.names,
        "valid from": leaf.not_before,
        "valid until": leaf.not_after,
        "intermediates": [certificate_facts(der).subject for der in verdict.chain],
    }
    items, findings = _items(wanted, seen, verdict, leaf)
    summary = f"installed; its thumbprint is {leaf.thumbprint}"
    return Decision(Plan(items), verdict.findings + findings, facts, summary, _known(verdict.leaf, verdict.chain))


def _known(leaf: bytes, chain: Iterable[bytes]) -> Known:
    facts = certificate_facts(leaf)
    return Known(
        {
            CERTIFICATE: leaf,
            THUMBPRINT: facts.thumbprint,
            SUBJECT: facts.subject,
            VALID_UNTIL: str(facts.not_after.date()),
        },
        tuple(
            {
                INTERMEDIATE: der,
                INTERMEDIATE_THUMBPRINT: certificate_facts(der).thumbprint,
                INTERMEDIATE_SUBJECT: certificate_facts(der).subject,
            }
            for der in chain
        ),
    )


def _unreadable(error: BadCertificateFile) -> Finding:
    return Finding("unreadable-reply", Severity.REFUSE, error.what, error.todo, "the CA's reply")


def _items(
    wanted: Wanted, seen: Seen, verdict: ReplyVerdict, leaf: CertificateFacts
) -> tuple[tuple[PlanItem, ...], tuple[Finding, ...]]:
    missing = [
        (der, certificate_facts(der))
        for der in verdict.chain
        if certificate_facts(der).thumbprint not in seen.state.intermediates
    ]
    items = [_intermediate(seen, der, facts.thumbprint, facts.subject) for der, facts in missing]
    der = verdict.leaf or b""
    bring, changes = _bringing(wanted, seen, der, leaf.thumbprint, leaf.subject, str(leaf.not_after.date()))
    if not _same_name_installed(seen.state, der):
        return (*items, _joining(seen, bring, changes, leaf.thumbprint)), ()
    choice = _default(wanted, seen, leaf.thumbprint)
    return (*items, *_live_at_once(seen, bring, changes, leaf.thumbprint, choice)), choice.findings


def _bringing(
    wanted: Wanted, seen: Seen, der: bytes | Later, thumbprint: str | Later, subject: str | Later, until: str | Later
) -> tuple[Command, tuple[Change, ...]]:
    settings = wanted.site.certificate
    bring = cmdlets.import_certificate(
        seen.target, der, exportable=settings.exportable, friendly_name=settings.friendly_name
    )
    target = named("certificate", thumbprint)
    return bring, (Change(target, "installed", None, subject), Change(target, "valid until", None, until))


def _joining(seen: Seen, bring: Command, changes: tuple[Change, ...], thumbprint: str | Later) -> PlanItem:
    undo = Reverse(((cmdlets.remove_certificate(seen.target, thumbprint),),))
    return PlanItem("Join the certificate to the key that waits for it", (bring,), changes, undo)


def _default(wanted: Wanted, seen: Seen, thumbprint: str | Later) -> DefaultChoice:
    policy = wanted.site.policy.default_smtp_certificate
    return choose_default(seen.state, thumbprint, policy, seen.extra.remembered)


def _intermediate(seen: Seen, der: bytes | Later, thumbprint: str | Later, subject: str | Later) -> PlanItem:
    return PlanItem(
        "Give the server the CA's intermediate, so that it sends a complete chain",
        (cmdlets.add_store_certificate(seen.target, der),),
        (Change(named("intermediate certificate", thumbprint), "installed", None, subject),),
        Reverse(((cmdlets.remove_store_certificate(seen.target, thumbprint),),)),
    )


def _same_name_installed(state: ServerState, der: bytes) -> bool:
    """Whether a certificate of the same issuer and subject is there: then the import goes live at once."""
    new = certificate_facts(der)
    installed = (certificate_facts(c.raw) for c in state.certificates if c.raw and not c.pending)
    return any((old.issuer, old.subject) == (new.issuer, new.subject) for old in installed)


def _live_at_once(
    seen: Seen,
    bring: Command,
    changes: tuple[Change, ...],
    thumbprint: str | Later,
    choice: DefaultChoice,
) -> tuple[PlanItem, ...]:
    undo = enable_undo(seen.target, seen.state)
    if isinstance(undo, Compensate):
        # The newest of this issuer and subject is used, so the one before is used again when this one is gone.
        note = "send connectors with its TLS certificate name let go of it for the removal; the step rollback does that"
        undo = Compensate((*undo.pipelines, (cmdlets.remove_certificate(seen.target, thumbprint),)), note)
    item = PlanItem(
        "Import and enable in one pipeline: a certificate with this issuer and subject is in use, so the new one goes "
        "live when it is imported",
        (bring, cmdlets.enable_smtp_piped(seen.target)),
        (*changes, Change(named("certificate", thumbprint), "Services", None, ("SMTP",))),
        undo,
    )
    return (item, put_back_item(seen.target, seen.state, thumbprint, choice)) if choice.keep else (item,)
