"""Rehearsals without saved state: the user's own servers, names and connectors, freshly installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.change import statuses
from tlsrunbook import open_run
from tlsrunbook.errors import StepStopped, UsageError
from tlsrunbook.evidence.record import Record
from tlsrunbook.rehearsal import Rehearsal, rehearsal
from tlsrunbook.site import Site, load_site

SITE = """
name = "hamburg"
authority = { kind = "folder", outbox = "ca/outbox", inbox = "ca/inbox" }

[certificate]
country = "DE"
organization = "Beispiel GmbH"

[[servers]]
name = "GATE7"
address = "gate7.beispiel.example.net"
fqdn = "mail.beispiel-gmbh.de"
names = ["smtp.beispiel-gmbh.de"]
roles = ["receive"]
receive_connectors = ["Von draussen"]
endpoints = ["mail.beispiel-gmbh.de:25"]
logon = { credential = "edge-admin", method = "basic" }

[[servers]]
name = "EX-01"
address = "192.0.2.7"
fqdn = "mail2.beispiel-gmbh.de"
roles = ["receive", "send"]
receive_connectors = ["Default Frontend EX-01", "Partner"]
endpoints = ["mail2.beispiel-gmbh.de:25"]
logon = { credential = "exchange-admin", method = "ntlm" }

[send_connectors]
required = { name = "TLS Pflicht {server}", domains = ["bank.example.org"] }
never = { name = "Ohne TLS {server}", domains = [
  { domain = "broken.example.org", reason = "no TLS", owner = "postmaster@beispiel-gmbh.de", review = 2027-03-31 },
] }
default = { name = "Internet {server}" }
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    path = tmp_path / "hamburg.toml"
    path.write_text(SITE, encoding="utf-8")
    return load_site(path)


def apply(running: Rehearsal, server: str) -> list[Record]:
    run = open_run(running.sites[0].path, server, running.runs, "", "apply")
    try:
        for step in ("confirm", "request", "install", "activate", "connectors", "verify"):
            run.step(step)
    except StepStopped:
        pass
    finally:
        run.close()
    return run.records


def test_the_users_servers_names_and_connectors_are_there_and_the_change_works(site: Site, tmp_path: Path) -> None:
    with rehearsal([site], tmp_path / "runs", edges=["gate7"]) as running:
        assert [text.split(":")[0] for text in running.assumed] == ["hamburg / GATE7", "hamburg / EX-01"]
        assert "an Edge Transport server" in running.assumed[0]
        assert "a Mailbox server" in running.assumed[1]
        for server in ("GATE7", "EX-01"):
            records = apply(running, server)
            assert statuses(records)[-1] == "verify: unchanged", records[-1].summary
        edge = running.lab.server("hamburg", "GATE7").snapshot()
        assert "mail.beispiel-gmbh.de" in str(edge["receive_connectors"]["GATE7\\Von draussen"]["Fqdn"])
        inside = running.lab.server("hamburg", "EX-01").snapshot()
        for name in ("Default Frontend EX-01", "Partner"):
            assert "mail2.beispiel-gmbh.de" in inside["receive_connectors"][f"EX-01\\{name}"]["TlsCertificateName"]
        assert {"TLS Pflicht EX-01", "Ohne TLS EX-01", "Internet EX-01"} <= set(inside["send_connectors"])
    assert not (tmp_path / "ca").exists(), "the user's outbox is never written to"


@pytest.mark.parametrize("version", ["2016", "15.2.1544.4"])
def test_the_version_is_the_one_that_is_asked_for(site: Site, tmp_path: Path, version: str) -> None:
    with rehearsal([site], tmp_path / "runs", version=version) as running:
        shown = running.lab.server("hamburg", "EX-01").snapshot()["version"]
        assert version in (shown, {"15.1": "2016"}.get(shown[:4], ""))
        assert version in running.assumed[1]


def test_what_cannot_be_built_is_told_before_anything_starts(site: Site, tmp_path: Path) -> None:
    for wrong, words in (
        ({"version": "2003"}, "2003"),
        ({"state": tmp_path / "nowhere"}, "no saved state of hamburg / GATE7"),
        ({"faults": ["smtp-clsed"]}, "smtp-clsed"),
    ):
        with pytest.raises(UsageError, match=words), rehearsal([site], tmp_path / "runs", **wrong):  # type: ignore[arg-type]
            pass
    assert not (tmp_path / "runs").exists()


def test_a_fault_can_be_rehearsed(site: Site, tmp_path: Path) -> None:
    with rehearsal([site], tmp_path / "runs", faults=["smtp-closed@EX-01"]) as running:
        records = apply(running, "EX-01")
        assert records[-1].status.value in ("failed", "blocked")
        assert all(record.rehearsal == str(site.path) for record in records)
