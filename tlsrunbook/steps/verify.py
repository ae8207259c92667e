"""Step 6: proof from outside by a STARTTLS handshake, and every connector read back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from tlsrunbook.certificates.facts import CertificateFacts, certificate_facts, pem_of
from tlsrunbook.certificates.tlsa import tlsa_owner
from tlsrunbook.errors import BadCertificateFile
from tlsrunbook.exchange.state import ExchangeCertificate
from tlsrunbook.plan.internet_connector import internet_items
from tlsrunbook.plan.model import PlanItem
from tlsrunbook.plan.outdated import Remembered
from tlsrunbook.plan.receive_connectors import receive_items
from tlsrunbook.plan.selection import Choice, choices, trace_rows
from tlsrunbook.plan.send_connectors import connector_items
from tlsrunbook.plan.target import chosen_certificate
from tlsrunbook.policy.choice import choice_rows, judge_choice, judge_wire, wire_shows
from tlsrunbook.policy.compare import compare_endpoint, judge_tlsa
from tlsrunbook.policy.confirm import concerned
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.policy.followers import left_behind
from tlsrunbook.policy.routes import judge_routes
from tlsrunbook.policy.wire import Expected, judge_probe
from tlsrunbook.smtp.facts import ProbeFacts
from tlsrunbook.steps.base import Step
from tlsrunbook.steps.connectors import three_connectors
from tlsrunbook.steps.edge_sending import EdgeSeen, differs, observe_edges, verify_edge
from tlsrunbook.steps.following import followers, names_on_record
from tlsrunbook.steps.model import Decision, Seen, StepContext, Wanted


@dataclass(frozen=True)
class VerifyExtra:
    """What verify looks at besides the server.

    Args:
        probes: One dialogue per address of each endpoint.
        published: Each endpoint's TLSA records; None where DNS did not answer.
        names: What this server's certificates were called when it was read before.
        edges: The Edges that send through it.
    """

    probes: tuple[ProbeFacts, ...] = ()
    published: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    names: Remembered = field(default_factory=dict)
    edges: tuple[EdgeSeen, ...] = ()


class Verify(Step):
    """Compare what the wire shows, and what the server says, with what the site file wants. Changes nothing."""

    id = "verify"
    number = 6
    slug = "verify-tls"
    title = "Verify TLS"
    verifies = True
    looks_only = True
    untold = Severity.WARNING

    def observe(self, context: StepContext) -> Seen:
        """Read the server, and do a handshake with every address of every endpoint."""
        seen = super().observe(context)
        server = context.wanted.server
        endpoints = server.endpoints if "receive" in server.roles else ()
        probes = tuple(facts for endpoint in endpoints for facts in context.prober.probe(endpoint, server.fqdn))
        context.workspace.note("probed", {"probes": [handshake(facts) for facts in probes]})
        for number, facts in enumerate((f for f in probes if f.chain), start=1):
            context.workspace.keep(f"presented-{number}.pem", pem_of(facts.chain))
        published = {name: context.resolver.tlsa(tlsa_owner(name, server.fqdn)) for name in endpoints}
        names, edges = names_on_record(context, seen), observe_edges(context, seen)
        return replace(seen, extra=VerifyExtra(probes, published, names, edges))

    def decide(self, wanted: Wanted, seen: Seen) -> Decision:
        """Give the findings; an error fails the step."""
        chosen = chosen_certificate(seen.state, wanted.site, wanted.server, wanted.at)
        probes = seen.extra.probes
        every = choices(seen.state, wanted.at, seen.store)
        facing = _facing(wanted, seen, every)
        facts = {
            "endpoints": [handshake(probe) for probe in probes],
            "activated": chosen.thumbprint if chosen else "",
            "what the wire shows": [row for probe in probes for row in _compared(wanted, seen, chosen, probe)],
            "certificate by Exchange's rules, and on the wire": choice_rows(facing, probes),
            "how Exchange chooses": trace_rows(every),
        }
        findings = (
            *_on_server(wanted, seen, chosen),
            *_not_probed(wanted, seen),
            *(finding for probe in probes for finding in _on_wire(wanted, seen, chosen, probe)),
        )
        findings += judge_wire(facing, probes) + _explained(facing, chosen)
        findings += tuple(finding for edge in seen.extra.edges for finding in verify_edge(wanted, seen, edge))
        shown = chosen.thumbprint if chosen else "nothing"
        where = f"{len(probes)} endpoint(s) show {shown}; " if probes else ""
        return Decision(findings=findings, facts=facts, summary=f"{where}every connector is as the site file says")


def _facing(wanted: Wanted, seen: Seen, every: Iterable[Choice]) -> tuple[Choice, ...]:
    """Give the choices of the connectors the site file is about."""
    if "receive" not in wanted.server.roles:
        return ()
    names = {connector.identity for connector in concerned(seen.state, wanted.server)}
    return tuple(choice for choice in every if choice.connector in names)


def _explained(facing: Iterable[Choice], chosen: ExchangeCertificate | None) -> tuple[Finding, ...]:
    activated = chosen.thumbprint if chosen else ""
    return tuple(finding for choice in facing for finding in judge_choice(choice, activated))


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
    looked_at = {probe.endpoint for probe in seen.extra.probes}
    return tuple(
        Finding("not-probed", Severity.ERROR, f"nobody looked at {name}", "run the step again", f"endpoint {name}")
        for name in endpoints
        if name not in looked_at
    )


def _on_wire(wanted: Wanted, seen: Seen, chosen: ExchangeCertificate | None, probe: ProbeFacts) -> tuple[Finding, ...]:
    expected = _expected(wanted, seen, chosen)
    found = judge_probe(probe, expected, wanted.at, wanted.roots, known=seen.store)
    return found + judge_tlsa(probe, seen.extra.published.get(probe.endpoint))


def _compared(
    wanted: Wanted, seen: Seen, chosen: ExchangeCertificate | None, probe: ProbeFacts
) -> list[dict[str, str]]:
    published = seen.extra.published.get(probe.endpoint)
    return compare_endpoint(
        probe, _expected(wanted, seen, chosen), wanted.at, wanted.roots, seen.store, published=published
    )


def _expected(wanted: Wanted, seen: Seen, chosen: ExchangeCertificate | None) -> Expected:
    own = tuple(connector.fqdn or seen.state.fqdn for connector in concerned(seen.state, wanted.server))
    return Expected(
        fqdn=wanted.server.fqdn,
        names=wanted.server.all_names,
        thumbprint=chosen.thumbprint if chosen else "",
        ehlo_names=tuple(dict.fromkeys((*wanted.server.all_names, *own))),
    )


def _on_server(wanted: Wanted, seen: Seen, chosen: ExchangeCertificate | None) -> tuple[Finding, ...]:
    state, server = seen.state, wanted.server
    if chosen is None:
        text = f"{state.name} has no valid certificate of a CA with its key and the names {', '.join(server.all_names)}"
        return (
            Finding(
                "no-certificate", Severity.ERROR, text, "run the steps request to activate", f"server {state.name}"
            ),
        )
    findings: tuple[Finding, ...] = () if chosen.serves_smtp else (_without_smtp(seen, chosen),)
    items: tuple[PlanItem, ...] = ()
    if "receive" in server.roles and seen.target.knows("Set-ReceiveConnector", "TlsCertificateName"):
        items += receive_items(concerned(state, server), seen.target, chosen.tls_certificate_name)
    items += internet_items(state, server, seen.target)
    findings += tuple(differs(item, "run the step activate") for item in items)
    if "send" in server.roles:
        three = three_connectors(wanted, seen, chosen.tls_certificate_name)
        items = connector_items(three, state, seen.target)
        where = f" on {server.send_through}" if server.send_through else ""
        findings += tuple(differs(item, f"run the step connectors{where}") for item in items)
        # A connector that somebody made since may take a domain's mail, though all three are as they should be.
        routes = judge_routes(three, state.send_connectors, state.name)
        findings += tuple(replace(finding, severity=Severity.ERROR) for finding in routes)
    follow = followers(wanted, seen, chosen, seen.extra.names)
    reported = {finding.target for finding in findings}
    behind = left_behind(state, (*follow.receivers, *follow.senders))
    return findings + tuple(finding for finding in behind if finding.target not in reported) + follow.findings


def _without_smtp(seen: Seen, chosen: ExchangeCertificate) -> Finding:
    server = seen.state.name
    if chosen.services is None:
        proven = any(wire_shows(probe) == chosen.thumbprint for probe in seen.extra.probes)
        more = "the wire shows it, so TLS works" if proven else "and no endpoint shows it"
        return Finding(
            "smtp-untold",
            Severity.WARNING if proven else Severity.ERROR,
            f"whether {chosen.thumbprint} has SMTP on {server} is unknown; {more}",
            "look at it in the Exchange Management Shell with Get-ExchangeCertificate",
            f"certificate {chosen.thumbprint}",
        )
    return Finding(
        "certificate-without-smtp",
        Severity.ERROR,
        f"{server} has {chosen.thumbprint} without SMTP, so TLS fails wherever a connector names it",
        "run the step activate",
        f"certificate {chosen.thumbprint}",
    )
