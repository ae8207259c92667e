"""Where a certificate's chain ends on its server, as far as what was read can tell."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from functools import lru_cache

from cryptography import x509

from tlsrunbook.certificates.loading import UNREADABLE, load_certificate
from tlsrunbook.certificates.signatures import is_issued_by
from tlsrunbook.exchange.state import ExchangeCertificate

_MAX_CHAIN = 8
#: A CRL that cannot be reached does not make a chain untrusted.
_TRUSTED = frozenset({"Valid", "RevocationCheckFailure"})
_REFUSED = frozenset({"Revoked", "Invalid"})


class ChainEnd(Enum):
    """Where a chain ends."""

    SELF_SIGNED = "signed by itself"
    TRUSTED = "ends in a trusted root"
    UNTRUSTED_ROOT = "its chain does not validate on this server"
    PARTIAL = "an issuer is missing on this server"
    UNTOLD = "where its chain ends was not told"


def chain_end(certificate: ExchangeCertificate, store: Sequence[bytes]) -> ChainEnd:
    r"""Say where a chain ends.

    Exchange's ``Status`` tells it, but for two things: an expired certificate is ``DateInvalid`` whatever its chain,
    and ``Untrusted`` is said of a missing issuer and of an untrusted root alike.

    Args:
        certificate: One of the server's.
        store: The certificates in ``LocalMachine\\CA``, DER.
    """
    if certificate.self_signed or (certificate.self_signed is None and _signed_itself(certificate.raw)):
        return ChainEnd.SELF_SIGNED
    if certificate.status in _TRUSTED:
        return ChainEnd.TRUSTED
    if certificate.status in _REFUSED:
        return ChainEnd.UNTRUSTED_ROOT
    if not certificate.raw:
        return ChainEnd.UNTOLD
    if _reaches_a_root(certificate.raw, store):
        return ChainEnd.UNTRUSTED_ROOT if certificate.status == "Untrusted" else ChainEnd.UNTOLD
    # Outside its dates, a chain that leaves the store goes on to a trusted root or to nothing: it is offered.
    return ChainEnd.PARTIAL if certificate.status == "Untrusted" else ChainEnd.TRUSTED


def _signed_itself(raw: bytes) -> bool:
    return bool(raw) and is_issued_by(raw, raw)


def _reaches_a_root(raw: bytes, store: Sequence[bytes]) -> bool:
    current = raw
    for _ in range(_MAX_CHAIN):
        issuer = next((der for der in store if is_issued_by(current, der)), None)
        if issuer is None:
            return False
        if is_issued_by(issuer, issuer):
            return True
        current = issuer
    return False


def is_version_3(certificate: ExchangeCertificate) -> bool:
    """Whether it is X.509 version 3, as a certificate for STARTTLS must be; one whose bytes are not known counts."""
    return not certificate.raw or _version_3(certificate.raw)


@lru_cache(maxsize=4096)
def _version_3(raw: bytes) -> bool:
    try:
        return load_certificate(raw).version is x509.Version.v3
    except UNREADABLE:
        return False
