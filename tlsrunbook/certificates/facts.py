"""What a certificate says, as plain values. ``policy`` judges them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from ssl import DER_cert_to_PEM_cert

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from tlsrunbook.certificates.kinds import bad_file
from tlsrunbook.certificates.loading import UNREADABLE, load_certificate, quietly
from tlsrunbook.certificates.signatures import is_issued_by

_EKU_NAMES = {
    ExtendedKeyUsageOID.SERVER_AUTH.dotted_string: "serverAuth",
    ExtendedKeyUsageOID.CLIENT_AUTH.dotted_string: "clientAuth",
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE.dotted_string: "anyExtendedKeyUsage",
}


@dataclass(frozen=True)
class CertificateFacts:
    """One certificate.

    Args:
        thumbprint: 40 upper-case hex digits, SHA-1 of the DER; what Exchange knows it by.
        sha256: 64 lower-case hex digits, of the DER.
        subject: RFC 4514, for people only: Exchange spells names in another way. May be empty.
        issuer: The same for its issuer.
        common_name: The first CN of the subject; may be empty.
        serial: Lower-case hex, no leading zeros.
        not_before: UTC.
        not_after: UTC.
        names: The DNS names of its subjectAltName, lower case, in order.
        key_kind: ``RSA``, ``EC``, ``DSA``, ``Ed25519``, ``Ed448`` or ``unknown``.
        key_size: Bits; 0 for an unknown kind.
        signature_hash: ``sha256`` and the like; empty for signatures without one (Ed25519).
        ekus: ``serverAuth``, ``clientAuth``, ``anyExtendedKeyUsage``, others as dotted OID; empty when the extension
            is absent.
        is_ca: Whether basicConstraints says so.
        self_signed: Whether its own key signed it.
        spki_sha256: 64 lower-case hex digits, of the subjectPublicKeyInfo: what ties it to a CSR, and what a TLSA
            record ``3 1 1`` holds.
        has_ski: Whether it has a subjectKeyIdentifier.
        issuer_urls: Where it says its issuer's certificate can be fetched.
    """

    thumbprint: str
    sha256: str
    subject: str
    issuer: str
    common_name: str
    serial: str
    not_before: datetime
    not_after: datetime
    names: tuple[str, ...]
    key_kind: str
    key_size: int
    signature_hash: str
    ekus: tuple[str, ...]
    is_ca: bool
    self_signed: bool
    spki_sha256: str
    has_ski: bool
    issuer_urls: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What to call it in a sentence: its CN, else its first name, else subject or thumbprint."""
        return self.common_name or next(iter(self.names), "") or self.subject or self.thumbprint


@lru_cache(maxsize=4096)
def certificate_facts(der: bytes) -> CertificateFacts:
    """Read a certificate.

    Args:
        der: One DER certificate.

    Raises:
        BadCertificateFile: It is none, or a part of it cannot be read.
    """
    try:
        certificate = load_certificate(der)
        with quietly():
            return _facts(der, certificate)
    except UNREADABLE as error:
        raise bad_file("damaged", f"A certificate cannot be read: {error}") from error


def pem_of(ders: Iterable[bytes]) -> bytes:
    """Give certificates as PEM, in their order; what a stranger's server sent is kept as it came, readable or not."""
    return "".join(map(DER_cert_to_PEM_cert, ders)).encode("ascii")


def names_cover(names: tuple[str, ...], fqdn: str) -> bool:
    """Whether certificate names stand for an FQDN (RFC 6125: ``*`` is one whole left-most label).

    Args:
        names: The certificate's DNS names.
        fqdn: Any case, with or without the final dot, Unicode or A-labels.
    """
    wanted = normal_name(fqdn)
    if not wanted:
        return False
    parent = wanted.partition(".")[2]
    covering = {wanted} if wanted.startswith("*.") or "." not in parent else {wanted, f"*.{parent}"}
    return any(normal_name(name) in covering for name in names)


def normal_name(name: str) -> str:
    """Spell a DNS name the one way it is compared: A-labels, lower case, no final dot; empty when it cannot be."""
    plain = name.strip().lower().removesuffix(".")
    if plain.isascii():
        return plain
    import idna  # noqa: PLC0415 - its tables are large, and nearly no FQDN needs them

    try:
        return idna.encode(plain, uts46=True).decode("ascii").lower()
    except idna.IDNAError:
        return ""


def _facts(der: bytes, certificate: x509.Certificate) -> CertificateFacts:
    extensions = certificate.extensions
    kind, size = key_of(certificate)
    return CertificateFacts(
        thumbprint=hashlib.sha1(der, usedforsecurity=False).hexdigest().upper(),
        sha256=hashlib.sha256(der).hexdigest(),
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        common_name=common_name_of(certificate.subject),
        serial=f"{certificate.serial_number:x}",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        names=dns_names_of(extensions),
        key_kind=kind,
        key_size=size,
        signature_hash=_signature_hash(certificate),
        ekus=_ekus(extensions),
        is_ca=_is_ca(extensions),
        self_signed=is_issued_by(der, der),
        spki_sha256=spki_sha256_of(certificate),
        has_ski=_has(extensions, x509.SubjectKeyIdentifier),
        issuer_urls=_issuer_urls(extensions),
    )


def key_of(holder: x509.Certificate | x509.CertificateSigningRequest) -> tuple[str, int]:
    """Give kind and size of a public key; ``unknown`` and 0 for one that ``cryptography`` does not know."""
    try:
        key = holder.public_key()
    except UnsupportedAlgorithm:
        return "unknown", 0
    for kind, types in (("RSA", rsa.RSAPublicKey), ("EC", ec.EllipticCurvePublicKey), ("DSA", dsa.DSAPublicKey)):
        if isinstance(key, types):
            return kind, key.key_size
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "Ed25519", 256
    return ("Ed448", 456) if isinstance(key, ed448.Ed448PublicKey) else ("unknown", 0)


def spki_sha256_of(holder: x509.Certificate | x509.CertificateSigningRequest) -> str:
    """Give the SHA-256 of the subjectPublicKeyInfo, lower-case hex; empty for an unknown kind of key."""
    try:
        key = holder.public_key()
    except UnsupportedAlgorithm:
        return ""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def common_name_of(name: x509.Name) -> str:
    """Give the first CN of a name, or nothing."""
    attributes = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(attributes[0].value) if attributes else ""


def dns_names_of(extensions: x509.Extensions) -> tuple[str, ...]:
    """Give the DNS names of a subjectAltName, lower case, in order."""
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(name.lower().removesuffix(".") for name in names.get_values_for_type(x509.DNSName))


def _signature_hash(certificate: x509.Certificate) -> str:
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return certificate.signature_algorithm_oid.dotted_string
    return algorithm.name if algorithm else ""


def _ekus(extensions: x509.Extensions) -> tuple[str, ...]:
    try:
        usages = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(_EKU_NAMES.get(oid.dotted_string, oid.dotted_string) for oid in usages)


def _is_ca(extensions: x509.Extensions) -> bool:
    try:
        return extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _has(extensions: x509.Extensions, kind: type[x509.ExtensionType]) -> bool:
    return any(isinstance(extension.value, kind) for extension in extensions)


def _issuer_urls(extensions: x509.Extensions) -> tuple[str, ...]:
    try:
        access = extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(
        entry.access_location.value
        for entry in access
        if entry.access_method == AuthorityInformationAccessOID.CA_ISSUERS
        and isinstance(entry.access_location, x509.UniformResourceIdentifier)
    )
