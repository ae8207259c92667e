from __future__ import annotations

import hashlib
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
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


def test_the_handshake_uses_the_servers_key_and_sends_its_intermediates(tmp_path: Path) -> None:
    context = ssl.create_default_context(cadata=CA.root_pem)
    with running(tmp_path, FIRST) as world, world.client() as client:
        client.starttls(context=context)
        assert client.sock.version() == "TLSv1.2"  # type: ignore[union-attr]
        assert world.chain() == digests(FIRST)


def test_a_client_that_insists_on_tls_1_3_is_not_served(tmp_path: Path) -> None:
    context = careless()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    with running(tmp_path, FIRST) as world, world.client() as client, pytest.raises(ssl.SSLError):
        client.starttls(context=context)


def test_the_banner_is_exchanges_with_the_connectors_fqdn_and_the_time(tmp_path: Path) -> None:
    with running(tmp_path, FIRST) as world:
        client = smtplib.SMTP(timeout=10)
        _, banner = client.connect(*world.address)
        client.quit()
    fqdn, _, rest = banner.decode().partition(" Microsoft ESMTP MAIL Service ready at ")
    assert fqdn == FQDN
    assert isinstance(parsedate_to_datetime(rest), datetime)


def test_a_connectors_own_banner_stands_alone(tmp_path: Path) -> None:
    with running(tmp_path, FIRST, connector=replace(EDGE, banner="Contoso mail")) as world, world.client() as client:
        assert client.ehlo("x")[1].decode().startswith(FQDN)
    with running(tmp_path, FIRST, connector=replace(EDGE, banner="Contoso mail")) as world:
        with socket.create_connection(world.address, 10) as client:
            assert client.recv(100) == b"220 Contoso mail\r\n"


def test_ehlo_on_an_edge_server_reads_as_exchanges(tmp_path: Path) -> None:
    with running(tmp_path, FIRST) as world, world.client() as client:
        lines = client.ehlo("client.example.org")[1].decode().split("\n")
    assert lines == [
        f"{FQDN} Hello [127.0.0.1]",
        "SIZE 37748736",
        "PIPELINING",
        "DSN",
        "ENHANCEDSTATUSCODES",
        "STARTTLS",
        "X-ANONYMOUSTLS",
        "X-EXPS GSSAPI NTLM",
        "8BITMIME",
        "BINARYMIME",
        "CHUNKING",
    ]


def test_ehlo_on_a_mailbox_server_offers_logons_and_basic_only_inside_tls(tmp_path: Path) -> None:
    with running(tmp_path, FIRST, connector=replace(EDGE, auth=MAILBOX_AUTH)) as world, world.client() as client:
        client.ehlo()
        assert client.esmtp_features["auth"].split() == ["NTLM"]
        client.starttls(context=careless())
        client.ehlo()
        assert client.esmtp_features["auth"].split() == ["NTLM", "LOGIN"]
        assert not client.has_extn("starttls")
        assert not client.has_extn("x-anonymoustls")
        assert client.docmd("STARTTLS")[0] == 503


def test_every_connection_meets_the_state_of_its_moment(tmp_path: Path) -> None:
    with running(tmp_path, FIRST) as world:
        assert world.chain() == digests(FIRST)
        world.server.tls = SECOND
        assert world.chain() == digests(SECOND)
        world.server.connector = replace(EDGE, fqdn="edge1.corp.london.example.net")
        with world.client() as client:
            assert client.ehlo()[1].decode().startswith("edge1.corp.london.example.net Hello")
            assert client.helo()[1].decode().startswith("edge1.corp.london.example.net Hello")


def test_the_server_is_asked_for_port_25_on_behalf_of_a_stranger(tmp_path: Path) -> None:
    with running(tmp_path, FIRST) as world, world.client():
        assert set(world.server.asked) == {(25, "198.51.100.25")}


def test_starttls_is_offered_only_when_exchange_would(tmp_path: Path) -> None:
    with running(tmp_path, NOTHING) as world, world.client() as client:
        client.ehlo()
        assert not client.has_extn("starttls")
        assert client.docmd("STARTTLS")[0] == 500


def test_a_key_that_exchange_cannot_use_fails_the_handshake_and_the_listener_lives_on(tmp_path: Path) -> None:
    with running(tmp_path, replace(FIRST, usable=False)) as world:
        for _ in range(2):
            with world.client() as client:
                client.ehlo()
                assert client.has_extn("starttls")
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    client.starttls(context=careless())
                client.close()
        world.server.tls = FIRST
        assert world.chain() == digests(FIRST)


@pytest.mark.parametrize("connector", [replace(EDGE, enabled=False), replace(EDGE, identity="none")])
def test_a_connection_that_no_connector_takes_is_dropped(tmp_path: Path, connector: Listener) -> None:
    with running(tmp_path, FIRST, connector=connector) as world, socket.create_connection(world.address, 10) as client:
        assert client.recv(100) == b""


def test_no_mail_and_no_logon_is_accepted(tmp_path: Path) -> None:
    with running(tmp_path, FIRST) as world, world.client() as client:
        client.ehlo()
        assert client.mail("a@example.org")[0] == 250
        assert client.rcpt("b@london.example.net")[0] == 550
        assert client.docmd("DATA")[0] == 503
        assert client.docmd("AUTH", "NTLM")[0] == 504
        assert client.docmd("BDAT", "3 LAST")[0] == 500
        assert client.quit()[0] == 221


def test_a_connector_that_requires_tls_refuses_mail_before_it(tmp_path: Path) -> None:
    with running(tmp_path, FIRST, connector=replace(EDGE, require_tls=True)) as world, world.client() as client:
        client.ehlo()
        assert client.mail("a@example.org")[0] == 530
        client.starttls(context=careless())
        client.ehlo()
        assert client.mail("a@example.org")[0] == 250


@pytest.mark.parametrize("fault", ["smtp-closed", "smtp-closed@edge1"])
def test_a_closed_port_refuses_and_opens_again_under_the_same_number(tmp_path: Path, fault: str) -> None:
    with running(tmp_path, FIRST, fault) as world:
        address = world.address
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, 10)
        world.faults.clear()
        world.loop.run(world.listener.obey_faults())
        assert world.address == address
        assert world.chain() == digests(FIRST)
        with world.client() as open_connection:
            world.faults.set(fault)
            world.loop.run(world.listener.obey_faults())
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address, 10)
            with pytest.raises(smtplib.SMTPServerDisconnected):
                open_connection.noop()


def test_a_fault_at_another_server_changes_nothing(tmp_path: Path) -> None:
    with running(tmp_path, FIRST, "smtp-closed@mbx1", "smtp-no-starttls@mbx1", "smtp-leaf-only@mbx1") as world:
        assert world.chain() == digests(FIRST)


def test_starttls_may_be_missing_whatever_the_connector_says(tmp_path: Path) -> None:
    with running(tmp_path, FIRST, "smtp-no-starttls") as world, world.client() as client:
        client.ehlo()
        assert not client.has_extn("starttls")


def test_the_certificate_of_the_start_may_stay(tmp_path: Path) -> None:
    with running(tmp_path, FIRST, "smtp-old-certificate") as world:
        world.server.tls = SECOND
        assert world.chain() == digests(FIRST)
        world.faults.clear()
        assert world.chain() == digests(SECOND)


def test_the_intermediates_may_be_left_out(tmp_path: Path) -> None:
    with running(tmp_path, FIRST, "smtp-leaf-only") as world:
        assert world.chain() == digests(FIRST)[:1]


def test_clients_that_vanish_at_any_point_do_no_harm(tmp_path: Path) -> None:
    openings: list[Callable[[socket.socket], object]] = [
        lambda _: None,
        lambda client: client.sendall(b"EHL"),
        lambda client: client.sendall(b"EHLO x\r\nSTARTTLS\r\n"),
        lambda client: client.sendall(b"EHLO x\r\nSTARTTLS\r\n\x16\x03\x01\x00\xff" + bytes(300)),
        lambda client: client.sendall(b"\xff\xfe\r\n" + b"x" * 5000 + b"\r\n"),
    ]
    with running(tmp_path, FIRST) as world:
        for opening in openings:
            with socket.create_connection(world.address, 10) as client:
                client.recv(200)
                opening(client)
        assert world.chain() == digests(FIRST)


def test_stop_ends_open_connections_in_every_state(tmp_path: Path) -> None:
    with running(tmp_path, FIRST) as world:
        plain, secured = world.client(), world.client()
        secured.starttls(context=careless())
        handshaking = world.client()
        handshaking.ehlo()
        handshaking.docmd("STARTTLS")
        world.loop.run(world.listener.stop(), timeout=5)
        for client in (plain, secured):
            with pytest.raises(smtplib.SMTPServerDisconnected):
                client.noop()
        with pytest.raises((ssl.SSLError, ConnectionError)):
            careless().wrap_socket(handshaking.sock)  # type: ignore[arg-type]
        for client in (plain, secured, handshaking):
            client.close()


def test_many_clients_at_once_are_served(tmp_path: Path) -> None:
    seen: list[list[bytes]] = []
    with running(tmp_path, FIRST) as world:
        threads = [threading.Thread(target=lambda: seen.append(world.chain())) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert seen == [digests(FIRST)] * 12


def test_a_context_is_made_once_for_each_certificate_and_chain(tmp_path: Path) -> None:
    contexts = TlsContexts(tmp_path)
    assert contexts.context(FIRST) is contexts.context(replace(FIRST, trace=("looked twice",)))
    assert contexts.context(FIRST) is not contexts.context(FIRST, leaf_only=True)
    assert contexts.context(FIRST) is not contexts.context(SECOND)
    assert list(tmp_path.iterdir()) == []
