"""Whether the world would trust a certificate, and if not, what is missing.

``cryptography``'s verifier gives the verdict, and the same words for a missing intermediate and for an unknown root. So
it is asked twice: once as a client would ask (name, time, purpose), and once for trust alone: one of its own names,
at a time within the leaf's life, whatever its purpose. A refusal is then explained by walking the signatures by hand.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

from tlsrunbook.certificates.chain import issuers_of
from tlsrunbook.certificates.facts import CertificateFacts, certificate_facts, normal_name
from tlsrunbook.certificates.loading import UNREADABLE, load_certificate, quietly
from tlsrunbook.errors import BadCertificateFile

_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*\Z")
#: How many certificates of one CA are looked at, how many intermediates a path may have, and how many certificates a
#: walk looks above. In the world at large it is 2, 3 and 4.
_MAX_ISSUERS, _MAX_INTERMEDIATES, _MAX_STEPS = 4, 5, 200


@dataclass(frozen=True)
class Trust:
    """What became of one leaf.

    Args:
        path: DER, leaf first, as far up as could be found; the root last when it was found.
        root: The root's subject (RFC 4514), trusted or not; empty when the path reaches none.
        missing_issuer: Whose certificate is lacking *as sent* (RFC 4514); empty when that is complete. A root need not
            be sent, so it is lacking only when it is not among the known roots either.
        completed_by_known: Whether it takes known certificates that were not sent to reach a trusted root.
        verifier: Empty when ``cryptography``'s ServerVerifier accepts name, time, purpose and path; else its reason.
            Asked with the known certificates too when it takes them to complete the path.
        trusted: Whether a path to a trusted root holds, apart from the leaf's name, time and purpose.
        reason: Why no path holds, in the verifier's words; empty when one does.
        root_known: Whether the path ends in one of the trusted roots, be it refused or not.
    """

    path: tuple[bytes, ...]
    root: str
    missing_issuer: str
    completed_by_known: bool
    verifier: str
    trusted: bool
    reason: str = ""
    root_known: bool = False

    @property
    def fault(self) -> str:
        """Name what is wrong with the path.

        Returns:
            Empty when it is trusted as sent; ``chain-incomplete`` when an intermediate was not sent; ``issuer-unknown``
            when the issuer of the last certificate is nowhere; ``untrusted`` when the path ends in a root that is not
            trusted, or the verifier refuses a certificate in it.
        """
        if self.completed_by_known:
            return "chain-incomplete"
        if self.trusted:
            return ""
        if self.missing_issuer:
            return "chain-incomplete" if len(self.path) == 1 else "issuer-unknown"
        return "untrusted"


def judge_trust(
    leaf: bytes, sent: Sequence[bytes], known: Sequence[bytes], roots: Sequence[bytes], at: datetime, name: str
) -> Trust:
    """Judge a leaf with what came along.

    Args:
        leaf: DER.
        sent: DER certificates that came with it, any order; may hold the leaf and a root too. Like in ``known`` and
            ``roots``, what cannot be read is left out: it can prove nothing.
        known: DER certificates known from elsewhere that may complete the path.
        roots: DER of the trusted roots. Give the same objects each time: what is built from them is kept.
        at: When, with time zone.
        name: The FQDN a client would ask for.

    Raises:
        BadCertificateFile: The leaf cannot be read.
    """
    anchors = tuple(roots)
    pool = _above(leaf, tuple(filter(_readable, sent)))
    more = _above(leaf, tuple(filter(_readable, (*sent, *known)))) if known else pool
    facts = certificate_facts(leaf)
    moment = min(max(at, facts.not_before), facts.not_after)
    path, reason = _path(leaf, facts, pool, anchors, moment)
    completed = False
    if not path and more != pool:
        path, _ = _path(leaf, facts, more, anchors, moment)
        completed = bool(path)
    trusted = bool(path)
    path = path or walk(leaf, more, anchors)
    top = certificate_facts(path[-1])
    return Trust(
        path=path,
        root=top.subject if top.self_signed or path[-1] in anchors else "",
        missing_issuer=_lacking(leaf, pool, anchors, path if completed else ()),
        completed_by_known=completed,
        verifier=_refusal(leaf, more if completed else pool, anchors, at, name),
        trusted=trusted,
        reason="" if trusted else reason,
        root_known=path[-1] in anchors,
    )


def walk(leaf: bytes, pool: Sequence[bytes], roots: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Follow the signatures upwards, whatever else the certificates say.

    Returns:
        Leaf first: the first path that ends in one of the roots; if none does, the longest there is.
    """
    best: tuple[bytes, ...] = (leaf,)
    open_paths = [best]
    for _ in range(_MAX_STEPS):
        if not open_paths:
            break
        path = open_paths.pop()
        if path[-1] in roots:
            return path
        if len(path) > len(best):
            best = path
        if len(path) > _MAX_INTERMEDIATES + 1 or certificate_facts(path[-1]).self_signed:
            continue
        above = dict.fromkeys((*issuers_of(path[-1], _roots_named(roots, path[-1])), *issuers_of(path[-1], pool)))
        open_paths.extend((*path, der) for der in reversed(above) if der not in path)
    return best


def _above(leaf: bytes, pool: Sequence[bytes]) -> tuple[bytes, ...]:
    """Take what can stand above the leaf out of a pool, and not too much of it.

    CAs that all sign each other give as many paths as a hostile server likes, and not every version of the verifier
    gives up on them. Nearest to the leaf first.
    """
    found: dict[bytes, None] = {}
    row = [leaf]
    while row:
        above = [der for lower in row for der in issuers_of(lower, pool)[:_MAX_ISSUERS]]
        row = [der for der in dict.fromkeys(above) if der not in found and der != leaf]
        found.update(dict.fromkeys(row))
    return tuple(found)


def _path(
    leaf: bytes, facts: CertificateFacts, pool: tuple[bytes, ...], roots: tuple[bytes, ...], moment: datetime
) -> tuple[tuple[bytes, ...], str]:
    """Ask for trust alone. Gives the path, or an empty one and the reason."""
    own_name = next((subject for subject in map(_subject, facts.names) if subject), None)
    if own_name is None:
        return _path_by_hand(leaf, pool, roots, moment)
    any_purpose = ExtensionPolicy.webpki_defaults_ee().may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, None)
    store = _store(roots)
    if store is None:
        return (), "no trusted root is known"
    builder = PolicyBuilder().store(store).time(moment).max_chain_depth(_MAX_INTERMEDIATES)
    builder = builder.extension_policies(ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=any_purpose)
    return _verified(builder, own_name, leaf, pool)


def _path_by_hand(
    leaf: bytes, pool: tuple[bytes, ...], roots: tuple[bytes, ...], moment: datetime
) -> tuple[tuple[bytes, ...], str]:
    """Judge a leaf that has no name the verifier could be asked for."""
    path = walk(leaf, pool, roots)
    if path[-1] not in roots or len(path) < 2:
        return (), "no path of signatures leads to a trusted root"
    for facts in map(certificate_facts, path[1:]):
        if not facts.not_before <= moment <= facts.not_after:
            return (), f"{facts.title} is not valid at that time"
        if not facts.is_ca:
            return (), f"{facts.title} is not the certificate of a CA"
    return path, ""


def _refusal(leaf: bytes, pool: tuple[bytes, ...], roots: tuple[bytes, ...], at: datetime, name: str) -> str:
    """Ask as a client would. Gives the reason of a refusal, or nothing."""
    store = _store(roots)
    if store is None:
        return "no trusted root is known"
    subject = _subject(name)
    if subject is None:
        return f"“{name}” is not a name that a certificate could be checked for"
    builder = PolicyBuilder().store(store).time(at).max_chain_depth(_MAX_INTERMEDIATES)
    _, reason = _verified(builder, subject, leaf, pool)
    return reason


def _verified(
    builder: PolicyBuilder, subject: x509.DNSName, leaf: bytes, pool: tuple[bytes, ...]
) -> tuple[tuple[bytes, ...], str]:
    by_certificate = {load_certificate(der): der for der in (leaf, *pool)}
    try:
        with quietly():
            chain = builder.build_server_verifier(subject).verify(
                load_certificate(leaf), [load_certificate(der) for der in pool]
            )
            found = tuple(
                by_certificate.get(certificate) or certificate.public_bytes(Encoding.DER) for certificate in chain
            )
    except (VerificationError, *UNREADABLE) as error:
        return (), str(error) or type(error).__name__
    return found, ""


def _lacking(leaf: bytes, pool: tuple[bytes, ...], roots: tuple[bytes, ...], completed: tuple[bytes, ...]) -> str:
    """Name whose certificate the pool lacks; nothing when its path ends in a root."""
    for der in completed[1:]:
        if der not in pool and der not in roots:
            return certificate_facts(der).subject
    top = walk(leaf, pool, roots)[-1]
    facts = certificate_facts(top)
    return "" if facts.self_signed or top in roots else facts.issuer


def _subject(name: str) -> x509.DNSName | None:
    """Make a name the verifier takes: A-labels, no underscore; a wildcard by one of the names it stands for."""
    plain = normal_name(name)
    if plain.startswith("*."):
        plain = "wildcard" + plain[1:]
    return x509.DNSName(plain) if _HOST_NAME.match(plain) else None


@lru_cache(maxsize=8)
def _store(roots: tuple[bytes, ...]) -> Store | None:
    """Build a store once, of the roots that can be read. None when there are none."""
    with quietly():
        certificates = [load_certificate(der) for der in roots if _readable(der)]
        return Store(certificates) if certificates else None


@lru_cache(maxsize=8)
def _roots_by_name(roots: tuple[bytes, ...]) -> dict[x509.Name, tuple[bytes, ...]]:
    named: dict[x509.Name, tuple[bytes, ...]] = {}
    for der in filter(_readable, roots):
        subject = load_certificate(der).subject
        named[subject] = (*named.get(subject, ()), der)
    return named


def _roots_named(roots: tuple[bytes, ...], der: bytes) -> tuple[bytes, ...]:
    return _roots_by_name(roots).get(load_certificate(der).issuer, ())


def _readable(der: bytes) -> bool:
    try:
        certificate_facts(der)
    except BadCertificateFile:
        return False
    return True
