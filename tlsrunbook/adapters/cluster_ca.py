"""A certification authority for one Dask cluster and nothing else, and a certificate for each part of it.

Dask checks that the other side has a certificate of this CA; it checks neither names nor roles. The one thing that
OpenSSL checks besides is the extended key usage: the controller's certificate is a client's only, so who steals it
cannot pose as the scheduler or as a worker.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tlsrunbook.errors import UsageError

CA_FILE, CA_KEY, CERTIFICATE, KEY = "ca.pem", "ca-key.pem", "cert.pem", "key.pem"

CA_DAYS = 3650
LEAF_DAYS = 397
#: Clocks of the hosts differ a little.
_BACKDATED = timedelta(hours=1)
_BOTH = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
#: Who dials and who listens: the controller only dials, everybody else does both.
USAGES = {"controller": (ExtendedKeyUsageOID.CLIENT_AUTH,), "scheduler": _BOTH, "worker": _BOTH}


@dataclass(frozen=True)
class ClusterCa:
    """The CA with its key, in memory."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        """The certificate that every part of the cluster trusts."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, role: str, name: str, days: int = LEAF_DAYS) -> tuple[bytes, bytes]:
        """Make a key and its certificate.

        Args:
            role: A key of :data:`USAGES`.
            name: Goes into the subject, for people.
            days: How long it is valid; never longer than the CA.

        Returns:
            Certificate and key, PEM.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        until = min(_now() + timedelta(days=days), self.certificate.not_valid_after_utc)
        builder = _builder(_name(f"tlsrunbook {name}"), self.certificate.subject, key, until)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage(USAGES[role]), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        certificate = builder.add_extension(issuer, critical=False).sign(self.key, hashes.SHA256())
        return certificate.public_bytes(serialization.Encoding.PEM), _key_pem(key)


def open_ca(folder: Path) -> tuple[ClusterCa, bool]:
    """Give the CA that lies in a folder; where there is none, one is made.

    Returns:
        The CA, and whether it was made now.

    Raises:
        UsageError: Half of it is there, or it cannot be read.
    """
    certificate, key = folder / CA_FILE, folder / CA_KEY
    if not certificate.exists() and not key.exists():
        made = _make_ca()
        write_private(key, _key_pem(made.key))
        write_new(certificate, made.pem)
        return made, True
    try:
        loaded = serialization.load_pem_private_key(key.read_bytes(), None)
        own = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ValueError, TypeError) as error:
        what = f"the cluster's CA cannot be read: {getattr(error, 'strerror', None) or type(error).__name__}"
        todo = f"put {CA_FILE} and {CA_KEY} back there, or name a new folder for a new cluster"
        raise UsageError(what, where=str(folder), todo=todo) from error
    if not isinstance(loaded, ec.EllipticCurvePrivateKey) or loaded.public_key() != own.public_key():
        raise UsageError(f"{CA_KEY} is not the key of {CA_FILE}", where=str(folder), todo="restore both from one copy")
    return ClusterCa(own, loaded), False


def ends(certificate: Path) -> datetime | None:
    """Give the moment when a certificate ends, UTC; None when there is none that can be read."""
    try:
        return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    except (OSError, ValueError):
        return None


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only this user can read (0600), whole, in place of an earlier one.

    Windows has access lists instead: there the file has those of its folder, which the caller tells.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def write_new(path: Path, content: bytes) -> None:
    """Write a file that everybody may read, in place of an earlier one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_bytes(content)


def _make_ca() -> ClusterCa:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"tlsrunbook cluster CA {secrets.token_hex(4)}")
    builder = _builder(name, name, key, _now() + timedelta(days=CA_DAYS))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    return ClusterCa(builder.sign(key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_now() - _BACKDATED)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    others: Sequence[str] = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
        **dict.fromkeys(others, False),
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common[:64])])


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
