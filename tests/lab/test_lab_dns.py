from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from tlsrunbook.lab.dns import DnsServer, Zone
from tlsrunbook.lab.loop import LoopThread

ZONE = Zone(
    addresses={"mx1.london.example.net": ("127.0.0.1", "::1"), "mx2.london.example.net": ("127.0.0.2",)},
    exchangers={
        "london.example.net": ("mx1.london.example.net", "mx2.london.example.net"),
        "many.example.net": tuple(f"a-rather-long-name-of-a-mail-server-{n}.example.net" for n in range(40)),
    },
)


@pytest.fixture(scope="module")
def server() -> Iterator[DnsServer]:
    with LoopThread() as loop:
        server = DnsServer(ZONE)
        loop.run(server.start())
        yield server
        loop.run(server.stop())


def ask(server: DnsServer, name: str, kind: str, *, tcp: bool = False) -> dns.message.Message:
    host, port = server.endpoint.split(":")
    query = dns.message.make_query(name, kind)
    return (dns.query.tcp if tcp else dns.query.udp)(query, host, port=int(port), timeout=5)


def records(answer: dns.message.Message) -> list[str]:
    return [record.to_text() for found in answer.answer for record in found]


@pytest.mark.parametrize("tcp", [False, True])
def test_names_have_their_addresses_by_version(server: DnsServer, tcp: bool) -> None:
    assert records(ask(server, "MX1.london.example.net", "A", tcp=tcp)) == ["127.0.0.1"]
    assert records(ask(server, "mx1.london.example.net", "AAAA", tcp=tcp)) == ["::1"]


def test_domains_have_their_exchangers_in_order(server: DnsServer) -> None:
    found = records(ask(server, "london.example.net", "MX"))
    assert sorted(found) == ["10 mx1.london.example.net.", "20 mx2.london.example.net."]


def test_a_name_without_such_a_record_is_an_empty_answer(server: DnsServer) -> None:
    for name, kind in (("mx2.london.example.net", "AAAA"), ("mx1.london.example.net", "TXT"), ("example.net", "A")):
        answer = ask(server, name, kind)
        assert (answer.rcode(), records(answer)) == (dns.rcode.NOERROR, [])


def test_a_name_that_is_not_there_is_nxdomain(server: DnsServer) -> None:
    assert ask(server, "mx3.london.example.net", "A").rcode() == dns.rcode.NXDOMAIN


def test_a_long_answer_is_cut_over_udp_and_whole_over_tcp(server: DnsServer) -> None:
    cut = ask(server, "many.example.net", "MX")
    assert cut.flags & dns.flags.TC
    assert records(cut) == []
    assert len(records(ask(server, "many.example.net", "MX", tcp=True))) == 40


def test_junk_is_not_answered_and_does_not_end_the_server(server: DnsServer) -> None:
    host, port = server.endpoint.split(":")
    with socket.create_connection((host, int(port)), timeout=5) as tcp:
        tcp.sendall(struct.pack("!H", 5) + b"hello")
        assert tcp.recv(100) == b""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.sendto(b"hello", (host, int(port)))
    assert records(ask(server, "mx2.london.example.net", "A")) == ["127.0.0.2"]


def test_other_operations_are_not_implemented() -> None:
    query = dns.message.make_query("mx1.london.example.net", "A")
    query.set_opcode(dns.opcode.NOTIFY)
    answer = ZONE.answer(query.to_wire())
    assert answer is not None
    assert dns.message.from_wire(answer).rcode() == dns.rcode.NOTIMP


def test_an_answer_is_not_answered() -> None:
    answer = ZONE.answer(dns.message.make_query("mx1.london.example.net", "A").to_wire())
    assert answer is not None
    assert ZONE.answer(answer) is None


def test_stop_ends_idle_connections_and_gives_the_port_back() -> None:
    with LoopThread() as loop:
        server = DnsServer(ZONE)
        loop.run(server.start())
        host, port = server.endpoint.split(":")
        with socket.create_connection((host, int(port)), timeout=5) as idle:
            dns.query.send_tcp(idle, dns.message.make_query("mx2.london.example.net", "A"))
            assert records(dns.query.receive_tcp(idle)[0]) == ["127.0.0.2"]
            loop.run(server.stop(), timeout=5)
            assert idle.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)), timeout=5)
