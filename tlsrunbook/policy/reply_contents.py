"""What is in a CA's reply, certificate by certificate, in words: which is which, whose key it has, where it leads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from tlsrunbook.certificates.chain import intermediates_of, leaf_for
from tlsrunbook.certificates.facts import CertificateFacts, certificate_facts
from tlsrunbook.certificates.trust import Trust, judge_trust

THIS, OTHER = "the certificate for this request", "a certificate for another key"


def reply_rows(
    certificates: Sequence[bytes], spki_sha256: str, whose: Mapping[str, str] | None = None
) -> list[dict[str, str]]:
    """Give one row per certificate, in the order they stand in the reply.

    Args:
        certificates: DER, readable.
        spki_sha256: The request's key.
        whose: Key of other known requests -> whose it is, such as ``MBX1, change 20261124-120000-ab12``.
    """
    leaf = next(iter(leaf_for(certificates, spki_sha256)), None)
    used = intermediates_of(leaf, certificates) if leaf else ()
    rows = []
    for place, der in enumerate(certificates, start=1):
        facts = certificate_facts(der)
        row = {
            "place": str(place),
            "what it is": _kind(der, facts, leaf, used, spki_sha256),
            "subject": facts.subject or facts.title,
            "issuer": facts.issuer,
            "names": ", ".join(facts.names),
            "valid": f"{facts.not_before:%Y-%m-%d} to {facts.not_after:%Y-%m-%d}",
            "key": _key(facts, spki_sha256, whose or {}),
            "thumbprint": facts.thumbprint,
        }
        rows.append(row)
    return rows


def _kind(der: bytes, facts: CertificateFacts, leaf: bytes | None, used: Sequence[bytes], spki_sha256: str) -> str:
    if der == leaf:
        return THIS
    if facts.spki_sha256 == spki_sha256:
        return "an older certificate for this request"
    if facts.self_signed:
        return "a root: not needed" if facts.is_ca else "a self-signed certificate"
    if der in used:
        return f"intermediate {used.index(der) + 1} above it"
    return (
        "an intermediate that does not belong to it"
        if facts.is_ca and leaf
        else "intermediate"
        if facts.is_ca
        else OTHER
    )


def _key(facts: CertificateFacts, spki_sha256: str, whose: Mapping[str, str]) -> str:
    kind = f"{facts.key_kind} {facts.key_size} bits"
    if facts.spki_sha256 == spki_sha256:
        return f"{kind}, the key of this request"
    if facts.spki_sha256 in whose:
        return f"{kind}, the key of {whose[facts.spki_sha256]}"
    return kind


def order_of(certificates: Sequence[bytes], spki_sha256: str) -> str:
    """Say in which order a reply is, as seen from the request's certificate; any order is taken."""
    leaf = next(iter(leaf_for(certificates, spki_sha256)), None)
    if leaf is None:
        return "no certificate in it is for this request"
    chain = [der for der in (leaf, *intermediates_of(leaf, certificates)) if der in certificates]
    told = [der for der in certificates if der in chain]
    extra = "" if len(told) == len(certificates) else "; with certificates that do not belong to it"
    if len(chain) == 1:
        return f"the certificate alone, without an intermediate{extra}"
    return ("leaf first, each followed by its issuer" if told == chain else "mixed; it is put in order") + extra


def chain_text(
    certificates: Sequence[bytes],
    spki_sha256: str,
    known: Sequence[bytes],
    roots: Sequence[bytes],
    at: datetime,
    name: str,
) -> str:
    """Say where the chain of the request's certificate ends; empty when there is none.

    Args:
        known: DER of certificates known from elsewhere that may complete the chain.
        roots: DER of the trusted roots; give the same objects each time.
        at: Now, with time zone.
        name: The FQDN a client asks for.
    """
    leaf = next(iter(leaf_for(certificates, spki_sha256)), None)
    return trust_text(judge_trust(leaf, certificates, known, roots, at, name)) if leaf else ""


def trust_text(trust: Trust) -> str:
    """Say in one sentence where a chain leads."""
    path = " → ".join(certificate_facts(der).title for der in trust.path)
    if trust.fault == "chain-incomplete":
        return f"{path}: incomplete, “{trust.missing_issuer}” was not sent"
    if trust.fault == "issuer-unknown":
        return f"{path}: its issuer “{trust.missing_issuer}” is not known"
    if trust.fault:
        return f"{path}: not trusted"
    ends = "" if certificate_facts(trust.path[-1]).self_signed else f" → {trust.root}"
    return f"{path}{ends}: a trusted root"
