"""Step 2: a request on the server whose key stays there, and the CSR in the authority's hands."""

from __future__ import annotations

from dataclasses import replace

from tlsrunbook.certificates.csr import read_csr
from tlsrunbook.certificates.tlsa import tlsa_lines, tlsa_owners
from tlsrunbook.errors import DecodeError
from tlsrunbook.exchange import cmdlets, decode
from tlsrunbook.exchange.cmdlets_file import CSR as CSR_FILE
from tlsrunbook.exchange.cmdlets_file import server_file
from tlsrunbook.exchange.command import Later, Reply, Value
from tlsrunbook.exchange.version import Target
from tlsrunbook.plan.later import CSR, REQUEST_THUMBPRINT, Known
from tlsrunbook.plan.model import Change, Irreversible, Plan, PlanItem, Reverse, Submit
from tlsrunbook.plan.target import chosen_certificate, due
from tlsrunbook.policy.ca_advice import ca_advice
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.policy.installed import unusable_findings, window_findings
from tlsrunbook.policy.reply import judge_csr
from tlsrunbook.steps.base import Step
from tlsrunbook.steps.model import Decision, Seen, StepContext, Wanted
from tlsrunbook.steps.observe import ask
from tlsrunbook.steps.requests import PendingRequest, pending_request


class Request(Step):
    """Make a request unless a good certificate or a fitting request is there, and submit its CSR."""

    id = "request"
    number = 2
    slug = "request-certificate"
    title = "Request the certificate"

    def applies(self, wanted: Wanted) -> str:
        """A server that shares another one's key makes no request of its own."""
        source = wanted.server.share_from
        return f"{wanted.server.name} shares the key of {source} and makes no request of its own" if source else ""

    def observe(self, context: StepContext) -> Seen:
        """Read the server, and ask the authority about the pending request."""
        seen = super().observe(context)
        pending = pending_request(context, seen.state)
        if pending and not context.wanted.planning:
            context.workspace.keep("request.csr", pending.csr.pem.encode("ascii"))
        return replace(seen, extra=pending)

    def decide(self, wanted: Wanted, seen: Seen) -> Decision:
        """Decide between nothing to do, submit what is pending, and a new request."""
        chosen = chosen_certificate(seen.state, wanted.site, wanted.server, wanted.at)
        if chosen and not due(chosen, wanted.site, wanted.at):
            days = (chosen.not_after - wanted.at).days
            return Decision(
                facts={"certificate": chosen.thumbprint, "valid until": chosen.not_after, "days left": days},
                summary=f"{wanted.server.fqdn} has a certificate with {days} days left; none is requested",
            )
        pending: PendingRequest | None = seen.extra
        decision = _for_pending(wanted, pending) if pending else _new(wanted, seen)
        odd = unusable_findings(seen.state, wanted.server) + (window_findings(chosen, wanted.site) if chosen else ())
        return replace(decision, findings=decision.findings + odd)

    def perform(self, context: StepContext, item: PlanItem) -> None:
        """Make the request, or hand its CSR over."""
        if isinstance(item.does, tuple):
            reply = ask(context.shell, *item.does)
            csr = read_csr(self._csr_text(context, item.does[0].get("Path"), reply))
            context.workspace.keep("request.csr", csr.pem.encode("ascii"))
            return
        pending = pending_request(context, super().observe(context).state)
        if pending is None or pending.held:
            return
        receipt = context.authority.submit(pending.csr.pem, context.label)
        context.workspace.note("submitted", {"key": pending.csr.spki_sha256, "receipt": receipt})

    def _csr_text(self, context: StepContext, path: Value, reply: Reply) -> str | bytes:
        """Give the CSR: the reply's text, or on Exchange 2007 what it wrote to the file."""
        if not isinstance(path, str):
            return decode.decode_request(reply)
        written = {file.path.lower(): file.data for file in super().observe(context).files}
        if path.lower() not in written:
            raise DecodeError(
                f"Exchange made a request without an error, and the file {path} is not there",
                where=context.wanted.server.name,
                todo="look for the pending request with Get-ExchangeCertificate; run the step again",
            )
        return written[path.lower()]


def _for_pending(wanted: Wanted, pending: PendingRequest) -> Decision:
    csr, site = pending.csr, wanted.site
    settings = site.certificate
    findings = judge_csr(csr, wanted.server.all_names, settings.key_size, settings.subject_parts)
    facts = {
        "subject": csr.subject,
        "names": csr.asked_names,
        "key": f"{csr.key_kind} {csr.key_size} bits",
        "SHA-256 of the key": csr.spki_sha256,
        "TLSA records to publish early": tlsa_lines(_owners(wanted), csr.spki_sha256),
        "what to tell the CA": _advice(wanted),
        "authority": site.authority.kind,
        "CSR": csr.pem,
    }
    if pending.reply is not None:
        return Decision(findings=findings, facts=facts, summary="the authority has answered; the step install takes it")
    if pending.held:
        waiting = Plan(waiting_for=f"the answer of the authority ({site.authority.kind})")
        return Decision(waiting, findings + pending.passed_over, facts)
    return Decision(Plan((_submit(wanted, csr.pem),)), findings, facts, known=Known({CSR: csr.pem}))


def _owners(wanted: Wanted) -> tuple[str, ...]:
    server = wanted.server
    return tlsa_owners(server.all_names, server.endpoints if "receive" in server.roles else ())


def _advice(wanted: Wanted) -> list[dict[str, str]]:
    settings = wanted.site.certificate
    key = f"RSA {settings.key_size} bits"
    return ca_advice(wanted.server.all_names, key, wanted.at, settings.subject_parts)


def _submit(wanted: Wanted, csr: str | Later) -> PlanItem:
    kind = wanted.site.authority.kind
    return PlanItem(
        "Hand the CSR to the authority",
        Submit(kind, csr),
        (Change(f"authority {kind}", f"CSR for {wanted.server.fqdn}", None, "handed over"),),
        Irreversible("a CSR that was handed over cannot be taken back; ask the CA to drop the order"),
    )


def _new(wanted: Wanted, seen: Seen) -> Decision:
    settings, server = wanted.site.certificate, wanted.server
    subject = settings.subject(server.fqdn)
    path = _path(wanted, seen)
    command = cmdlets.new_certificate_request(
        seen.target,
        subject=subject,
        names=server.all_names,
        key_size=settings.key_size,
        exportable=settings.exportable,
        friendly_name=settings.friendly_name,
        path=path,
    )
    target = f"certificate request on {seen.state.name}"
    changes = (
        Change(target, "SubjectName", None, subject),
        Change(target, "DomainName", None, server.all_names),
        Change(target, "KeySize", None, settings.key_size),
        Change(target, "PrivateKeyExportable", None, settings.exportable),
        Change(target, "FriendlyName", None, settings.friendly_name),
    )
    make = PlanItem(
        "Make a key and a request on the server; the key never leaves it",
        (command,),
        changes,
        _undo(seen.target, path),
    )
    others = [c for c in seen.state.certificates if c.pending]
    findings = tuple(
        Finding(
            "other-pending-request",
            Severity.INFO,
            f"{seen.state.name} has a pending request {c.thumbprint} for other names or another key; it is left alone",
            "",
            f"certificate {c.thumbprint}",
        )
        for c in others
    )
    facts = {"subject": subject, "names": server.all_names, "what to tell the CA": _advice(wanted)}
    return Decision(Plan((make, _submit(wanted, CSR))), findings, facts)


def _path(wanted: Wanted, seen: Seen) -> str:
    """Give the file that Exchange 2007 writes the CSR to, empty where it comes back as text."""
    if cmdlets.gives_csr_as_text(seen.target):
        return ""
    return server_file(seen.greeting.folder, wanted.server.all_names, wanted.site.certificate.key_size, CSR_FILE)


def _undo(target: Target, path: str) -> Reverse:
    request = (cmdlets.remove_certificate(target, REQUEST_THUMBPRINT),)
    return Reverse((request, (cmdlets.remove_server_file(target, path),)) if path else (request,))
