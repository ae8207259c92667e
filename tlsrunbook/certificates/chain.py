"""Which certificate is the leaf, and which ones stand above it. Never by position: a p7b is in any order.

All functions take DER certificates and raise ``BadCertificateFile`` for one that cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tlsrunbook.certificates.facts import certificate_facts
from tlsrunbook.certificates.signatures import is_issued_by

#: Longer chains do not occur; ``cryptography``'s verifier stops at 8 too.
MAX_DEPTH = 8


def leaf_for(ders: Iterable[bytes], spki_sha256: str) -> tuple[bytes, ...]:
    """Find the certificates that hold a CSR's key.

    Args:
        ders: DER certificates in any order.
        spki_sha256: The key, as in :class:`~tlsrunbook.certificates.csr.Csr`.

    Returns:
        Each candidate once, the newest ``not_before`` first; the order of ``ders`` does not matter.
    """
    found = {der for der in ders if spki_sha256 and certificate_facts(der).spki_sha256 == spki_sha256}
    return tuple(sorted(found, key=_newest_first))


def issuers_of(der: bytes, pool: Iterable[bytes]) -> tuple[bytes, ...]:
    """Find every certificate in a pool that signed this one; itself is never among them.

    A CA that is cross-signed has several certificates. The one that lasts longest comes first.
    """
    wanted = certificate_facts(der).issuer
    found = {
        candidate
        for candidate in pool
        if candidate != der and certificate_facts(candidate).subject == wanted and is_issued_by(der, candidate)
    }
    return tuple(sorted(found, key=_lasting_longest_first))


def order_chain(leaf: bytes, pool: Sequence[bytes]) -> tuple[bytes, ...]:
    """Put a chain in order.

    Args:
        leaf: DER of the leaf.
        pool: DER certificates in any order; strangers among them are left out.

    Returns:
        Leaf first, each followed by its issuer, as far as the pool goes, without a root.
    """
    chain = [leaf]
    while len(chain) <= MAX_DEPTH:
        above = [
            der for der in issuers_of(chain[-1], pool) if der not in chain and not certificate_facts(der).self_signed
        ]
        if not above:
            break
        chain.append(above[0])
    return tuple(chain)


def intermediates_of(leaf: bytes, pool: Sequence[bytes]) -> tuple[bytes, ...]:
    """Find every intermediate certificate above a leaf, cross-signed ones included, without roots.

    All of them belong on the server: which one a sender needs depends on the roots that sender knows.

    Returns:
        Those nearest to the leaf first.
    """
    found: list[bytes] = []
    row = [leaf]
    for _ in range(MAX_DEPTH):
        above = [der for lower in row for der in issuers_of(lower, pool)]
        row = [
            der
            for der in dict.fromkeys(above)
            if der not in found and der != leaf and not certificate_facts(der).self_signed
        ]
        found.extend(row)
    return tuple(found)


def _newest_first(der: bytes) -> tuple[float, float, str]:
    facts = certificate_facts(der)
    return (-facts.not_before.timestamp(), -facts.not_after.timestamp(), facts.sha256)


def _lasting_longest_first(der: bytes) -> tuple[float, str]:
    facts = certificate_facts(der)
    return (-facts.not_after.timestamp(), facts.sha256)
