r"""A server's certificate stores: ``LocalMachine\My`` with pending requests, ``CA`` and ``Root``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from tlsrunbook.certificates.signatures import is_issued_by
from tlsrunbook.exchange.state import ExchangeCertificate
from tlsrunbook.lab.exchange.inbound import PrivateKey
from tlsrunbook.lab.exchange.names import dn_text, dns_names, tls_certificate_name

_MAX_CHAIN = 8


def thumbprint_of(certificate: x509.Certificate) -> str:
    """SHA-1 of the DER, upper case."""
    return certificate.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303 - identity, as Windows has it


def der_of(certificate: x509.Certificate) -> bytes:
    """Encode a certificate."""
    return certificate.public_bytes(serialization.Encoding.DER)


def public_der(key: object) -> bytes:
    """Encode a public key, so that two can be compared."""
    encoded: bytes = key.public_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return encoded


class ChainEnd(Enum):
    """Where the chain of a certificate ends, as this server sees it."""

    SELF_SIGNED = "signed by itself"
    TRUSTED = "ends in a trusted root"
    UNTRUSTED_ROOT = "ends in a root that this server does not trust"
    PARTIAL = "an issuer is missing on this server"


@dataclass(frozen=True)
class Chain:
    """A chain as one server can build it.

    Args:
        end: How it ends.
        intermediates: From the leaf's issuer upwards, without the root.
    """

    end: ChainEnd
    intermediates: tuple[x509.Certificate, ...] = ()


@dataclass
class StoredCertificate:
    r"""An entry of ``LocalMachine\My``, or a pending request.

    Args:
        certificate: The certificate; for a pending request the placeholder that Windows makes for it.
        key: Its private key, None when it is not here.
        friendly_name: May be empty.
        exportable: Whether the key may leave.
        services: Names such as ``SMTP``.
        network_service: Whether the transport service may read the key.
        acl_locked: Whether the caller may not change who can read the key file.
        request: The CSR as DER; pending requests only.
        names: ``CertificateDomains``; taken from the certificate when empty.
        saved: How the server that it was read from showed it; None for what began here.
    """

    certificate: x509.Certificate
    key: PrivateKey | None
    friendly_name: str = ""
    exportable: bool = False
    services: set[str] = field(default_factory=set)
    network_service: bool = False
    acl_locked: bool = False
    request: bytes = b""
    names: tuple[str, ...] = ()
    saved: ExchangeCertificate | None = None

    def __post_init__(self) -> None:
        self.thumbprint = self.saved.thumbprint if self.saved else thumbprint_of(self.certificate)
        self.names = self.names or dns_names(self.certificate)

    @property
    def pending(self) -> bool:
        """Whether it waits for a CA's answer."""
        return bool(self.request)

    @property
    def subject(self) -> str:
        """As .NET prints it."""
        return dn_text(self.certificate.subject)

    @property
    def issuer(self) -> str:
        """As .NET prints it."""
        return dn_text(self.certificate.issuer)

    @property
    def tls_certificate_name(self) -> str:
        """``<I>issuer<S>subject``."""
        return tls_certificate_name(self.certificate)

    @property
    def self_signed(self) -> bool:
        """Whether it signed itself; a pending request's placeholder does not count."""
        return not self.pending and is_self_signed(self.certificate)

    def expired(self, now: datetime) -> bool:
        """Whether it is outside its dates."""
        return not self.certificate.not_valid_before_utc <= now <= self.certificate.not_valid_after_utc


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Whether a certificate is its own issuer, by name and signature."""
    return certificate.subject == certificate.issuer and _issued(certificate, certificate)


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    return is_issued_by(der_of(certificate), der_of(issuer))  # SHA-1, as older builds sign, counts too


class CertificateStores:
    """The stores of one server. Its owner holds the lock.

    Args:
        roots: What the server trusts.
    """

    def __init__(self, roots: Iterable[x509.Certificate] = ()) -> None:
        self.my: dict[str, StoredCertificate] = {}
        self.pending: dict[str, StoredCertificate] = {}
        self.ca: dict[str, x509.Certificate] = {}
        self.root: dict[str, x509.Certificate] = {thumbprint_of(root): root for root in roots}

    def listed(self) -> Iterator[StoredCertificate]:
        """Give what ``Get-ExchangeCertificate`` lists: entries with a key, then pending requests."""
        yield from (entry for entry in self.my.values() if entry.key is not None or entry.saved)
        yield from self.pending.values()

    def add(self, entry: StoredCertificate) -> None:
        """Put an entry where it belongs."""
        (self.pending if entry.pending else self.my)[entry.thumbprint] = entry

    def pending_for(self, certificate: x509.Certificate) -> StoredCertificate | None:
        """Give the pending request with this certificate's key."""
        wanted = public_der(certificate.public_key())
        return next((e for e in self.pending.values() if public_der(e.certificate.public_key()) == wanted), None)

    def chain(self, certificate: x509.Certificate) -> Chain:
        """Build the chain from ``CA`` and ``Root``."""
        if is_self_signed(certificate):
            return Chain(ChainEnd.SELF_SIGNED)
        found: list[x509.Certificate] = []
        current = certificate
        while len(found) < _MAX_CHAIN:
            if any(_issued(current, root) for root in self.root.values()):
                return Chain(ChainEnd.TRUSTED, tuple(found))
            issuer = next((one for one in self.ca.values() if _issued(current, one)), None)
            if issuer is None:
                return Chain(ChainEnd.PARTIAL, tuple(found))
            if is_self_signed(issuer):
                return Chain(ChainEnd.UNTRUSTED_ROOT, tuple(found))
            found.append(issuer)
            current = issuer
        return Chain(ChainEnd.PARTIAL, tuple(found))

    def status(self, entry: StoredCertificate, now: datetime) -> str:
        """Give Exchange's ``Status``."""
        if entry.pending:
            return "PendingRequest"
        if entry.expired(now):
            return "DateInvalid"
        if entry.saved and entry.saved.status != "DateInvalid":
            return entry.saved.status  # that server knew more roots and revocation lists than this one
        trusted = self.chain(entry.certificate).end in (ChainEnd.TRUSTED, ChainEnd.SELF_SIGNED)
        return "Valid" if trusted else "Untrusted"
