from __future__ import annotations

import smtplib
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from smtp_world import FIRST, SECOND, careless, digests, running

from tlsrunbook.lab.smtp import SmtpListener
from tlsrunbook.lab.smtp_tls import TlsContexts


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


def test_hundreds_of_listeners_share_one_loop_and_no_threads(tmp_path: Path) -> None:
    with running(tmp_path, FIRST) as world:
        threads = threading.active_count()
        listeners = [SmtpListener(world.server, world.contexts, world.faults) for _ in range(300)]
        for listener in listeners:
            world.loop.run(listener.start())
        assert threading.active_count() == threads
        assert len({listener.endpoint for listener in listeners}) == 300
        for listener in (listeners[0], listeners[150], listeners[299]):
            host, port = listener.endpoint.split(":")
            with smtplib.SMTP(host, int(port), timeout=10) as client:
                assert client.ehlo()[0] == 250
        for listener in listeners:
            world.loop.run(listener.stop())


def test_a_context_is_made_once_for_each_certificate_and_chain(tmp_path: Path) -> None:
    contexts = TlsContexts(tmp_path)
    assert contexts.context(FIRST) is contexts.context(replace(FIRST, trace=("looked twice",)))
    assert contexts.context(FIRST) is not contexts.context(FIRST, leaf_only=True)
    assert contexts.context(FIRST) is not contexts.context(SECOND)
    assert list(tmp_path.iterdir()) == []
