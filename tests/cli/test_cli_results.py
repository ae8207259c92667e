"""The table of results, and how little of the records it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path

from rich.console import Console

from tests.support.change import Change
from tlsrunbook.console import as_shown, results
from tlsrunbook.evidence.record import Record, Status
from tlsrunbook.lab.exchange.keys import KeyRing
from tlsrunbook.lab.lab import Lab


def printed(records: Sequence[Record]) -> str:
    console = Console(file=StringIO(), width=200)
    results(console, records)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_what_is_kept_of_the_records_prints_the_same_table(tmp_path: Path) -> None:
    with Lab(servers=2, keys=KeyRing()) as lab:
        change = Change(lab, tmp_path)
        records = [one for server in ("EDGE1", "MBX1") for one in change.apply(server)]
    failed = replace(records[-1], status=Status.FAILED, todo="look at it")
    warned = replace(failed, findings=({"rule": "r", "severity": "warning", "message": "mind it"},))
    every = [*records, failed, warned]
    kept = [as_shown(record) for record in every]
    assert printed(kept) == printed(every)
    for shown in ("mx1.london.example.net", "look at it", "mind it", "SE Edge", "last step"):
        assert shown in printed(kept)
    assert sum(len(str(one.data())) for one in kept) < sum(len(str(one.data())) for one in every) / 3


def test_servers_of_one_name_at_two_sites_have_a_row_each(tmp_path: Path) -> None:
    with Lab(servers=1, keys=KeyRing()) as lab:
        (record,) = Change(lab, tmp_path).apply("EDGE1", "confirm")
    text = printed([record, replace(record, site="paris")])
    assert "london / EDGE1" in text
    assert "paris / EDGE1" in text
