"""A rehearsal's site file wants what the user's wants, and leads to this computer and nowhere else."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from generate_docs import DOCS

from tlsrunbook.errors import SiteFileError
from tlsrunbook.site import Site, load_site, parse_site
from tlsrunbook.site.rehearsal import Door, Stage, rehearsal_text

REAL = load_site(DOCS / "example-site.toml")


def turned(folder: Path, site: Site = REAL) -> Site:
    stage = Stage(
        authority="http://127.0.0.1:8080",
        roots=folder / "root.pem",
        dns="127.0.0.1:5353",
        credentials=folder / "credentials.toml",
        credential="lab-admin",
        winrm_ca=folder / "winrm-ca.pem",
        folder=folder,
    )
    doors = {
        server.name: Door("127.0.0.1", 40000 + at, f"127.0.0.1:{50000 + at}") for at, server in enumerate(site.servers)
    }
    path = folder / "london.toml"
    path.write_text(rehearsal_text(site, stage, doors), encoding="utf-8")
    return load_site(path)


def test_it_wants_what_the_users_file_wants(tmp_path: Path) -> None:
    made = turned(tmp_path)
    assert (made.name, made.certificate, made.send_connectors) == (REAL.name, REAL.certificate, REAL.send_connectors)
    assert made.authority.kind == REAL.authority.kind, "it stands in the plan"
    assert made.policy.default_smtp_certificate == REAL.policy.default_smtp_certificate
    same = {"address", "endpoints", "logon"}
    for one, other in zip(made.servers, REAL.servers, strict=True):
        assert one.model_dump(exclude=same) == other.model_dump(exclude=same)


def test_it_says_what_it_rehearses_and_needs_no_approval(tmp_path: Path) -> None:
    made = turned(tmp_path)
    assert (REAL.rehearsal_of, made.rehearsal_of) == ("", str(REAL.path))
    assert made.policy.approval == "none"


def test_nothing_of_it_leads_to_the_users_servers_folders_or_credentials(tmp_path: Path) -> None:
    made = turned(tmp_path)
    assert {server.address for server in made.servers} == {"127.0.0.1"}
    assert {server.logon.credential for server in made.servers} == {"lab-admin"}
    assert [server.endpoints for server in made.servers] == [("127.0.0.1:50000",), ("127.0.0.1:50001",)]
    assert made.credentials.file == tmp_path / "credentials.toml"
    text = made.path.read_text(encoding="utf-8")
    for server in REAL.servers:
        assert server.address not in text
    data = tomllib.loads(text)
    assert Path(data["authority"]["outbox"]).parent == tmp_path
    assert Path(data["authority"]["inbox"]).parent == tmp_path


@pytest.mark.parametrize(
    ("pattern", "new", "place"),
    [
        ('address = "127.0.0.1"', 'address = "edge1.example.net"', "servers[0] (EDGE1).address"),
        ('address = "127.0.0.1"', 'address = "192.0.2.1"', "servers[0] (EDGE1).address"),
        ("127.0.0.1:50000", "mx1.example.net:25", "servers[0] (EDGE1).endpoints[0]"),
        ("127.0.0.1:5353", "192.0.2.53", "dns.server"),
    ],
)
def test_an_address_elsewhere_is_refused(tmp_path: Path, pattern: str, new: str, place: str) -> None:
    path = turned(tmp_path).path
    text = path.read_text(encoding="utf-8")
    assert pattern in text
    path.write_text(text.replace(pattern, new, 1), encoding="utf-8")
    with pytest.raises(SiteFileError) as caught:
        load_site(path)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{place}: is not on this computer")


def test_the_mark_on_a_real_site_file_is_refused_for_every_address() -> None:
    data = tomllib.loads((DOCS / "example-site.toml").read_text(encoding="utf-8"))
    data["rehearsal"] = {"of": "x", "authority": "http://127.0.0.1:1", "roots": "root.pem"}
    with pytest.raises(SiteFileError) as caught:
        parse_site(data)
    addresses = sum(1 + len(server["endpoints"]) for server in data["servers"])
    assert len(caught.value.problems) == 1 + addresses, "DNS, and where each server is reached"
