"""Step 6: proof from outside by a STARTTLS handshake, and every connector read back."""

from __future__ import annotations

from dataclasses import replace

from tlsrunbook.certificates.facts import CertificateFacts, certificate_facts, pem_of
from tlsrunbook.errors import BadCertificateFile
from tlsrunbook.exchange.state import ExchangeCertificate
from tlsrunbook.plan.model import PlanItem
from tlsrunbook.plan.receive_connectors import receive_items
from tlsrunbook.plan.send_connectors import connector_items
from tlsrunbook.plan.target import chosen_certificate
from tlsrunbook.policy.confirm import concerned
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.policy.routes import judge_routes
from tlsrunbook.policy.wire import Expected, judge_probe
from tlsrunbook.smtp.facts import ProbeFacts
from tlsrunbook.steps.base import Step
from tlsrunbook.steps.connectors import three_connectors
from tlsrunbook.steps.model import Decision, Seen, StepContext, Wanted


class Verify(Step):
    """Compare what the wire shows, and what the server says, with what the site file wants. Changes nothing."""

    id = "verify"
    number = 6
    slug = "verify-tls"
    title = "Verify TLS"
    verifies = True

    def observe(self, context: StepContext) -> Seen:
        """Read the server, and do a handshake with every address of every endpoint."""
        seen = super().observe(context)
        server = context.wanted.server
        endpoints = server.endpoints if "receive" in server.roles else ()
        probes = tuple(facts for endpoint in endpoints for facts in context.prober.probe(endpoint, server.fqdn))
        context.workspace.note("probed", {"probes": [handshake(facts) for facts in probes]})
        for number, facts in enumerate((f for f in probes if f.chain), start=1):
            context.workspace.keep(f"presented-{number}.pem", pem_of(facts.chain))
        return replace(seen, extra=probes)

    def decide(self, wanted: Wanted, seen: Seen) -> Decision:
        """Give the findings; an error fails the step."""
        chosen = chosen_certificate(seen.state, wanted.site, wanted.server, wanted.at)
        facts = {
            "endpoints": [handshake(probe) for probe in seen.extra],
            "activated": chosen.thumbprint if chosen else "",
        }
        findings = (
            *_on_server(wanted, seen, chosen),
            *_not_probed(wanted, seen),
            *(finding for probe in seen.extra for finding in _on_wire(wanted, seen, chosen, probe)),
        )
        shown = chosen.thumbprint if chosen else "nothing"
        where = f"{len(seen.extra)} endpoint(s) show {shown}; " if seen.extra else ""
        return Decision(findings=findings, facts=facts, summary=f"{where}every connector is as the site file says")


def handshake(facts: ProbeFacts) -> dict[str, object]:
    """Give one probe as a row: endpoint, what was seen, and the certificate that was shown."""
    row: dict[str, object] = {
        "endpoint": facts.endpoint,
        "address": facts.address,
        "result": facts.outcome.value,
        "EHLO": facts.ehlo_name,
        "protocol": facts.protocol,
        "seconds": round(facts.seconds, 3),
    }
    leaf = _leaf(facts)
    if leaf:
        row |= {
            "thumbprint": leaf.thumbprint,
            "issuer": leaf.issuer,
            "valid until": leaf.not_after,
            "sent": len(facts.chain),
        }
    elif facts.detail:
        row["detail"] = facts.detail
    return row


def _leaf(facts: ProbeFacts) -> CertificateFacts | None:
    try:
        return certificate_facts(facts.chain[0]) if facts.chain else None
    except BadCertificateFile:  # the rules say so
        return None


def _not_probed(wanted: Wanted, seen: Seen) -> tuple[Finding, ...]:
    """Nothing seen is nothing proven."""
    endpoints = wanted.server.endpoints if "receive" in wanted.server.roles else ()
    looked_at = {probe.endpoint for probe in seen.extra}
    return tuple(
        Finding("not-probed", Severity.ERROR, f"nobody looked at {name}", "run the step again", f"endpoint {name}")
        for name in endpoints
        if name not in looked_at
    )


def _on_wire(wanted: Wanted, seen: Seen, chosen: ExchangeCertificate | None, probe: ProbeFacts) -> tuple[Finding, ...]:
    own = tuple(connector.fqdn or seen.state.fqdn for connector in concerned(seen.state, wanted.server))
    expected = Expected(
        fqdn=wanted.server.fqdn,
        names=wanted.server.all_names,
        thumbprint=chosen.thumbprint if chosen else "",
        ehlo_names=tuple(dict.fromkeys((*wanted.server.all_names, *own))),
    )
    return judge_probe(probe, expected, wanted.at, wanted.roots, known=seen.store)


def _on_server(wanted: Wanted, seen: Seen, chosen: ExchangeCertificate | None) -> tuple[Finding, ...]:
    state, server = seen.state, wanted.server
    if chosen is None:
        text = f"{state.name} has no valid certificate of a CA with its key and the names {', '.join(server.all_names)}"
        return (
            Finding(
                "no-certificate", Severity.ERROR, text, "run the steps request to activate", f"server {state.name}"
            ),
        )
    findings: tuple[Finding, ...] = () if chosen.serves_smtp else (_without_smtp(state.name, chosen),)
    items: tuple[PlanItem, ...] = ()
    if "receive" in server.roles and seen.target.knows("Set-ReceiveConnector", "TlsCertificateName"):
        items += receive_items(concerned(state, server), seen.target, chosen.tls_certificate_name)
    if "send" in server.roles:
        three = three_connectors(wanted, seen, chosen.tls_certificate_name)
        items += connector_items(three, state, seen.target)
        # A connector that somebody made since may take a domain's mail, though all three are as they should be.
        routes = judge_routes(three, state.send_connectors, state.name)
        findings += tuple(replace(finding, severity=Severity.ERROR) for finding in routes)
    return tuple(_differs(item) for item in items) + findings


def _without_smtp(server: str, chosen: ExchangeCertificate) -> Finding:
    return Finding(
        "certificate-without-smtp",
        Severity.ERROR,
        f"{server} has {chosen.thumbprint} without SMTP, so TLS fails wherever a connector names it",
        "run the step activate",
        f"certificate {chosen.thumbprint}",
    )


def _differs(item: PlanItem) -> Finding:
    change = item.changes[0]
    return Finding(
        "server-differs",
        Severity.ERROR,
        f"{change.target}: {change.property} is {change.have!r} and shall be {change.want!r}",
        "run the step activate or connectors",
        change.target,
    )
