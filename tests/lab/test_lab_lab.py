from __future__ import annotations

import os
import smtplib
import socket
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tlsrunbook.adapters.dns import DnsResolver
from tlsrunbook.adapters.roots import load_roots
from tlsrunbook.adapters.vault import ChainVault
from tlsrunbook.errors import UsageError
from tlsrunbook.lab.exchange.keys import KeyRing
from tlsrunbook.lab.faults import FaultBoard
from tlsrunbook.lab.lab import Lab
from tlsrunbook.lab.places import plan_world
from tlsrunbook.site import load_site


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(2, 3, keys=KeyRing()) as lab:
        yield lab


def address_of(endpoint: str) -> tuple[str, int]:
    host, port = endpoint.rsplit(":", 1)
    return host, int(port)


def test_servers_are_edge_and_mailbox_in_turn_with_names_that_cas_sign(lab: Lab) -> None:
    assert lab.site_names == ("london", "dublin")
    london = lab.plan[0]
    assert [(server.name, server.is_edge, server.fqdn) for server in london.servers] == [
        ("EDGE1", True, "mx1.london.example.net"),
        ("MBX1", False, "mx2.london.example.net"),
        ("EDGE2", True, "mx3.london.example.net"),
    ]
    assert lab.server("london", "mbx1").fqdn == "mbx1.corp.london.example.net"


def test_an_edge_answers_with_its_public_name_and_a_mailbox_server_with_its_own(lab: Lab) -> None:
    answered = []
    for name in ("EDGE1", "MBX1"):
        with smtplib.SMTP(*address_of(lab.station("london", name).smtp.endpoint), timeout=10) as client:
            answered.append(client.ehlo()[1].decode().split()[0])
    assert answered == ["mx1.london.example.net", "mbx1.corp.london.example.net"]


def test_sites_share_names_of_servers_and_nothing_else(lab: Lab) -> None:
    assert lab.server("london", "EDGE1") is not lab.server("dublin", "EDGE1")
    assert set(lab.organization("london").servers) == {"MBX1"}
    assert lab.organization("london") is not lab.organization("dublin")


def test_every_site_file_is_valid_and_leads_to_the_lab(lab: Lab, tmp_path: Path) -> None:
    paths = lab.write_site_files(tmp_path / "sites")
    assert [path.name for path in paths] == ["london.toml", "dublin.toml"]
    site = load_site(paths[1])
    assert [server.name for server in site.servers] == ["EDGE1", "MBX1", "EDGE2"]
    assert site.authority.kind == "lab"
    assert site.authority.url == lab.authority_url
    assert [server.endpoints for server in site.servers] == [
        (lab.station("dublin", name).smtp.endpoint,) for name in ("EDGE1", "MBX1", "EDGE2")
    ]
    assert {server.logon.port for server in site.servers} == {
        lab.station("dublin", name).winrm.port for name in ("EDGE1", "MBX1", "EDGE2")
    }


def test_the_site_file_says_why(lab: Lab) -> None:
    text = lab.site_file_text("london")
    assert "# so the public certificate is tied to it by its TLS certificate name." in text
    assert "# what the world sees: the certificate's common name" in text


def test_the_credentials_file_opens_the_vault_and_only_this_user_can_read_it(lab: Lab, tmp_path: Path) -> None:
    site = load_site(lab.write_site_files(tmp_path)[0])
    credential = ChainVault(site.credentials.file, environ={}).credential(site.servers[0].logon.credential)
    assert credential.user == "CORP\\svc-tlsrunbook"
    assert credential.password == lab.credential.password
    if os.name == "posix":
        assert stat.S_IMODE((lab.folder / "credentials.toml").stat().st_mode) == 0o600
        assert stat.S_IMODE(lab.folder.stat().st_mode) == 0o700


def test_no_private_key_and_no_password_stands_where_it_should_not(lab: Lab) -> None:
    password = lab.credential.password.reveal()
    for path in lab.folder.iterdir():
        text = path.read_text(encoding="utf-8")
        assert "PRIVATE KEY" not in text
        assert (password in text) is (path.name == "credentials.toml")
    assert password not in lab.site_file_text("london")


def test_winrm_shows_a_certificate_of_the_internal_ca_and_asks_for_a_logon(lab: Lab) -> None:
    url = lab.station("london", "EDGE1").winrm.url
    headers = {"Content-Type": "application/soap+xml;charset=UTF-8"}
    answer = requests.post(url, data=b"", headers=headers, verify=str(lab.folder / "winrm-ca.pem"), timeout=10)
    assert answer.status_code == 401
    with pytest.raises(requests.exceptions.SSLError):
        requests.post(url, data=b"", headers=headers, verify=str(lab.folder / "root.pem"), timeout=10)


def test_dns_knows_the_lab_and_nothing_else(lab: Lab) -> None:
    resolver = DnsResolver(lab.dns_endpoint)
    assert resolver.addresses("mx2.dublin.example.net") == ("127.0.0.1",)
    assert resolver.addresses("mbx1.corp.dublin.example.net") == ("127.0.0.1",)
    assert resolver.exchangers("london.example.net") == tuple(f"mx{n}.london.example.net" for n in (1, 2, 3))
    assert resolver.addresses("www.example.com") == ()


def test_the_root_in_the_folder_is_the_cas(lab: Lab) -> None:
    assert load_roots(lab.folder / "root.pem") == (ssl.PEM_cert_to_DER_cert(lab.ca.root_pem),)


def test_what_the_lab_does_not_have_is_said_with_what_it_has(lab: Lab) -> None:
    with pytest.raises(UsageError, match="london, dublin"):
        lab.site_file_text("paris")
    with pytest.raises(UsageError, match="EDGE1, MBX1, EDGE2"):
        lab.server("london", "edge9")


@pytest.mark.parametrize(("sites", "servers"), [(0, 1), (1, 0)])
def test_a_lab_without_servers_is_refused(sites: int, servers: int) -> None:
    with pytest.raises(UsageError, match="1 or more"):
        Lab(sites, servers)


def test_beyond_the_list_of_cities_sites_are_numbered_and_all_names_differ() -> None:
    plan = Lab(40, 1).plan
    assert plan[0].name == "london"
    assert plan[39].name == "site40"
    assert len({server.fqdn for site in plan for server in site.servers}) == 40


def test_a_lab_that_does_not_run_says_so() -> None:
    lab = Lab()
    lab.stop()
    with pytest.raises(UsageError, match="does not run"):
        lab.site_file_text("london")


def test_stop_gives_everything_back_within_a_second(tmp_path: Path) -> None:
    lab = Lab(1, 2, keys=KeyRing()).start()
    folder = lab.folder
    station = lab.station("london", "EDGE1")
    doors = [
        ("127.0.0.1", station.winrm.port),
        address_of(station.smtp.endpoint),
        address_of(lab.dns_endpoint),
        address_of(lab.authority_url),
    ]
    doors[-1] = ("127.0.0.1", int(lab.authority_url.rsplit(":", 1)[1]))
    with smtplib.SMTP(*doors[1], timeout=10), socket.create_connection(doors[0], 10):
        started = time.monotonic()
        lab.stop()
        assert time.monotonic() - started < 1
    for door in doors:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(door, 10)
    assert not folder.exists()
    lab.stop()


def test_a_lab_can_be_started_again_but_not_twice() -> None:
    with Lab(1, 1, keys=KeyRing()) as lab:
        with pytest.raises(UsageError, match="runs already"):
            lab.start()
        first = lab.server("london", "EDGE1")
    with lab:
        assert lab.server("london", "EDGE1") is not first


def test_a_folder_of_ones_own_is_kept_and_the_labs_files_are_not(tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"mine")
    with Lab(1, 1, folder=tmp_path, keys=KeyRing()) as lab:
        assert lab.folder == tmp_path.resolve()
        assert (tmp_path / "credentials.toml").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_start_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    edge = plan_world(1, 1)
    lab = Lab(version="15.0.516.32", plan=edge, folder=tmp_path, keys=KeyRing())
    with pytest.raises(UsageError, match="no Edge Transport role"):
        lab.start()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageError, match="does not run"):
        lab.server("london", "EDGE1")


def test_a_version_that_is_none_is_said_at_once() -> None:
    with pytest.raises(UsageError, match="no Exchange version"):
        Lab(version="1999")


def test_a_version_without_the_edge_role_has_mailbox_servers_alone() -> None:
    (site,) = Lab(1, 3, "15.0.516.32").plan
    assert [server.name for server in site.servers] == ["MBX1", "MBX2", "MBX3"]


def test_a_fault_closes_the_port_at_once_and_its_end_opens_it_at_once() -> None:
    with Lab(1, 2, keys=KeyRing()) as lab:
        doors = {name: address_of(lab.station("london", name).smtp.endpoint) for name in ("EDGE1", "MBX1")}
        lab.faults.set("smtp-closed@EDGE1")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(doors["EDGE1"], 10)
        socket.create_connection(doors["MBX1"], 10).close()
        lab.faults.clear()
        socket.create_connection(doors["EDGE1"], 10).close()
    lab.faults.set("smtp-closed")  # nobody listens to the faults of a lab that has ended


def test_a_fault_of_the_start_is_there_from_the_start() -> None:
    with Lab(1, 2, faults=FaultBoard("smtp-closed@MBX1", "winrm-untrusted@EDGE1"), keys=KeyRing()) as lab:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address_of(lab.station("london", "MBX1").smtp.endpoint), 10)
        trusted = str(lab.folder / "winrm-ca.pem")
        with pytest.raises(requests.exceptions.SSLError):
            requests.post(lab.station("london", "EDGE1").winrm.url, verify=trusted, timeout=10)
        assert requests.post(lab.station("london", "MBX1").winrm.url, verify=trusted, timeout=10).status_code in (
            401,
            415,
        )


@pytest.mark.skipif(os.name != "posix", reason="Windows has no limit of open files to raise")
def test_a_lab_larger_than_the_limit_of_open_files_raises_it_as_far_as_it_may() -> None:
    # In a process of its own, because the limit is the process's.
    script = """
import resource
from tlsrunbook.lab.exchange.keys import new_key
from tlsrunbook.lab.lab import Lab
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
key = new_key(2048)
with Lab(1, 40, keys=lambda size: key) as lab:
    print(lab.station("london", "MBX20").smtp.endpoint)
"""
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout.startswith("127.0.0.1:")
