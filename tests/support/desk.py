"""A CSR in the outbox, a person with a CA, and what that person puts into the inbox."""

from __future__ import annotations

import base64
import io
import textwrap
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from certificate_factory import Made, key, make, world
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs7

from tests.support.change import Change
from tlsrunbook.evidence.record import Record, Status
from tlsrunbook.lab.lab import Lab

#: CAs date back by an hour or so.
TODAY = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)


@dataclass(frozen=True)
class PublicHalf:
    """The server's key as a CA has it: only its public half."""

    certified: rsa.RSAPublicKey

    def public_key(self) -> rsa.RSAPublicKey:
        return self.certified


class Desk:
    """A CSR in the outbox, a person with a CA, and the inbox."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.change = Change(lab, folder, "folder")
        lab.server(self.change.site, "EDGE1").trust(world().root.certificate)
        (folder / "roots.pem").write_bytes(world().root.pem)
        self.change.edit(r'(kind = "folder".*)', r'\1\nroots = "roots.pem"')
        self.change.edit(r"\nroots = \".*root\.pem\"", "")
        self.inbox = folder / "inbox"
        (waiting,) = self.change.apply("EDGE1", "request")
        assert waiting.status is Status.WAITING, waiting.summary
        (self.csr_file,) = (folder / "outbox").iterdir()
        self.csr = x509.load_pem_x509_csr(self.csr_file.read_bytes())
        self.fqdn = "mx1.london.example.net"

    def issue(self, name: str | None = None, *, signer: Made | None = None, own_key: Any = None, **how: Any) -> Made:
        """Do what a CA does; ``how`` as in ``certificate_factory.make``."""
        public = self.csr.public_key()
        assert isinstance(public, rsa.RSAPublicKey)
        given = {"begin": TODAY, "serial": x509.random_serial_number() >> 1, **how}
        name = self.fqdn if name is None else name
        return make(name, own_key=own_key or PublicHalf(public), signer=signer or world().intermediate, **given)

    def put(self, content: bytes, name: str = "answer.txt") -> None:
        (self.inbox / name).write_bytes(content)

    def install(self) -> Record:
        (record,) = self.change.apply("EDGE1", "install")
        return record


def lines(data: bytes) -> bytes:
    return "\n".join(textwrap.wrap(base64.b64encode(data).decode(), 64)).encode() + b"\n"


def armour(label: str, data: bytes) -> bytes:
    return f"-----BEGIN {label}-----\n".encode() + lines(data) + f"-----END {label}-----\n".encode()


def zipped(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("_", "."), content)
    return stream.getvalue()


def pems(*made: Made) -> bytes:
    return b"".join(one.pem for one in made)


def p7b(encoding: Encoding, *made: Made) -> bytes:
    return pkcs7.serialize_certificates([one.certificate for one in made], encoding)


def upward() -> tuple[Made, Made]:
    return world().intermediate, world().upper


def private_key() -> bytes:
    return key("reply").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
