"""Makes stand-ins for certificates and keys that stayed on the servers whose state was saved."""

from __future__ import annotations

from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tlsrunbook.certificates.stand_in import STAND_IN_FOR
from tlsrunbook.exchange.state import ExchangeCertificate
from tlsrunbook.lab.exchange.inbound import PrivateKey
from tlsrunbook.lab.exchange.keys import KeySource, new_key
from tlsrunbook.lab.exchange.names import parse_dn


class StandInKeys:
    """The keys that stand in for those that are not here: one of each kind is enough for a lab.

    Args:
        source: Where RSA keys come from.
    """

    def __init__(self, source: KeySource = new_key) -> None:
        self._source = source
        self._made: dict[str, PrivateKey] = {}

    def like(self, public_key: object) -> PrivateKey:
        """Give a key of the same kind: Exchange refuses elliptic curves where it refuses them."""
        if isinstance(public_key, ec.EllipticCurvePublicKey):
            return self._made.setdefault("EC", ec.generate_private_key(ec.SECP256R1()))
        if "RSA" not in self._made:
            self._made["RSA"] = self._source(2048)
        return self._made["RSA"]


def fits(certificate: x509.Certificate, key: PrivateKey) -> bool:
    """Whether a key is the certificate's own."""
    return certificate.public_key() == key.public_key()


def stand_in(certificate: x509.Certificate, key: PrivateKey) -> x509.Certificate:
    """Make what a lab shows on the wire for a certificate whose key it does not have."""
    builder = _builder(certificate.subject, certificate.issuer, key.public_key())
    builder = builder.not_valid_before(certificate.not_valid_before_utc)
    builder = builder.not_valid_after(certificate.not_valid_after_utc)
    wrapped = x509.UnrecognizedExtension(STAND_IN_FOR, certificate.public_bytes(Encoding.DER))
    return builder.add_extension(wrapped, critical=False).sign(key, hashes.SHA256())


def placeholder(saved: ExchangeCertificate, key: PrivateKey, public_key: CertificatePublicKeyTypes) -> x509.Certificate:
    """Make a certificate for an entry whose bytes were not saved, as they did not cross the wire.

    Args:
        saved: The entry.
        key: Signs it.
        public_key: What it certifies: for a pending request that of its CSR, so that the CA's answer finds it.
    """
    builder = _builder(_name(saved.subject), _name(saved.issuer), public_key)
    builder = builder.not_valid_before(saved.not_before)
    builder = builder.not_valid_after(max(saved.not_after, saved.not_before + timedelta(seconds=1)))
    if saved.names:
        names = x509.SubjectAlternativeName([x509.DNSName(name) for name in saved.names])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(key, hashes.SHA256())


def _builder(subject: x509.Name, issuer: x509.Name, public_key: CertificatePublicKeyTypes) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public_key)
    return builder.serial_number(x509.random_serial_number())


def _name(text: str) -> x509.Name:
    try:
        return parse_dn(text) if text else x509.Name([])
    except ValueError:  # a spelling of Windows that the lab does not read; it is shown as saved all the same
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "unreadable")])
