"""An SMTP listener for tests, in front of a server whose state the test sets."""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from tlsrunbook.lab.ca import LabCA
from tlsrunbook.lab.exchange.inbound import InboundServer, InboundTls, Listener
from tlsrunbook.lab.faults import FaultBoard
from tlsrunbook.lab.loop import LoopThread
from tlsrunbook.lab.smtp import SmtpListener
from tlsrunbook.lab.smtp_tls import TlsContexts

FQDN = "mx1.london.example.net"
CA = LabCA()
KEY = rsa.generate_private_key(65537, 2048)
EDGE = Listener(r"EDGE1\Default", FQDN, (25,), ("Tls", "ExchangeServer"), True, False, True)
MAILBOX_AUTH = ("Tls", "Integrated", "BasicAuth", "BasicAuthRequireTLS", "ExchangeServer")


def issue(name: str = FQDN) -> InboundTls:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name.from_rfc4514_string(f"CN={name}"))
    csr = builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.PEM).decode("ascii")
    chain = (CA.intermediate.public_bytes(Encoding.DER),)
    return InboundTls(CA.issue(csr), KEY, chain, connector=EDGE.identity)


FIRST, SECOND = issue(), issue()
NOTHING = InboundTls(None, None, connector=EDGE.identity)


class Server:
    """A server whose state the test sets; what the state leads to is the simulated Exchange's own tests' business."""

    name = "EDGE1"
    fqdn = "edge1.corp.london.example.net"

    def __init__(self, tls: InboundTls, connector: Listener = EDGE) -> None:
        self.tls = tls
        self.connector = connector
        self.asked: list[tuple[str | int, str]] = []

    def inbound(self, connector: str | int, remote: str = "") -> InboundTls:
        self.asked.append((connector, remote))
        return self.tls

    def receive_connectors(self) -> tuple[Listener, ...]:
        return (replace(EDGE, identity=r"EDGE1\Other", fqdn="other.example.net"), self.connector)


class World:
    def __init__(self, loop: LoopThread, folder: Path, server: Server, faults: FaultBoard) -> None:
        typed: InboundServer = server
        self.loop, self.folder, self.server, self.faults = loop, folder, server, faults
        self.contexts = TlsContexts(folder)
        self.listener = SmtpListener(typed, self.contexts, faults)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.listener.endpoint.split(":")
        return host, int(port)

    def client(self) -> smtplib.SMTP:
        client = smtplib.SMTP(timeout=10)
        client._host = FQDN  # type: ignore[attr-defined]  # the name that is asked for and verified
        assert client.connect(*self.address)[0] == 220
        return client

    def chain(self, context: ssl.SSLContext | None = None) -> list[bytes]:
        """Digests of what a STARTTLS handshake shows."""
        with self.client() as client:
            client.starttls(context=context or careless())
            assert client.ehlo()[0] == 250
            seen = client.sock._sslobj.get_unverified_chain()  # type: ignore[union-attr]
            return [hashlib.sha256(der_of(item)).digest() for item in seen]


def der_of(item: object) -> bytes:
    if isinstance(item, bytes):
        return item
    text: str = item.public_bytes()  # type: ignore[attr-defined]
    return ssl.PEM_cert_to_DER_cert(text)


def careless() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def digests(tls: InboundTls) -> list[bytes]:
    assert tls.certificate is not None
    return [hashlib.sha256(der).digest() for der in (tls.certificate.public_bytes(Encoding.DER), *tls.chain_der)]


@contextmanager
def running(tmp_path: Path, tls: InboundTls, *faults: str, connector: Listener = EDGE) -> Iterator[World]:
    complaints: list[dict[str, object]] = []
    with LoopThread() as loop:
        loop.loop.set_exception_handler(lambda _loop, context: complaints.append(context))
        world = World(loop, tmp_path, Server(tls, connector), FaultBoard(*faults))
        loop.run(world.listener.start())
        try:
            yield world
        finally:
            loop.run(world.listener.stop(), timeout=5)
    assert complaints == []
    assert list(tmp_path.iterdir()) == []  # no key stays on disk
