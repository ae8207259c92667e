"""Rules over the certificate and chain a server presents.

What another certificate than the activated one suffers from is told within that one finding. What a certificate is
worth apart from the wire (lifetime, wildcards, further names) is judged before it is imported (``policy.reply``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tlsrunbook.certificates.facts import CertificateFacts, certificate_facts, names_cover, normal_name
from tlsrunbook.certificates.signatures import is_issued_by
from tlsrunbook.certificates.trust import judge_trust
from tlsrunbook.errors import BadCertificateFile
from tlsrunbook.policy import certificate_rules as rules
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.smtp.facts import ProbeFacts

#: A certificate's last days, but never more than the last third of its life.
EXPIRES_SOON = timedelta(days=21)

_SHARED = ("expired", "not-yet-valid", "weak-key", "weak-signature", "no-eku", "no-serverauth", "self-signed",
           "chain-incomplete", "issuer-unknown", "untrusted", "verifier")  # fmt: skip
#: Rule id -> what it sees, for the docs.
RULES: dict[str, str] = {
    "thumbprint-differs": "Another certificate is shown than the one that was activated.",
    "wrong-name": "The certificate does not stand for a name the server is reached by.",
    "expires-soon": "The certificate's last days have begun.",
    "chain-disordered": "A certificate is sent before the one it signed.",
    "root-sent": "The root certificate is sent too, which is of no use.",
    "chain-unseen": "This Python cannot show what follows the leaf, so the chain was not judged.",
    "certificate-unreadable": "The server shows no certificate, or one that cannot be read.",
    **{rule: rules.RULES[rule] for rule in _SHARED},
}

_INSTALL = (
    "install it into the intermediate store (LocalMachine\\CA) of every server behind this endpoint; Windows clients "
    "fetch it themselves and do not notice, other senders do"
)


@dataclass(frozen=True)
class Expected:
    """What an endpoint should show.

    Args:
        fqdn: The name it is reached by.
        names: Every name the certificate must stand for; may repeat the FQDN.
        thumbprint: Of the activated certificate, upper case; empty when not known.
        ehlo_names: What it may call itself; empty when not known.
    """

    fqdn: str
    names: tuple[str, ...]
    thumbprint: str = ""
    ehlo_names: tuple[str, ...] = ()


def presented_findings(
    facts: ProbeFacts, expected: Expected, at: datetime, roots: Sequence[bytes], known: Sequence[bytes]
) -> list[Finding]:
    """Judge the certificate and the chain of a dialogue that came to TLS; arguments as of ``wire.judge_probe``."""
    try:
        if not facts.chain:
            return [_unreadable("the server shows no certificate")]
        leaf, *_ = map(certificate_facts, facts.chain)  # all of them, so that none that is damaged goes further
        found = _leaf_findings(leaf, expected, at)
        found += _chain_findings(facts, leaf, expected, at, roots, known, found)
    except BadCertificateFile as bad:
        return [_unreadable(str(bad))]
    if expected.thumbprint and leaf.thumbprint != expected.thumbprint.upper():
        return [_another(leaf, expected.thumbprint.upper(), found)]
    return found


def _leaf_findings(leaf: CertificateFacts, expected: Expected, at: datetime) -> list[Finding]:
    found: list[Finding] = []
    wanted = dict.fromkeys(normal_name(name) for name in (expected.fqdn, *expected.names))
    missing = [name for name in wanted if not names_cover(leaf.names, name)]
    if missing:
        has = ", ".join(leaf.names) or "no names at all (no subjectAltName)"
        text = f"The certificate does not stand for {', '.join(missing)}; it has {has}"
        todo = "see which certificate the connector chooses, or have one issued with every name"
        found.append(Finding("wrong-name", Severity.ERROR, text, todo))
    found += rules.date_findings(leaf, at, hard=Severity.ERROR) or _soon(leaf, at)
    found += rules.strength_findings(leaf, hard=Severity.ERROR)
    found += rules.self_signed_findings(leaf, hard=Severity.ERROR)
    if not leaf.self_signed:
        usage = rules.usage_findings(leaf, hard=Severity.ERROR)
        found += [finding for finding in usage if finding.severity is not Severity.INFO]
    return found


def _soon(leaf: CertificateFacts, at: datetime) -> tuple[Finding, ...]:
    left = leaf.not_after - at
    if left > min(EXPIRES_SOON, (leaf.not_after - leaf.not_before) / 3):
        return ()
    text = f"{leaf.title}: expires in {left.days} days, on {leaf.not_after:%Y-%m-%d %H:%M} UTC"
    return (Finding("expires-soon", Severity.WARNING, text, "begin the renewal now"),)


def _chain_findings(
    facts: ProbeFacts,
    leaf: CertificateFacts,
    expected: Expected,
    at: datetime,
    roots: Sequence[bytes],
    known: Sequence[bytes],
    so_far: Sequence[Finding],
) -> list[Finding]:
    found = _disordered(facts.chain)
    if leaf.self_signed or leaf.signature_hash in rules.WEAK_HASHES:
        return found  # that is the whole reason, and it has been told
    trust = judge_trust(facts.chain[0], facts.chain, known, roots, at, expected.fqdn)
    if trust.fault == "chain-incomplete" and not facts.chain_complete_view:
        text = "This Python shows the server's own certificate only, so whether the chain is whole was not seen"
        return [*found, Finding("chain-unseen", Severity.WARNING, text, "run this with Python 3.13 or later")]
    told = rules.trust_findings(trust, at, hard=Severity.ERROR, short_chain=Severity.ERROR)
    found += [replace(finding, todo=_INSTALL) if finding.rule == "chain-incomplete" else finding for finding in told]
    if trust.trusted:
        found += _root_sent(facts.chain)
    if trust.verifier and not any(finding.severity is Severity.ERROR for finding in (*so_far, *found)):
        text = f"The certificate is refused by a strict verifier: {trust.verifier}"
        found.append(Finding("verifier", Severity.ERROR, text, "show this to the CA, and have it issued again"))
    return found


def _disordered(chain: Sequence[bytes]) -> list[Finding]:
    """Find a certificate that signed only later ones. Two that signed the same one (cross-signing) are in order."""
    for place, der in enumerate(chain[1:], start=1):
        signed = [other for other, lower in enumerate(chain) if other != place and is_issued_by(lower, der)]
        if signed and min(signed) > place:
            text = f"“{certificate_facts(der).title}” is sent before the certificate it signed; strict clients give up"
            todo = "put the chain in order: the server's own first, each followed by its issuer"
            return [Finding("chain-disordered", Severity.WARNING, text, todo)]
    return []


def _root_sent(chain: Sequence[bytes]) -> list[Finding]:
    root = next((facts for facts in map(certificate_facts, chain[1:]) if facts.self_signed), None)
    if root is None:
        return []
    text = f"The root certificate “{root.title}” is sent too; it is of no use to anybody and makes handshakes longer"
    return [Finding("root-sent", Severity.INFO, text)]


def _another(leaf: CertificateFacts, wanted: str, faults: Sequence[Finding]) -> Finding:
    worse = f"; it is also at fault: {', '.join(finding.rule for finding in faults)}" if faults else ""
    text = (
        f"Another certificate is shown than the activated {wanted}: {leaf.thumbprint}, subject “{leaf.subject}”, "
        f"issuer “{leaf.issuer}”, valid {leaf.not_before:%Y-%m-%d} to {leaf.not_after:%Y-%m-%d}{worse}"
    )
    todo = (
        "run the step activate; if it has run, restart MSExchangeTransport and MSExchangeFrontEndTransport, and look "
        "for another server or a TLS-terminating device behind this address"
    )
    return Finding("thumbprint-differs", Severity.ERROR, text, todo)


def _unreadable(why: str) -> Finding:
    text = f"The certificate cannot be judged: {why}"
    return Finding("certificate-unreadable", Severity.ERROR, text, "look at it with openssl s_client -showcerts")
