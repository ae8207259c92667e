"""What an endpoint shows beside what it should, point by point; the findings tell what to do where they differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from tlsrunbook.certificates.facts import CertificateFacts, certificate_facts, names_cover, normal_name
from tlsrunbook.certificates.tlsa import tlsa_matches
from tlsrunbook.certificates.trust import judge_trust
from tlsrunbook.errors import BadCertificateFile
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.policy.presented import Expected
from tlsrunbook.policy.reply_contents import trust_text
from tlsrunbook.policy.wire import OLD_PROTOCOLS, target_of
from tlsrunbook.smtp.facts import ProbeFacts, ProbeOutcome

RULES = {"tlsa-differs": "A published TLSA record (DANE) matches the certificate that an endpoint shows"}

#: What a point came to. ``nothing to compare`` is neither good nor bad.
YES, NO, UNKNOWN, NOTHING = "yes", "no", "unknown", "nothing to compare"
_Point = tuple[str, str, str, str]


def compare_endpoint(
    facts: ProbeFacts,
    expected: Expected,
    at: datetime,
    roots: Sequence[bytes],
    known: Sequence[bytes] = (),
    published: tuple[str, ...] | None = None,
) -> list[dict[str, str]]:
    """Give one row per point of one dialogue.

    Args:
        facts: What the probe saw.
        expected: What it should have seen.
        at: Now, with time zone.
        roots: DER of the trusted roots; give the same objects each time.
        known: DER of certificates known from elsewhere that may complete the chain.
        published: The endpoint's TLSA records as in a zone file; None when DNS did not answer.

    Returns:
        Rows of ``endpoint``, ``point``, ``should be``, ``wire shows``, ``agree``.
    """
    label = target_of(facts).removeprefix("endpoint ")
    points = (*_dialogue(facts, expected), *_certificate(facts, expected, at, roots, known), *_tlsa(facts, published))
    return [
        {"endpoint": label, "point": point, "should be": should, "wire shows": shows, "agree": agree}
        for point, should, shows, agree in points
    ]


def judge_tlsa(facts: ProbeFacts, published: tuple[str, ...] | None) -> tuple[Finding, ...]:
    """Say that no published record matches what an endpoint shows: senders that check DANE do not deliver then."""
    if facts.outcome is not ProbeOutcome.TLS or _matches(facts, published or ()) != NO:
        return ()
    text = (
        f"None of the {len(published or ())} published TLSA records matches the certificate that is shown; where the "
        "zone is signed (DNSSEC), senders that check DANE keep their mail back"
    )
    todo = "publish the record of the step request beside the old one, and take the old one away after the switch"
    return (Finding("tlsa-differs", Severity.ERROR, text, todo, target_of(facts)),)


def _dialogue(facts: ProbeFacts, expected: Expected) -> Iterator[_Point]:
    works = facts.outcome is ProbeOutcome.TLS
    shows = "works" if works else f"{facts.outcome.value}{f': {facts.detail}' if facts.detail else ''}"
    yield "STARTTLS", "works", shows, YES if works else NO
    if expected.ehlo_names:
        names = tuple(map(normal_name, expected.ehlo_names))
        agree = UNKNOWN if not facts.ehlo_name else YES if normal_name(facts.ehlo_name) in names else NO
        yield "EHLO name", " or ".join(expected.ehlo_names), facts.ehlo_name or "not seen", agree
    if works:
        agree = NO if facts.protocol in OLD_PROTOCOLS else YES
        yield "protocol", "TLSv1.2 or later", f"{facts.protocol} ({facts.cipher})", agree


def _certificate(
    facts: ProbeFacts, expected: Expected, at: datetime, roots: Sequence[bytes], known: Sequence[bytes]
) -> Iterator[_Point]:
    if facts.outcome is not ProbeOutcome.TLS:
        return
    try:
        leaf = certificate_facts(facts.chain[0])
        for der in facts.chain[1:]:
            certificate_facts(der)
    except (BadCertificateFile, IndexError):
        yield "certificate", expected.thumbprint or "readable", "none that can be read", NO
        return
    if expected.thumbprint:
        agree = YES if leaf.thumbprint == expected.thumbprint.upper() else NO
        yield "thumbprint", expected.thumbprint.upper(), leaf.thumbprint, agree
    wanted = tuple(dict.fromkeys(map(normal_name, (expected.fqdn, *expected.names))))
    covered = all(names_cover(leaf.names, name) for name in wanted)
    yield "names", ", ".join(wanted), ", ".join(leaf.names) or "none", YES if covered else NO
    yield _validity(leaf, at)
    trust = judge_trust(facts.chain[0], facts.chain, known, roots, at, expected.fqdn)
    unseen = trust.fault == "chain-incomplete" and not facts.chain_complete_view
    shows = "the leaf alone can be seen with this Python" if unseen else trust_text(trust)
    agree = UNKNOWN if unseen else NO if trust.fault else YES
    yield "chain", "every intermediate, up to a trusted root", f"{len(facts.chain)} sent: {shows}", agree


def _validity(leaf: CertificateFacts, at: datetime) -> _Point:
    good = leaf.not_before <= at <= leaf.not_after
    left = f"{(leaf.not_after - at).days} days left" if good else "expired" if at > leaf.not_after else "not yet valid"
    shows = f"{leaf.not_before:%Y-%m-%d} to {leaf.not_after:%Y-%m-%d}, {left}"
    return "validity", f"valid on {at:%Y-%m-%d}", shows, YES if good else NO


def _tlsa(facts: ProbeFacts, published: tuple[str, ...] | None) -> Iterator[_Point]:
    if facts.outcome is not ProbeOutcome.TLS:
        return
    try:
        own = f"3 1 1 {certificate_facts(facts.chain[0]).spki_sha256}"
    except (BadCertificateFile, IndexError):
        return
    if published is None:
        yield "TLSA", "not known: DNS did not answer", own, UNKNOWN
    elif not published:
        yield "TLSA", "none is published", own, NOTHING
    else:
        yield "TLSA", "; ".join(published), own, _matches(facts, published)


def _matches(facts: ProbeFacts, published: Sequence[str]) -> str:
    found = [tlsa_matches(record, facts.chain) for record in published]
    if True in found:
        return YES
    return NO if False in found else NOTHING
