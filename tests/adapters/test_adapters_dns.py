from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dns.message
import dns.rcode
import pytest

from tlsrunbook.adapters.dns import DnsResolver
from tlsrunbook.errors import UsageError
from tlsrunbook.lab.dns import DnsServer, Zone
from tlsrunbook.lab.loop import LoopThread

ZONE = Zone(
    addresses={
        "mx1.london.example.net": ("127.0.0.1", "127.0.0.3", "::1"),
        "mx2.london.example.net": ("127.0.0.2",),
    },
    exchangers={
        "london.example.net": ("Mx2.london.example.net", "mx1.london.example.net"),
        "nomail.example.net": ("",),
        "many.example.net": tuple(f"a-rather-long-name-of-a-mail-server-{n}.example.net" for n in range(40)),
    },
)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with LoopThread() as loop:
        server = DnsServer(ZONE)
        loop.run(server.start())
        yield server.endpoint
        loop.run(server.stop())


@contextmanager
def answering(reply: Callable[[bytes], bytes | None]) -> Iterator[str]:
    """A DNS server that answers each query as told, until it gets an empty datagram."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        here = udp.getsockname()

        def serve() -> None:
            while query := (received := udp.recvfrom(4096))[0]:
                if (answer := reply(query)) is not None:
                    udp.sendto(answer, received[1])

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{here[1]}"
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stopper:
                stopper.sendto(b"", here)
            thread.join()


def test_a_name_gives_all_its_addresses_of_both_versions(endpoint: str) -> None:
    assert set(DnsResolver(endpoint).addresses("mx1.london.example.net") or ()) == {"127.0.0.1", "127.0.0.3", "::1"}
    assert DnsResolver(endpoint).addresses("mx2.london.example.net") == ("127.0.0.2",)


def test_a_domain_gives_its_exchangers_by_preference_in_lower_case(endpoint: str) -> None:
    assert DnsResolver(endpoint).exchangers("london.example.net") == (
        "mx2.london.example.net",
        "mx1.london.example.net",
    )


def test_an_answer_too_long_for_udp_comes_whole(endpoint: str) -> None:
    assert len(DnsResolver(endpoint).exchangers("many.example.net") or ()) == 40


@pytest.mark.parametrize("name", ["mx9.london.example.net", "london.example.net", "example.net"])
def test_a_name_without_addresses_is_empty_and_not_unknown(endpoint: str, name: str) -> None:
    assert DnsResolver(endpoint).addresses(name) == ()


@pytest.mark.parametrize("name", ["mx1.london.example.net", "nowhere.example.org", "nomail.example.net"])
def test_a_domain_without_exchangers_is_empty_and_not_unknown(endpoint: str, name: str) -> None:
    assert DnsResolver(endpoint).exchangers(name) == ()


def test_no_answer_is_none_within_the_timeout() -> None:
    with answering(lambda _query: None) as silent:
        assert DnsResolver(silent, timeout=0.2).addresses("mx1.london.example.net") is None
        assert DnsResolver(silent, timeout=0.2).exchangers("london.example.net") is None


def test_a_server_that_fails_is_none() -> None:
    def fail(query: bytes) -> bytes:
        answer = dns.message.make_response(dns.message.from_wire(query))
        answer.set_rcode(dns.rcode.SERVFAIL)
        return answer.to_wire()

    with answering(fail) as failing:
        assert DnsResolver(failing, timeout=0.5).addresses("mx1.london.example.net") is None


def test_half_an_answer_is_none() -> None:
    def a_only(query: bytes) -> bytes | None:
        asked = dns.message.from_wire(query)
        return ZONE.answer(query) if asked.question[0].rdtype == dns.rdatatype.A else None

    with answering(a_only) as half:
        assert DnsResolver(half, timeout=0.2).addresses("mx1.london.example.net") is None


def test_many_threads_can_share_a_resolver(endpoint: str) -> None:
    resolver = DnsResolver(endpoint)
    found: list[tuple[str, ...] | None] = []
    threads = [
        threading.Thread(target=lambda: found.append(resolver.addresses("mx2.london.example.net"))) for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [("127.0.0.2",)] * 16


@pytest.mark.parametrize(
    "server", ["dns.example.net", "10.0.0.53:x", "10.0.0.53:0", "10.0.0.53:70000", "[::1", "::1]:"]
)
def test_what_is_no_address_of_a_server_is_refused_with_the_place(server: str) -> None:
    with pytest.raises(UsageError, match=r"dns\.server"):
        DnsResolver(server)


@pytest.mark.parametrize("server", ["10.0.0.53", "10.0.0.53:5353", "::1", "[::1]:5353", "[::1]"])
def test_addresses_of_servers_are_taken_in_every_usual_form(server: str) -> None:
    assert DnsResolver(server)
