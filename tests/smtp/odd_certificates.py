"""A certification authority for the odd servers: one good chain, and each thing that can be wrong with one."""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NAME = "mail.example.net"
NOW = datetime.now(UTC).replace(microsecond=0)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Issued:
    certificate: x509.Certificate
    key: Key

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)


@dataclass(frozen=True)
class Shown:
    """What a server shows: certificates in the order they are sent, and the leaf's key."""

    chain: tuple[Issued, ...]

    @property
    def pem(self) -> bytes:
        key = self.chain[0].key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return key + b"".join(c.certificate.public_bytes(Encoding.PEM) for c in self.chain)

    @property
    def sent(self) -> tuple[bytes, ...]:
        return tuple(issued.der for issued in self.chain)


def issue(
    cn: str,
    issuer: Issued | None = None,
    *,
    names: tuple[str, ...] = (),
    days: tuple[int, int] = (-10, 90),
    usages: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.SERVER_AUTH,),
    key: Key | None = None,
    ca: bool = False,
) -> Issued:
    """Issue a certificate; no issuer: it signs itself. ``days`` are from now."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)])
    signer = issuer.key if issuer else key
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=ca, path_length=None), True),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False),
        (_key_usage(ca=ca), True),
    ]
    if names:
        extensions.append((x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False))
    if usages and not ca:
        extensions.append((x509.ExtendedKeyUsage(usages), False))
    builder = x509.CertificateBuilder(
        subject_name=subject,
        issuer_name=issuer.certificate.subject if issuer else subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=NOW + timedelta(days=days[0]),
        not_valid_after=NOW + timedelta(days=days[1]),
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return Issued(builder.sign(signer, hashes.SHA256()), key)


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=ca, crl_sign=ca, encipher_only=False, decipher_only=False,
    )  # fmt: skip


class World:
    """Roots, intermediates and every kind of chain, made when they are first asked for."""

    def __init__(self) -> None:
        self._made: dict[str, Shown] = {}

    @cached_property
    def root(self) -> Issued:
        return issue("Odd Root", days=(-800, 3000), ca=True)

    @cached_property
    def upper(self) -> Issued:
        return issue("Odd Upper CA", self.root, days=(-700, 2000), ca=True)

    @cached_property
    def lower(self) -> Issued:
        return issue("Odd Lower CA", self.upper, days=(-600, 1500), ca=True)

    @cached_property
    def stranger(self) -> Issued:
        return issue("Strange Root", days=(-800, 3000), ca=True)

    @cached_property
    def stray(self) -> Issued:
        return issue("Stray CA", self.stranger, days=(-700, 2000), ca=True)

    @cached_property
    def good(self) -> Shown:
        return Shown((self.leaf(), self.lower, self.upper))

    @property
    def kinds(self) -> tuple[str, ...]:
        return ("good", *CHAINS)

    @property
    def roots(self) -> tuple[bytes, ...]:
        return (self.root.der,)

    def leaf(self, **wishes: object) -> Issued:
        wishes = {"names": (NAME,), "days": (-10, 90)} | wishes
        return issue(NAME, self.lower, **wishes)  # type: ignore[arg-type]

    def chain(self, kind: str) -> Shown:
        if kind not in self._made:
            self._made[kind] = self.good if kind == "good" else CHAINS[kind](self)
        return self._made[kind]


CHAINS: dict[str, Callable[[World], Shown]] = {
    "leaf-only": lambda w: Shown(w.good.chain[:1]),
    "upper-missing": lambda w: Shown(w.good.chain[:2]),
    "disordered": lambda w: Shown((w.good.chain[0], w.upper, w.lower)),
    "root-sent": lambda w: Shown((*w.good.chain, w.root)),
    "wrong-name": lambda w: Shown((w.leaf(names=("other.example.net",)), w.lower, w.upper)),
    "wildcard": lambda w: Shown((w.leaf(names=("*.example.net",)), w.lower, w.upper)),
    "no-names": lambda w: Shown((w.leaf(names=()), w.lower, w.upper)),
    "expired": lambda w: Shown((w.leaf(days=(-100, -1)), w.lower, w.upper)),
    "not-yet-valid": lambda w: Shown((w.leaf(days=(1, 90)), w.lower, w.upper)),
    "expires-soon": lambda w: Shown((w.leaf(days=(-80, 5)), w.lower, w.upper)),
    "client-only": lambda w: Shown((w.leaf(usages=(ExtendedKeyUsageOID.CLIENT_AUTH,)), w.lower, w.upper)),
    "weak-key": lambda w: Shown((w.leaf(key=rsa.generate_private_key(65537, 1024)), w.lower, w.upper)),
    "untrusted": lambda w: Shown((issue(NAME, w.stranger, names=(NAME,)), w.stranger)),
    "issuer-unknown": lambda w: Shown((issue(NAME, w.stray, names=(NAME,)), w.stray)),
    "self-signed": lambda w: Shown((issue(NAME, names=(NAME,)),)),
}


def server_context(shown: Shown | None, folder: Path, *, newest: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """Make the server's side. No certificate: anonymous suites alone. ``newest``: speak nothing newer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0" if shown else "aNULL:@SECLEVEL=0")
    if shown:
        path = folder / f"{shown.chain[0].certificate.serial_number:x}-{len(shown.chain)}.pem"
        path.write_bytes(shown.pem)
        context.load_cert_chain(path)
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = newest or (ssl.TLSVersion.MAXIMUM_SUPPORTED if shown else ssl.TLSVersion.TLSv1_2)
    return context
