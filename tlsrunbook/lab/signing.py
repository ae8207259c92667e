"""Keys, extensions and signatures of the lab's two certification authorities."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes, CertificatePublicKeyTypes
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

Key: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
KeyKind: TypeAlias = Literal["ec", "rsa"]
#: Extensions with their criticality.
Extensions: TypeAlias = tuple[tuple[x509.ExtensionType, bool], ...]
#: First and last moment of validity, UTC.
Period: TypeAlias = tuple[datetime, datetime]

# A CA is older than what it signs, also than a leaf that has expired already.
_CA_AGE = timedelta(days=400)


@dataclass(frozen=True)
class Signer:
    """A CA certificate with its key.

    Args:
        certificate: The CA's own.
        key: Its private key; lives in memory only.
    """

    certificate: x509.Certificate
    key: Key

    @classmethod
    def root(cls, cn: str, organization: str, *, keys: KeyKind, days: int) -> Signer:
        """Make a root: a new key and a certificate that it signed itself."""
        key = make_key(keys)
        subject = ca_name(cn, organization)
        extensions = ca_extensions(key, path_length=None)
        certificate = _builder(subject, subject, key.public_key(), ca_period(days), extensions)
        return cls(certificate.sign(key, hashes.SHA256()), key)

    def sign(
        self, subject: x509.Name, key: CertificatePublicKeyTypes, period: Period, extensions: Extensions
    ) -> x509.Certificate:
        """Sign a certificate for somebody's public key; the authority key identifier is added."""
        full = (*extensions, (self._identifier(), False))
        return _builder(subject, self.certificate.subject, key, period, full).sign(self.key, hashes.SHA256())

    def _identifier(self) -> x509.AuthorityKeyIdentifier:
        own = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def make_key(kind: KeyKind) -> Key:
    """Make a private key: EC P-256, or RSA with 2048 bits (some 40 ms)."""
    return ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else rsa.generate_private_key(65537, 2048)


def ca_name(cn: str, organization: str) -> x509.Name:
    """Give a CA's subject."""
    parts = ((NameOID.COUNTRY_NAME, "GB"), (NameOID.ORGANIZATION_NAME, organization), (NameOID.COMMON_NAME, cn))
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])


def ca_period(days: int) -> Period:
    """Give the validity of a CA certificate that began a good year ago."""
    start = (datetime.now(UTC) - _CA_AGE).replace(microsecond=0)
    return start, start + timedelta(days=days)


def ca_extensions(key: Key, *, path_length: int | None) -> Extensions:
    """Give the extensions that make a certificate a CA's."""
    return (
        (x509.BasicConstraints(ca=True, path_length=path_length), True),
        (key_usage(digital_signature=True, key_cert_sign=True, crl_sign=True), True),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
    )


def leaf_extensions(key: CertificatePublicKeyTypes, names: tuple[x509.GeneralName, ...]) -> Extensions:
    """Give the extensions that every server certificate has, apart from its usages."""
    return (
        (x509.SubjectAlternativeName(names), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (key_usage(digital_signature=True, key_encipherment=isinstance(key, rsa.RSAPublicKey)), True),
        (x509.SubjectKeyIdentifier.from_public_key(key), False),
    )


def key_usage(
    *,
    digital_signature: bool,
    key_encipherment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    """Give a key usage extension; what is not named is off."""
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=key_encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def issuer_access(url: str) -> x509.AuthorityInformationAccess:
    """Say where the issuer's certificate can be fetched."""
    place = x509.UniformResourceIdentifier(url)
    return x509.AuthorityInformationAccess([x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, place)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: CertificatePublicKeyTypes, period: Period, extensions: Extensions
) -> x509.CertificateBuilder:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(cast("CertificateIssuerPublicKeyTypes", key))
        .serial_number(x509.random_serial_number())
        .not_valid_before(period[0])
        .not_valid_after(period[1])
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder
