"""Going back on every generation of Exchange, for a subscribed Edge, and where a key is shared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.change import Change, statuses
from tlsrunbook.evidence.record import Record, Status
from tlsrunbook.lab.lab import Lab
from tlsrunbook.wiring import open_recorded


def go_back(change: Change, server: str, change_id: str) -> Record:
    run = open_recorded(change.site_file, server, change.runs, change_id, "apply")
    try:
        run.rollback()
    finally:
        run.close()
    return run.records[-1]


def not_undone(record: Record) -> list[str]:
    return [f["message"] for f in record.findings if f["message"].startswith("not undone: ")]


@pytest.mark.parametrize("version", ["2007", "2010", "2016"])
def test_after_going_back_every_server_is_as_it_was(make_lab: Callable[..., Lab], tmp_path: Path, version: str) -> None:
    change = Change(make_lab(version=version), tmp_path)
    before: dict[str, Any] = change.snapshots()
    for server in ("EDGE1", "MBX1"):
        records = change.apply(server)
        assert statuses(records)[-1] == "verify: unchanged"
        record = go_back(change, server, records[0].change)
        assert record.status is Status.CHANGED
        assert [text.split(":")[1].strip() for text in not_undone(record)] == ["the CSR that was handed over"]
    assert change.snapshots() == before


def test_a_subscribed_edge_goes_back_when_its_mailbox_server_has(tmp_path: Path) -> None:
    with Lab(subscribed=True) as lab:
        change = Change(lab, tmp_path)
        before = change.snapshots()
        ids = {server: change.apply(server, "confirm", "request", "install", "activate")[0].change for server in before}
        for server in ("MBX1", "EDGE1"):
            assert statuses(change.apply(server, "connectors", "verify", change=ids[server]))[-1] == "verify: unchanged"
        assert go_back(change, "MBX1", ids["MBX1"]).status is Status.CHANGED
        start = {"name": "Start-EdgeSynchronization", "parameters": []}
        assert not lab.server(change.site, "MBX1").execute([start], [])["errors"], "as it does by itself in minutes"
        assert go_back(change, "EDGE1", ids["EDGE1"]).status is Status.CHANGED
        assert change.snapshots() == before


def test_a_shared_key_stays_where_the_other_servers_connectors_name_it_and_that_is_said(
    make_lab: Callable[..., Lab], tmp_path: Path
) -> None:
    change = Change(make_lab(servers=4), tmp_path)
    shared = r'\1share_from = "MBX1"\nfqdn = "mx2.london.example.net"'
    change.edit(r'(?s)(name = "MBX2".*?)fqdn = "[^"]*"', shared)
    change.edit("exportable = false", "exportable = true")
    change.apply("MBX1")
    before = change.snapshots()
    records = change.apply("MBX2")
    thumbprint = records[2].facts["thumbprint"]
    for status in (Status.CHANGED, Status.UNCHANGED):
        record = go_back(change, "MBX2", records[0].change)
        assert record.status is status
        certificate, intermediate = not_undone(record)
        assert certificate.startswith(f"not undone: certificate {thumbprint}: ")
        assert "Internet MBX1" in certificate
        assert "intermediate certificate" in intermediate
    after = change.snapshots()
    assert after["MBX2"]["certificates"].pop(thumbprint)
    after["MBX2"]["intermediates"] = before["MBX2"]["intermediates"]
    assert after == before
