"""Rules about one certificate, for a CA's reply and for what a server shows on the wire alike.

Each rule takes facts and gives findings. ``hard`` is the severity of what makes a certificate useless: ``refuse``
before an import, ``error`` on the wire.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from tlsrunbook.certificates.facts import CertificateFacts, certificate_facts, names_cover, normal_name
from tlsrunbook.certificates.trust import Trust
from tlsrunbook.policy.finding import Finding, Severity

MIN_RSA_BITS = 2048
MIN_EC_BITS = 256
WEAK_HASHES = frozenset({"md5", "sha1"})

#: Longest life of a public certificate by the day it begins, newest first (CA/Browser Forum, SC-081v3 and before).
LIFETIME_LIMITS: tuple[tuple[datetime, int], ...] = (
    (datetime(2029, 3, 15, tzinfo=UTC), 47),
    (datetime(2027, 3, 15, tzinfo=UTC), 100),
    (datetime(2026, 3, 15, tzinfo=UTC), 200),
    (datetime(2020, 9, 1, tzinfo=UTC), 398),
    (datetime(2018, 3, 1, tzinfo=UTC), 825),
)

#: Rule id -> what it sees, for the docs.
RULES: dict[str, str] = {
    "missing-names": "A wanted FQDN is not among the certificate's names (subjectAltName), also not by a wildcard.",
    "extra-names": "The certificate names more than was wanted.",
    "cn-not-in-san": "The common name is not in the subjectAltName; today's clients look only there.",
    "empty-subject": "The subject is empty, so that Exchange's TLS certificate name has nothing after its <S>.",
    "wildcard": "A name is a wildcard, which not every Exchange version and partner accepts for SMTP.",
    "no-eku": "There is no extendedKeyUsage; public CAs always set it.",
    "no-serverauth": "The extendedKeyUsage does not allow serverAuth, so that clients refuse it.",
    "no-clientauth": "The extendedKeyUsage does not allow clientAuth; it matters to mutual TLS only.",
    "weak-key": "The key is too short, or of a kind Exchange cannot use.",
    "weak-signature": "The signature is made with SHA-1 or MD5.",
    "too-long": "It lives longer than a public CA may issue on its first day.",
    "expired": "Its last day is over.",
    "not-yet-valid": "Its first day has not come.",
    "self-signed": "Its own key signed it.",
    "chain-incomplete": "An intermediate certificate was not sent along.",
    "issuer-unknown": "The issuer of the last certificate in the chain is not known.",
    "untrusted": "The chain ends in a root that is not trusted, or holds a certificate that must not be trusted.",
    "verifier": "The verifier of the cryptography library refuses it, and no other rule says why.",
}


def certificate_findings(
    facts: CertificateFacts, names: Sequence[str], at: datetime, *, hard: Severity, target: str = ""
) -> tuple[Finding, ...]:
    """Apply every rule that needs the certificate alone.

    Args:
        facts: The leaf.
        names: Wanted FQDNs.
        at: Now, with time zone.
        hard: See the module.
        target: What the findings are about; may be empty.
    """
    return (
        *name_findings(facts, names, hard=hard, target=target),
        *date_findings(facts, at, hard=hard, target=target),
        *lifetime_findings(facts, target=target),
        *strength_findings(facts, hard=hard, target=target),
        *usage_findings(facts, hard=hard, target=target),
        *self_signed_findings(facts, hard=hard, target=target),
    )


def name_findings(
    facts: CertificateFacts, names: Sequence[str], *, hard: Severity, target: str = ""
) -> tuple[Finding, ...]:
    """Compare the certificate's names with the wanted FQDNs: missing, extra, wildcards, CN, empty subject."""
    found: list[Finding] = []
    wanted = tuple(dict.fromkeys(map(normal_name, names)))
    missing = [name for name in wanted if not names_cover(facts.names, name)]
    if missing:
        has = _list(facts.names) if facts.names else "no names at all (no subjectAltName)"
        message = f"The certificate does not stand for {_list(missing)}; it has {has}"
        found.append(Finding("missing-names", hard, message, "have it issued again, with every name", target))
    wildcards = [name for name in facts.names if name.startswith("*.")]
    extra = [name for name in facts.names if name not in wanted and name not in wildcards]
    if extra:
        message = f"The certificate also names {_list(extra)}, which the site file does not"
        todo = "fine if the CA added them; else add them to the site file or ask why they are there"
        found.append(Finding("extra-names", Severity.WARNING, message, todo, target))
    if wildcards:
        message = f"The certificate has a wildcard name: {_list(wildcards)}"
        todo = "a certificate with the plain FQDN is safer: some versions and partners compare it letter by letter"
        found.append(Finding("wildcard", Severity.WARNING, message, todo, target))
    return (*found, *_subject_findings(facts, target))


def _subject_findings(facts: CertificateFacts, target: str) -> tuple[Finding, ...]:
    if not facts.subject:
        message = "The certificate's subject is empty, so that its TLS certificate name has nothing after <S>"
        todo = "ask the CA for a profile with a common name (Let's Encrypt: classic)"
        return (Finding("empty-subject", Severity.WARNING, message, todo, target),)
    if facts.common_name and normal_name(facts.common_name) not in facts.names:
        message = f"The common name “{facts.common_name}” is not in the subjectAltName; today's clients look only there"
        return (Finding("cn-not-in-san", Severity.WARNING, message, "have it issued with the name in both", target),)
    return ()


def date_findings(facts: CertificateFacts, at: datetime, *, hard: Severity, target: str = "") -> tuple[Finding, ...]:
    """Check that now lies within its life."""
    if at > facts.not_after:
        message = f"{facts.title}: expired on {_day(facts.not_after)}"
        return (Finding("expired", hard, message, "have a new one issued", target),)
    if at < facts.not_before:
        message = f"{facts.title}: not valid before {_day(facts.not_before)}; it is {_day(at)}"
        todo = "wait until then, or put the clock of this computer right"
        return (Finding("not-yet-valid", hard, message, todo, target),)
    return ()


def lifetime_limit(not_before: datetime) -> int | None:
    """Give how many days a public certificate may live that begins then; None before there was such a limit."""
    return next((days for since, days in LIFETIME_LIMITS if not_before >= since), None)


def lifetime_findings(facts: CertificateFacts, *, target: str = "") -> tuple[Finding, ...]:
    """Compare its life, both ends counted, with what a public CA may issue."""
    limit = lifetime_limit(facts.not_before)
    life = facts.not_after - facts.not_before + timedelta(seconds=1)
    if limit is None or life <= timedelta(days=limit):
        return ()
    days, since = life / timedelta(days=1), f"{facts.not_before:%Y-%m-%d}"
    message = f"The certificate lives {days:.1f} days; a public one that begins on {since} may live {limit} days"
    todo = "is it from a public CA? Others on the Internet will not trust a private one"
    return (Finding("too-long", Severity.WARNING, message, todo, target),)


def strength_findings(facts: CertificateFacts, *, hard: Severity, target: str = "") -> tuple[Finding, ...]:
    """Check key and signature."""
    found: list[Finding] = []
    weakness = key_weakness(facts.key_kind, facts.key_size)
    if weakness:
        todo = "make a new request with an RSA key of 2048 or 4096 bits"
        found.append(Finding("weak-key", hard, f"{facts.title}: {weakness}", todo, target))
    if facts.signature_hash in WEAK_HASHES and not facts.self_signed:
        message = f"{facts.title}: signed with {facts.signature_hash.upper()}, which no client trusts any more"
        found.append(Finding("weak-signature", hard, message, "have it issued again, signed with SHA-256", target))
    return tuple(found)


def key_weakness(kind: str, size: int) -> str:
    """Say what is wrong with a key of this kind and size; empty when nothing is."""
    if kind not in {"RSA", "EC"}:
        return f"its key is {kind}, which Exchange cannot use"
    least = MIN_RSA_BITS if kind == "RSA" else MIN_EC_BITS
    return f"its {kind} key has {size} bits; at least {least} are needed" if size < least else ""


def usage_findings(facts: CertificateFacts, *, hard: Severity, target: str = "") -> tuple[Finding, ...]:
    """Check what the certificate may be used for."""
    if not facts.ekus:
        message = "The certificate has no extended key usage; public CAs always set it"
        return (Finding("no-eku", Severity.WARNING, message, "is it from a public CA?", target),)
    found: list[Finding] = []
    if "serverAuth" not in facts.ekus:
        message = f"The certificate may not be used by a server; its extended key usage is {_list(facts.ekus)}"
        todo = "have it issued as a TLS server certificate (serverAuth)"
        found.append(Finding("no-serverauth", hard, message, todo, target))
    if "clientAuth" not in facts.ekus:
        message = (
            "The certificate is for servers only (no clientAuth). Receiving, and sending with opportunistic or forced "
            "TLS, are not touched; a partner who checks this server's certificate when it sends (mutual TLS, Domain "
            "Security) may refuse it"
        )
        todo = "if a partner uses mutual TLS, have them test it before the switch"
        found.append(Finding("no-clientauth", Severity.INFO, message, todo, target))
    return tuple(found)


def self_signed_findings(facts: CertificateFacts, *, hard: Severity, target: str = "") -> tuple[Finding, ...]:
    """Check that somebody else signed it."""
    if not facts.self_signed:
        return ()
    message = f"{facts.title}: signed by its own key and by no CA"
    return (Finding("self-signed", hard, message, "use the certificate a public CA issued", target),)


def trust_findings(
    trust: Trust, at: datetime, *, hard: Severity, short_chain: Severity, target: str = ""
) -> tuple[Finding, ...]:
    """Say what is wrong with the path to a root.

    Args:
        trust: The judgement; of a self-signed or weakly signed leaf it tells nothing new.
        at: Now, with time zone.
        hard: See the module.
        short_chain: Severity of a chain that known certificates complete.
        target: What the findings are about; may be empty.
    """
    if trust.fault == "chain-incomplete":
        return (_chain_incomplete(trust, short_chain if trust.completed_by_known else hard, target),)
    if trust.fault == "issuer-unknown":
        last = certificate_facts(trust.path[-1])
        message = f"“{last.title}” is issued by “{trust.missing_issuer}”, which is not among the trusted roots"
        todo = f"ask the CA for the missing certificates{_where_to_get(last.issuer_urls)}; is it a public CA?"
        return (Finding("issuer-unknown", hard, message, todo, target),)
    if trust.fault == "untrusted":
        message = _why_untrusted(trust, at)
        return (Finding("untrusted", hard, message, "use a certificate of a public CA", target),)
    return ()


def _chain_incomplete(trust: Trust, severity: Severity, target: str) -> Finding:
    urls: tuple[str, ...] = ()
    for facts in map(certificate_facts, trust.path):
        if facts.issuer == trust.missing_issuer:
            urls = facts.issuer_urls
            break
    message = f"The chain is incomplete: the certificate of “{trust.missing_issuer}” was not sent"
    todo = f"get it from the CA{_where_to_get(urls)}, and put it beside the certificate"
    if trust.completed_by_known:
        message += "; it is known from elsewhere"
        todo = "see that it is in the server's intermediate store"
    return Finding("chain-incomplete", severity, message, todo, target)


def _why_untrusted(trust: Trust, at: datetime) -> str:
    upper = [certificate_facts(der) for der in trust.path[1:]]
    for facts in upper:
        if not facts.not_before <= at <= facts.not_after:
            return f"“{facts.title}” in the chain is valid only {_day(facts.not_before)} to {_day(facts.not_after)}"
        if facts.signature_hash in WEAK_HASHES and not facts.self_signed:
            return f"“{facts.title}” in the chain is signed with {facts.signature_hash.upper()}"
        if not facts.is_ca:
            return f"“{facts.title}” in the chain is not the certificate of a CA"
    if trust.root and upper and upper[-1].self_signed and not trust.root_known:
        return f"The chain ends in “{trust.root}”, which is not among the trusted roots"
    return f"A strict verifier refuses the certificate or its chain: {trust.reason}"


def _where_to_get(urls: Sequence[str]) -> str:
    return f" (it is at {urls[0]})" if urls else ""


def _list(names: Sequence[str]) -> str:
    return ", ".join(names)


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
