from __future__ import annotations

import pytest

from tests.evidence.record_samples import a_record
from tlsrunbook.evidence.record import Status
from tlsrunbook.evidence.rollup import change_row

ASKED = {
    "change": "c-1",
    "asked": "2026-11-24T12:00:00.000Z",
    "servers": ["EDGE1"],
    "who": {"user": "alice", "host": "ws1"},
}


@pytest.mark.parametrize(
    ("statuses", "attempts", "outcome"),
    [
        ([], 0, "nothing done"),
        ([], 1, "interrupted"),
        ([Status.CHANGED], 1, "changed"),
        ([Status.CHANGED], 2, "interrupted"),
        ([Status.FAILED, Status.CHANGED], 2, "changed"),
        ([Status.CHANGED, Status.UNKNOWN], 2, "unknown"),
    ],
)
def test_the_outcome_of_a_change_is_that_of_its_last_attempts(
    statuses: list[Status], attempts: int, outcome: str
) -> None:
    records = [a_record(status=status, server="EDGE1", step="request") for status in statuses]
    row = change_row(ASKED, records, attempts, [1, 3])
    assert row["outcome"] == outcome
    assert sum(row["attempts"].values()) == attempts, "no attempt is left out, failed ones least of all"
    assert (row["user"], row["host"], row["servers"], row["seals"]) == ("alice", "ws1", ["EDGE1"], [1, 3])


def test_a_change_that_was_applied_and_rolled_back_says_both() -> None:
    asked = {**ASKED, "mode": "plan"}
    planned = a_record(status=Status.PLANNED, server="EDGE1", step="install", mode="plan")
    assert change_row(asked, [planned], 1, [])["mode"] == "plan"
    done = [a_record(server=server, step="install") for server in ("EDGE1", "MBX1")]
    back = a_record(server="MBX1", step="rollback")
    tried = a_record(server="EDGE1", step="rollback", status=Status.BLOCKED)
    row = change_row(asked, [planned, *done, back, tried], 5, [])
    assert (row["mode"], row["outcome"], row["rolled_back"]) == ("apply", "blocked", ["MBX1"])
