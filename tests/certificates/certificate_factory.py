"""A small world of CAs for tests: any certificate, with any defect, in about a millisecond."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from hypothesis import strategies as st

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
FQDN = "mail.example.com"

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

_SHA256_RSA = bytes.fromhex("06092a864886f70d01010b")
_SHA1_RSA = bytes.fromhex("06092a864886f70d010105")
_EKUS = {"serverAuth": ExtendedKeyUsageOID.SERVER_AUTH, "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH}


def key(name: str, kind: str = "ec") -> Key:
    """The key of this name; the same name gives the same key within a process."""
    return _key(name, kind)


@lru_cache
def _key(name: str, kind: str) -> Key:
    assert name
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind[3:]))
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Made:
    """A certificate and the key that is in it."""

    certificate: x509.Certificate
    key: Key

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


def name_of(common_name: str, **parts: str) -> x509.Name:
    oids = {"C": NameOID.COUNTRY_NAME, "O": NameOID.ORGANIZATION_NAME, "OU": NameOID.ORGANIZATIONAL_UNIT_NAME}
    attributes = [x509.NameAttribute(oids[part], value) for part, value in parts.items()]
    if common_name:
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    return x509.Name(attributes)


def make(
    common_name: str,
    *,
    own_key: Key,
    signer: Made | None = None,
    ca: bool = False,
    names: Sequence[str] | None = None,
    critical_names: bool = False,
    ekus: Sequence[str] = ("serverAuth", "clientAuth"),
    begin: datetime = AT - timedelta(days=10),
    end: datetime | None = None,
    days: float = 90,
    issuer_url: str = "",
    serial: int = 0,
) -> Made:
    """Make a certificate; without a signer its own key signs it. ``names`` None means the common name."""
    issuer_key = signer.key if signer else own_key
    assert not isinstance(issuer_key, ed25519.Ed25519PrivateKey) or signer is None
    names = (() if ca else (common_name,)) if names is None else names
    builder = (
        x509.CertificateBuilder()
        .subject_name(name_of(common_name))
        .issuer_name(signer.certificate.subject if signer else name_of(common_name))
        .public_key(own_key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end or begin + timedelta(days=days, seconds=-1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own_key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .add_extension(_key_usage(ca=ca), critical=True)
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName(list(map(x509.DNSName, names))), critical_names or not common_name
        )
    if ekus and not ca:
        oids = [_EKUS.get(eku) or ObjectIdentifier(eku) for eku in ekus]
        builder = builder.add_extension(x509.ExtendedKeyUsage(oids), critical=False)
    if issuer_url:
        access = x509.AccessDescription(
            AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(issuer_url)
        )
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
    algorithm = None if isinstance(issuer_key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return Made(builder.sign(issuer_key, algorithm), own_key)


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def with_sha1(made: Made, signer: Made) -> Made:
    """Sign a certificate again, with SHA-1; the signer needs an RSA key. No library signs like this any more."""
    assert isinstance(signer.key, rsa.RSAPrivateKey)
    content = made.certificate.tbs_certificate_bytes.replace(_SHA256_RSA, _SHA1_RSA)
    signature = signer.key.sign(content, padding.PKCS1v15(), hashes.SHA1())
    der = made.der.replace(_SHA256_RSA, _SHA1_RSA).replace(made.certificate.signature, signature)
    return Made(x509.load_der_x509_certificate(der), made.key)


def csr_for(
    own_key: Key, common_name: str = FQDN, names: Sequence[str] = (FQDN,), **parts: str
) -> x509.CertificateSigningRequest:
    builder = x509.CertificateSigningRequestBuilder().subject_name(name_of(common_name, **parts))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(list(map(x509.DNSName, names))), critical=False)
    assert not isinstance(own_key, ed25519.Ed25519PrivateKey)
    return builder.sign(own_key, hashes.SHA256())


def with_sha1_request(request: x509.CertificateSigningRequest, own_key: Key) -> bytes:
    """Sign a request again, with SHA-1, as Exchange 2007 does. Gives DER."""
    assert isinstance(own_key, rsa.RSAPrivateKey)
    signature = own_key.sign(request.tbs_certrequest_bytes, padding.PKCS1v15(), hashes.SHA1())
    der = request.public_bytes(Encoding.DER)
    return der.replace(_SHA256_RSA, _SHA1_RSA).replace(request.signature, signature)


@st.composite
def damage(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Flip up to four bits and perhaps cut the end off. Places are parts of the length, which varies with the keys."""
    part = st.integers(0, 2**16 - 1)
    flips = draw(st.lists(st.tuples(part, st.integers(0, 7)), max_size=4))
    keep = draw(st.none() | part)

    def damaged(content: bytes) -> bytes:
        broken = bytearray(content)
        for place, bit in flips:
            broken[place * len(broken) >> 16] ^= 1 << bit
        return bytes(broken if keep is None else broken[: keep * len(broken) >> 16])

    return damaged


@dataclass(frozen=True)
class World:
    """Two CAs: ``root`` is trusted, ``other_root`` is not. ``upper`` stands between root and intermediate."""

    root: Made
    upper: Made
    intermediate: Made
    cross: Made
    other_root: Made
    other_intermediate: Made
    rsa_intermediate: Made
    expired_intermediate: Made

    @property
    def roots(self) -> tuple[bytes, ...]:
        return (self.root.der,)


def authority(common_name: str, key_name: str, signer: Made | None = None, *, kind: str = "ec", **how: object) -> Made:
    """Make a CA that lives from 1000 days before now to 3000 days after it."""
    given: dict[str, object] = {"begin": AT - timedelta(days=1000), "days": 4000.0, **how}
    return make(common_name, own_key=key(key_name, kind), signer=signer, ca=True, **given)  # type: ignore[arg-type]


@lru_cache
def world() -> World:
    root, other_root = authority("Good Root", "root"), authority("Other Root", "other-root")
    upper = authority("Good Upper CA", "upper", root)
    return World(
        root=root,
        upper=upper,
        intermediate=authority("Good CA 1", "intermediate", upper, issuer_url="http://ca.example/upper.cer"),
        cross=authority("Good Upper CA", "upper", other_root, days=3900.0),
        other_root=other_root,
        other_intermediate=authority("Other CA 1", "other-1", other_root),
        rsa_intermediate=authority("Good RSA CA", "rsa-ca", root, kind="rsa2048"),
        expired_intermediate=authority("Good CA 0", "old-1", root, end=AT - timedelta(days=5)),
    )
