"""What a lab keeps to itself: its folder, its account, and the internal CA behind WinRM."""

from __future__ import annotations

import hmac
import json
import os
import secrets
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from tlsrunbook.lab.signing import Signer, ca_name, leaf_extensions, make_key
from tlsrunbook.lab.winrm import ServerTls
from tlsrunbook.secret import Credential, Secret

_CA_DAYS = 10 * 365
_TLS_DAYS = 365


class PrivateFolder:
    """A folder that this user alone can read.

    Args:
        path: Used and kept, only what was written is removed; None for a new one that is removed whole.
    """

    def __init__(self, path: Path | None) -> None:
        self._made = path is None
        self._written: list[Path] = []
        # mkdtemp makes it for this user alone.
        self.path = Path(tempfile.mkdtemp(prefix="tlsrunbook-lab-")) if path is None else path.resolve()
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def write(self, name: str, text: str) -> Path:
        """Write a file for this user alone, in place of an earlier lab's."""
        path = self.path / name
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
            stream.write(text)
        self._written.append(path)
        return path

    def remove(self) -> None:
        """Remove what the lab made."""
        for path in self._written:
            path.unlink(missing_ok=True)
        if self._made:
            shutil.rmtree(self.path, ignore_errors=True)


class LabAccount:
    """The one account that may do everything, with a random password.

    Args:
        name: The credential's name.
    """

    def __init__(self, name: str) -> None:
        self.credential = Credential(name, "CORP\\svc-tlsrunbook", Secret(secrets.token_urlsafe(18)))

    def passwords(self) -> dict[str, str]:
        """Give the password by user, for the endpoints."""
        return {self.credential.user: self.credential.password.reveal()}

    def check(self, user: str, password: str) -> bool:
        """Whether user and password are right."""
        right = hmac.compare_digest(password.encode(), self.credential.password.reveal().encode())
        return right and user.lower() == self.credential.user.lower()

    def toml(self) -> str:
        """Write it as a credentials file."""
        user, password = (json.dumps(text) for text in (self.credential.user, self.credential.password.reveal()))
        return f"[{self.credential.name}]\nuser = {user}\npassword = {password}\n"


class InternalCa:
    """The organisation's own CA, which signs WinRM's certificates.

    Args:
        name: Goes into its subject.
    """

    def __init__(self, name: str) -> None:
        self._signer = Signer.root(name, "Example Corp", keys="ec", days=_CA_DAYS)

    @property
    def pem(self) -> str:
        """Its certificate."""
        return self._signer.certificate.public_bytes(Encoding.PEM).decode("ascii")

    def server_tls(self, address: str, folder: PrivateFolder) -> ServerTls:
        """Make key and certificate for WinRM on an address.

        Args:
            address: An IP address.
            folder: Where the key lies while it is loaded.
        """
        key = make_key("ec")
        names = (x509.IPAddress(ip_address(address)), x509.DNSName("localhost"))
        start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
        certificate = self._signer.sign(
            ca_name(f"WinRM on {address}", "Example Corp"),
            key.public_key(),
            (start, start + timedelta(days=_TLS_DAYS)),
            (
                *leaf_extensions(key.public_key(), names),
                (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
            ),
        )
        chain = folder.write("winrm.pem", certificate.public_bytes(Encoding.PEM).decode("ascii"))
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")
        key_file = folder.write("winrm-key.pem", secret)
        try:
            return ServerTls.from_files(chain, key_file)
        finally:
            key_file.unlink()
            chain.unlink()
