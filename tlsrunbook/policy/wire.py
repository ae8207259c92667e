"""Rules over what a probe saw: can mail come in here over TLS that a stranger would trust?

One fault gives one finding. TLS 1.3 is never demanded: Exchange's SMTP stays at 1.2.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from tlsrunbook.certificates.facts import names_cover, normal_name
from tlsrunbook.policy import presented
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.policy.presented import Expected, presented_findings
from tlsrunbook.smtp.facts import ProbeFacts, ProbeOutcome

OLD_PROTOCOLS = frozenset({"SSLv2", "SSLv3", "TLSv1", "TLSv1.1"})

#: Rule id -> what it sees, for the docs.
RULES: dict[str, str] = {
    "smtp-unreachable": "No connection to the endpoint: no address, refused, or no answer.",
    "smtp-rejected": "The server turns the client away before STARTTLS.",
    "smtp-not-smtp": "What answers does not speak SMTP.",
    "smtp-timeout": "The server took the connection and then did not answer in time.",
    "starttls-not-offered": "EHLO lists no STARTTLS, and the command is refused: TLS is not set up.",
    "starttls-refused": "EHLO lists STARTTLS, and the command is refused.",
    "starttls-stripped": "EHLO lists no STARTTLS, and the command works: something on the path takes the offer out.",
    "middlebox": "A device on the path rewrites SMTP (asterisks in the banner, XXXXXXXA in EHLO).",
    "response-injection": "Clear text follows the answer to STARTTLS, which a client could take for part of TLS.",
    "tls-handshake-failed": "STARTTLS works and the TLS handshake does not.",
    "smtp-broken-in-tls": "The TLS handshake works, and SMTP inside it does not.",
    "tls-too-old": "The best protocol both sides speak is older than TLS 1.2.",
    "ehlo-name-differs": "The name in the EHLO answer is not one the connector should have.",
    **presented.RULES,
}

_STARS = re.compile(r"\*{4,}")
_MASKED = re.compile(r"X{4,}[A-Z]?\Z")

#: Outcome -> rule, what was seen, what to do.
_NO_TLS: dict[ProbeOutcome, tuple[str, str, str]] = {
    ProbeOutcome.UNREACHABLE: (
        "smtp-unreachable",
        "No connection",
        "check address, port and firewall, and that the transport service runs and the connector is enabled",
    ),
    ProbeOutcome.REJECTED: (
        "smtp-rejected",
        "The server turns this client away",
        "allow the address this was run from (RemoteIPRanges, block lists, connection limits)",
    ),
    ProbeOutcome.NOT_SMTP: ("smtp-not-smtp", "This is no SMTP server", "check the endpoint's address and port"),
    ProbeOutcome.TIMEOUT: (
        "smtp-timeout",
        "The server stopped answering",
        "look at the load of the server, and for a proxy or firewall that holds connections without serving them",
    ),
    ProbeOutcome.STARTTLS_NOT_OFFERED: (
        "starttls-not-offered",
        "The server offers no STARTTLS and refuses it",
        "the connector needs Tls in AuthMechanism and a valid certificate with SMTP for its name (event 12014)",
    ),
    ProbeOutcome.STARTTLS_REFUSED: (
        "starttls-refused",
        "The server offers STARTTLS and refuses it",
        "look in the event log for 12014 and 12016, and whether the service may read the private key",
    ),
    ProbeOutcome.HANDSHAKE_FAILED: (
        "tls-handshake-failed",
        "The TLS handshake fails",
        "see that the certificate's private key is there and readable, and which protocols and ciphers SChannel allows",
    ),
    ProbeOutcome.RESPONSE_INJECTED: (
        "response-injection",
        "Clear text was added behind the answer to STARTTLS",
        "find the device or server that does it: it can put words into the encrypted dialogue; update it",
    ),
}
#: Outcomes that explain why there is no EHLO name.
_BEFORE_EHLO = frozenset({ProbeOutcome.UNREACHABLE, ProbeOutcome.REJECTED, ProbeOutcome.NOT_SMTP, ProbeOutcome.TIMEOUT})
_MIDDLEBOX_TODO = "switch ESMTP inspection off on the firewall (Cisco: no inspect esmtp), or let it pass STARTTLS"


def judge_probe(
    facts: ProbeFacts, expected: Expected, at: datetime, roots: Sequence[bytes], known: Sequence[bytes] = ()
) -> tuple[Finding, ...]:
    """Judge one dialogue with one address.

    Args:
        facts: What the probe saw.
        expected: What it should have seen.
        at: Now, with time zone.
        roots: DER of the trusted roots; give the same objects each time.
        known: DER of certificates known from elsewhere, to name what the server does not send.

    Returns:
        Nothing when all is well; else the dialogue's faults first, then the certificate's.
    """
    found = [*_dialogue_findings(facts), *_name_findings(facts, expected)]
    if facts.outcome is ProbeOutcome.TLS:
        found += presented_findings(facts, expected, at, roots, known)
    return tuple(replace(finding, target=target_of(facts)) for finding in found)


def judge_ehlo(facts: ProbeFacts, names: Sequence[str], connector_names: Sequence[str]) -> tuple[Finding, ...]:
    """Judge, before there is a certificate, whether the wire answers with a name the certificate will fit.

    Args:
        facts: What the probe saw; its TLS does not matter yet.
        names: What the certificate will carry.
        connector_names: The names the receive connectors in question answer with; empty when not known. One that the
            certificate will not carry is judged at the connector (``policy.confirm``) and not again here.
    """
    found: list[Finding] = []
    if not facts.ehlo_name:
        found += [replace(finding, severity=Severity.WARNING) for finding in _silence(facts)]
    elif not _among(facts.ehlo_name, connector_names or names):
        found.append(_answers_otherwise(facts.ehlo_name, names, connector_names))
    if sign := _middlebox_sign(facts):
        found.append(_middlebox(sign, Severity.WARNING))
    return tuple(replace(finding, target=target_of(facts)) for finding in found)


def target_of(facts: ProbeFacts) -> str:
    """Name the endpoint and, where it says more, the address."""
    at = f" at {facts.address}" if facts.address not in ("", facts.endpoint) else ""
    return f"endpoint {facts.endpoint}{at}"


def _dialogue_findings(facts: ProbeFacts) -> list[Finding]:
    sign = _middlebox_sign(facts)
    if facts.outcome is not ProbeOutcome.TLS:
        hidden = facts.outcome in (ProbeOutcome.STARTTLS_NOT_OFFERED, ProbeOutcome.STARTTLS_REFUSED)
        return [_middlebox(sign, Severity.ERROR)] if sign and hidden else [_no_tls(facts)]
    found = []
    if sign:
        found.append(_middlebox(sign, Severity.WARNING if facts.offered_starttls else Severity.ERROR))
    elif not facts.offered_starttls:
        text = (
            "EHLO does not list STARTTLS, and yet it works: something between here and the server takes the offer out"
        )
        todo = "find the firewall or mail proxy on the path; senders will use no TLS through it"
        found.append(Finding("starttls-stripped", Severity.ERROR, text, todo))
    if facts.detail:
        text = f"TLS works, and SMTP inside it does not: {facts.detail}"
        todo = "look in the server's SMTP protocol log; does the connector demand a client certificate?"
        found.append(Finding("smtp-broken-in-tls", Severity.ERROR, text, todo))
    if facts.protocol in OLD_PROTOCOLS:
        text = f"The server speaks no better than {facts.protocol} ({facts.cipher}); big senders refuse it"
        found.append(Finding("tls-too-old", Severity.ERROR, text, "enable TLS 1.2 in SChannel"))
    return found


def _no_tls(facts: ProbeFacts) -> Finding:
    rule, text, todo = _NO_TLS[facts.outcome]
    return Finding(rule, Severity.ERROR, f"{text}: {facts.detail}" if facts.detail else text, todo)


def _silence(facts: ProbeFacts) -> list[Finding]:
    if facts.outcome in _BEFORE_EHLO:
        return [_no_tls(facts)]
    text = f"The server gives no name in its EHLO answer{f' ({facts.detail})' if facts.detail else ''}"
    return [Finding("ehlo-name-differs", Severity.WARNING, text, "look at what answers there")]


def _name_findings(facts: ProbeFacts, expected: Expected) -> list[Finding]:
    if not facts.ehlo_name or not expected.ehlo_names or _among(facts.ehlo_name, expected.ehlo_names):
        return []
    text = f"The server calls itself {facts.ehlo_name}, and should be {_or(expected.ehlo_names)}"
    todo = "set the receive connector's Fqdn, or find out which connector or device answers there"
    return [Finding("ehlo-name-differs", Severity.ERROR, text, todo)]


def _answers_otherwise(name: str, names: Sequence[str], connector_names: Sequence[str]) -> Finding:
    own = (
        f"the receive connector's Fqdn is {_or(connector_names)}, so another connector, server or device answers there"
    )
    if not names_cover(tuple(names), name):
        text = f"The server calls itself {name}, which the certificate will not carry ({_or(names)})"
        text += f"; {own}" if connector_names else ""
        todo = "set the receive connector's Fqdn, correct fqdn or names in the site file, or correct the endpoint"
        return Finding("ehlo-name-differs", Severity.REFUSE, text, todo)
    return Finding(
        "ehlo-name-differs",
        Severity.WARNING,
        f"The server calls itself {name}; {own}",
        "see that the endpoint leads to this server, and which connector serves it",
    )


def _middlebox_sign(facts: ProbeFacts) -> str:
    masked = [extension for extension in facts.extensions if _MASKED.match(extension)]
    if masked:
        return f"{masked[0]} in the EHLO answer"
    return f"the banner “{facts.banner}”" if _STARS.search(facts.banner) else ""


def _middlebox(sign: str, severity: Severity) -> Finding:
    effect = "STARTTLS does not get through" if severity is Severity.ERROR else "it may take STARTTLS out"
    text = f"A device on the path rewrites SMTP ({sign}); {effect}"
    return Finding("middlebox", severity, text, _MIDDLEBOX_TODO)


def _among(name: str, names: Sequence[str]) -> bool:
    return normal_name(name) in {normal_name(other) for other in names} or names_cover(tuple(names), name)


def _or(names: Sequence[str]) -> str:
    return " or ".join(dict.fromkeys(names))


__all__ = ["RULES", "Expected", "judge_ehlo", "judge_probe", "target_of"]
