"""Step 3: the CA's reply, judged before anything is sent, then intermediates and certificate."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from tlsrunbook.certificates.facts import CertificateFacts, certificate_facts, pem_of
from tlsrunbook.certificates.reply import read_reply
from tlsrunbook.errors import BadCertificateFile
from tlsrunbook.exchange import cmdlets
from tlsrunbook.exchange.command import Command, Later
from tlsrunbook.plan.activation import DefaultChoice, choose_default
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
from tlsrunbook.plan.model import Change, Plan, PlanItem, Reverse, Submit, Transfer
from tlsrunbook.plan.target import chosen_certificate, due
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.policy.installed import start_over, unusable_findings
from tlsrunbook.policy.reply import ReplyVerdict, judge_reply, mutual_tls
from tlsrunbook.policy.reply_contents import chain_text, order_of, reply_rows
from tlsrunbook.steps.base import Step
from tlsrunbook.steps.files_2007 import certificate_path, later_tidy_items, leftover_items, put_item, tidy_items
from tlsrunbook.steps.importing import intermediate_item, later_intermediate, live_at_once, same_name_installed
from tlsrunbook.steps.model import Decision, Seen, StepContext, Wanted
from tlsrunbook.steps.requests import PendingRequest, kept_reply, pending_request, private_key_beside
from tlsrunbook.steps.sharing import decide_shared, observe_source, take_over


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
        """Read the server, and fetch the authority's answer; or read the server whose key it shares."""
        seen = super().observe(context)
        if context.wanted.server.share_from:
            return replace(seen, extra=observe_source(context))
        pending = pending_request(context, seen.state)
        kept = kept_reply(pending.reply) if pending and pending.reply is not None else None
        if kept and not context.wanted.planning:
            context.workspace.keep(*kept)
        return replace(seen, extra=InstallExtra(pending, context.workspace.remembered_default()))

    def decide(self, wanted: Wanted, seen: Seen) -> Decision:
        """Decide between nothing to do, waiting, and importing the reply that passed its checks."""
        if wanted.server.share_from:
            return decide_shared(wanted, seen)
        pending = seen.extra.pending
        if pending and pending.reply is not None:
            return _import(wanted, seen, pending)
        chosen = chosen_certificate(seen.state, wanted.site, wanted.server, wanted.at)
        if chosen and not (due(chosen, wanted.site, wanted.at) and (pending or wanted.planning)):
            return Decision(
                Plan(leftover_items(seen.target, seen.files, seen.state)),
                facts={"thumbprint": chosen.thumbprint, "valid until": chosen.not_after},
                summary=f"the certificate {chosen.thumbprint} for {wanted.server.fqdn} is installed",
            )
        if pending or wanted.planning:
            waiting = f"the answer of the authority ({wanted.site.authority.kind})"
            return Decision(_later(wanted, seen, waiting), pending.passed_over if pending else ())
        return Decision(findings=(_no_request(wanted, seen), *unusable_findings(seen.state, wanted.server)))

    def perform(self, context: StepContext, item: PlanItem) -> None:
        """Keep what is imported as PEM beside the record, then send it."""
        if isinstance(item.does, Transfer):
            take_over(context, item.does)
            return
        if not isinstance(item.does, Submit):
            data = item.does[0].get("FileData") or item.does[0].get("Data")
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
    path = certificate_path(seen, wanted)
    bring, changes = _bringing(wanted, seen, path, CERTIFICATE, THUMBPRINT, SUBJECT, VALID_UNTIL)
    put = (put_item(seen.target, path, CERTIFICATE, THUMBPRINT),) if path else ()
    items = [later_intermediate(seen), *put, _joining(seen, bring, changes, THUMBPRINT)]
    if any(c.self_signed is False and not c.pending for c in seen.state.certificates):
        choice = _default(wanted, seen, THUMBPRINT)
        live, *back = live_at_once(seen, bring, changes, THUMBPRINT, choice)
        items += [replace(live, why=f"Instead of the import alone, if need be: {live.why}"), *back]
    return Plan((*items, *later_tidy_items(seen.target, path)), waiting)


def _import(wanted: Wanted, seen: Seen, pending: PendingRequest) -> Decision:
    try:
        ders = read_reply(pending.reply or b"")
    except BadCertificateFile as error:
        beside = private_key_beside(pending.reply or b"")
        return Decision(findings=(*beside, _unreadable(error), start_over(pending.entry, seen.state.name)))
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
    verdict = replace(verdict, findings=private_key_beside(pending.reply or b"") + verdict.findings)
    if verdict.leaf is None or verdict.refused:
        hint = start_over(pending.entry, seen.state.name)
        found = (*pending.passed_over, *verdict.findings, hint)
        return Decision(findings=found, facts=_contents(wanted, seen, pending, ders))
    leaf = certificate_facts(verdict.leaf)
    facts = {
        "thumbprint": leaf.thumbprint,
        "subject": leaf.subject,
        "issuer": leaf.issuer,
        "names": leaf.names,
        "valid from": leaf.not_before,
        "valid until": leaf.not_after,
        "intermediates": [certificate_facts(der).subject for der in verdict.chain],
        **_contents(wanted, seen, pending, ders),
    }
    items, findings = _items(wanted, seen, verdict, leaf)
    findings = pending.passed_over + verdict.findings + mutual_tls(leaf, seen.state) + findings
    summary = f"installed; its thumbprint is {leaf.thumbprint}"
    return Decision(Plan(items), findings, facts, summary, _known(verdict.leaf, verdict.chain))


def _contents(wanted: Wanted, seen: Seen, pending: PendingRequest, ders: tuple[bytes, ...]) -> dict[str, Any]:
    """Say what is in the reply, certificate by certificate."""
    key = pending.csr.spki_sha256
    chain = chain_text(ders, key, seen.store, wanted.roots, wanted.at, wanted.server.fqdn)
    facts = {"the CA's answer": reply_rows(ders, key), "order in it": order_of(ders, key)}
    return facts | ({"chain to a root": chain} if chain else {})


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
    items = [
        intermediate_item(seen, der)
        for der in verdict.chain
        if certificate_facts(der).thumbprint not in seen.state.intermediates
    ]
    der = verdict.leaf or b""
    path = certificate_path(seen, wanted)
    if path:
        items.append(put_item(seen.target, path, der, leaf.thumbprint))
    bring, changes = _bringing(wanted, seen, path, der, leaf.thumbprint, leaf.subject, str(leaf.not_after.date()))
    tidy = tidy_items(seen.target, seen.files, path)
    if not same_name_installed(seen.state, der):
        return (*items, _joining(seen, bring, changes, leaf.thumbprint), *tidy), ()
    choice = _default(wanted, seen, leaf.thumbprint)
    return (*items, *live_at_once(seen, bring, changes, leaf.thumbprint, choice), *tidy), choice.findings


def _bringing(
    wanted: Wanted,
    seen: Seen,
    path: str,
    der: bytes | Later,
    thumbprint: str | Later,
    subject: str | Later,
    until: str | Later,
) -> tuple[Command, tuple[Change, ...]]:
    settings = wanted.site.certificate
    # A key's exportability was settled with the request; Exchange 2007 does not ask again at the import.
    asks = seen.target.knows("Import-ExchangeCertificate", "PrivateKeyExportable")
    bring = cmdlets.import_certificate(
        seen.target,
        der,
        exportable=settings.exportable if asks else None,
        friendly_name=settings.friendly_name,
        path=path,
    )
    target = named("certificate", thumbprint)
    return bring, (Change(target, "installed", None, subject), Change(target, "valid until", None, until))


def _joining(seen: Seen, bring: Command, changes: tuple[Change, ...], thumbprint: str | Later) -> PlanItem:
    undo = Reverse(((cmdlets.remove_certificate(seen.target, thumbprint),),))
    return PlanItem("Join the certificate to the key that waits for it", (bring,), changes, undo)


def _default(wanted: Wanted, seen: Seen, thumbprint: str | Later) -> DefaultChoice:
    policy = wanted.site.policy.default_smtp_certificate
    return choose_default(seen.state, thumbprint, policy, seen.extra.remembered)
