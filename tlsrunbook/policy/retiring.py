"""Which old certificates of a server may go, and why the others stay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tlsrunbook.certificates.facts import names_cover
from tlsrunbook.exchange.state import ExchangeCertificate, ServerState
from tlsrunbook.plan.selection import Choice
from tlsrunbook.policy.choice import wire_shows
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.policy.tls_names import same_name
from tlsrunbook.site import Server
from tlsrunbook.smtp.facts import ProbeFacts

RULES = {
    "retire-default": "The default SMTP certificate is not retired",
    "retire-other-services": "A certificate that another service (IIS, POP, IMAP ...) is bound to is not retired",
    "retire-untold": "A certificate whose services are unknown is not retired",
    "retire-names": "A certificate with a name that its successor lacks is not retired",
    "retire-newer": "A certificate that was issued after the one in use is not retired",
    "retire-receive-connector": "A certificate that a receive connector takes or names is not retired",
    "retire-send-connector": "A certificate that a send connector names is not retired: Exchange would refuse it",
    "successor-not-verified": "A certificate is retired only after verify has seen its successor on the wire",
    "successor-not-shown": "A certificate is retired only while every endpoint shows its successor",
}

#: The order of Microsoft's article on certificates that cannot be removed. It is offered and not done: between the
#: second and the last part, mail leaves with whatever certificate the connector's Fqdn finds.
_ORDER = (
    "by hand, at a quiet hour: Set-SendConnector {connectors} -TlsCertificateName $null; on each source server "
    "Remove-ExchangeCertificate -Thumbprint {thumbprint}; Set-SendConnector {connectors} -TlsCertificateName with the "
    "same name again; Restart-Service MSExchangeTransport. In between, mail leaves with the certificate that the "
    "connector's Fqdn finds"
)


@dataclass(frozen=True)
class Retirement:
    """What is to become of the old certificates.

    Args:
        going: May be removed.
        staying: Why each of the others stays.
    """

    going: tuple[ExchangeCertificate, ...]
    staying: tuple[Finding, ...]


def old_certificates(
    state: ServerState, server: Server, chosen: ExchangeCertificate
) -> tuple[ExchangeCertificate, ...]:
    """Give the CA certificates for the server's FQDN besides the one in use."""
    return tuple(
        certificate
        for certificate in state.certificates
        if certificate.thumbprint != chosen.thumbprint
        and not certificate.pending
        and certificate.self_signed is not True
        and names_cover(certificate.names, server.fqdn)
    )


def judge_retirement(
    state: ServerState, server: Server, chosen: ExchangeCertificate, choices: Sequence[Choice]
) -> Retirement:
    """Say of each old certificate whether it may go.

    Args:
        chosen: The successor.
        choices: What every receive connector of the server takes.
    """
    going: list[ExchangeCertificate] = []
    staying: list[Finding] = []
    for old in old_certificates(state, server, chosen):
        reasons = tuple(_reasons(old, state, chosen, choices))
        staying += reasons
        if not reasons:
            going.append(old)
    blocked = {"retire-send-connector", "retire-receive-connector"}
    if not going:  # what somebody can see to closes the gate, when nothing else is left to do
        staying = [_refusing(finding) if finding.rule in blocked else finding for finding in staying]
    return Retirement(tuple(going), tuple(staying))


def _refusing(finding: Finding) -> Finding:
    return Finding(finding.rule, Severity.REFUSE, finding.message, finding.todo, finding.target)


def _reasons(
    old: ExchangeCertificate, state: ServerState, chosen: ExchangeCertificate, choices: Sequence[Choice]
) -> Iterable[Finding]:
    target = f"certificate {old.thumbprint}"

    def stays(rule: str, severity: Severity, why: str, todo: str = "") -> Finding:
        return Finding(rule, severity, f"{old.thumbprint} stays: {why}", todo, target)

    if old.thumbprint == state.internal_transport_thumbprint:
        yield stays("retire-default", Severity.INFO, f"it is the default SMTP certificate of {state.name}")
    if old.services is None:
        yield stays("retire-untold", Severity.WARNING, "which services it has is unknown", "look at it on the server")
    others = sorted((old.services or frozenset()) - {"SMTP", "None"})
    if others:
        todo = f"give {', '.join(others)} to another certificate first, if it shall go"
        yield stays("retire-other-services", Severity.INFO, f"{', '.join(others)} is bound to it", todo)
    lacking = [name for name in old.names if not names_cover(chosen.names, name)]
    if lacking:
        yield stays("retire-names", Severity.INFO, f"its successor does not carry {', '.join(lacking)}")
    if old.not_before > chosen.not_before:
        yield stays("retire-newer", Severity.INFO, f"it was issued after {chosen.thumbprint}")
    taking = sorted(_receivers(old, state, choices))
    if taking:
        text = f"the receive connectors {', '.join(taking)} name or take it"
        yield stays("retire-receive-connector", Severity.WARNING, text, "run the step activate first")
    naming = [
        c.name for c in state.send_connectors if same_name(c.tls_certificate_name or "", old.tls_certificate_name)
    ]
    if naming:
        listed = ", ".join(f"'{name}'" for name in naming)
        shared = same_name(old.tls_certificate_name, chosen.tls_certificate_name)
        why = " (its successor has the same issuer and subject, so they cannot name one without the other)"
        text = f"the send connectors {listed} name it, and Exchange refuses to remove it{why if shared else ''}"
        order = _ORDER.format(connectors=listed, thumbprint=old.thumbprint)
        yield stays(
            "retire-send-connector", Severity.WARNING, text, order if shared else "run the step connectors first"
        )


def _receivers(old: ExchangeCertificate, state: ServerState, choices: Sequence[Choice]) -> set[str]:
    """Give the receive connectors that take it, that may take it, or that name it alone."""
    found = {choice.connector for choice in choices if choice.thumbprint == old.thumbprint}
    found |= {choice.connector for choice in choices if choice.offered is None and old in choice.candidates}
    sharing = [c for c in state.certificates if same_name(c.tls_certificate_name, old.tls_certificate_name)]
    if len(sharing) == 1:
        found |= {
            connector.identity
            for connector in state.receive_connectors
            if same_name(connector.tls_certificate_name or "", old.tls_certificate_name)
        }
    return found


def judge_successor(
    chosen: ExchangeCertificate, server: Server, verified: Mapping[str, str], probes: Sequence[ProbeFacts]
) -> tuple[Finding, ...]:
    """Refuse unless the successor was verified on the wire, and is there now.

    Args:
        chosen: The successor.
        server: Of the site file.
        verified: Thumbprints that ``verify`` has seen, with where its record is.
        probes: Handshakes of now, one per address of each endpoint.
    """
    target = f"certificate {chosen.thumbprint}"
    if chosen.thumbprint not in verified:
        text = f"no record of verify in mode apply shows {chosen.thumbprint} on the wire of {server.name}"
        todo = "run the step verify in mode apply; it needs an endpoint in the site file and role receive"
        return (Finding("successor-not-verified", Severity.REFUSE, text, todo, target),)
    if not probes:
        text = f"{server.name} has no endpoint to look at now"
        return (Finding("successor-not-shown", Severity.REFUSE, text, "name one in the site file", target),)
    return tuple(
        Finding(
            "successor-not-shown",
            Severity.REFUSE,
            f"{facts.endpoint} shows {wire_shows(facts) or facts.outcome.value} now, not {chosen.thumbprint}",
            "run the step verify and see to its findings first",
            f"endpoint {facts.endpoint}",
        )
        for facts in probes
        if wire_shows(facts) != chosen.thumbprint
    )
