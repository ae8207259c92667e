from __future__ import annotations

import smtplib
import socket
import ssl
from dataclasses import replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from smtp_world import CA, EDGE, FIRST, FQDN, MAILBOX_AUTH, NOTHING, SECOND, careless, digests, running

from tlsrunbook.lab.exchange.inbound import Listener


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
        with socket.create_connection(world.address, 10) as raw:
            assert raw.recv(100) == b"220 Contoso mail\r\n"


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
