"""Evidence on disk: written once, whole or not at all, numbered without gaps or doubles, and read back truthfully."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tlsrunbook.adapters.attempt_folder import AttemptFolder
from tlsrunbook.adapters.store import RunStore
from tlsrunbook.errors import EvidenceError, UsageError
from tlsrunbook.evidence.data import readable_json
from tlsrunbook.evidence.layout import BEFORE, CHANGE, RECORD
from tlsrunbook.evidence.record import Record, Status

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs", "london")


def change_for(store: RunStore, *servers: str, at: datetime = AT) -> str:
    return store.new_change(at, {"servers": list(servers), "ticket": "T-1"})


def record_in(
    store: RunStore, change: str, step: str, status: Status, mode: str = "apply", server: str = "EDGE1"
) -> AttemptFolder:
    attempt = store.attempt(change, server, step, 1)
    record = Record("london", server, step, change, attempt.number, mode, status, "s", "", "2026", "2026", {}, {}, {})
    attempt.write(RECORD, readable_json(record.data()))
    return attempt


def test_an_attempts_file_may_be_kept_twice_with_the_same_content_only(store: RunStore) -> None:
    attempt = store.attempt(change_for(store, "EDGE1"), "EDGE1", "request", 2)
    attempt.write("request.csr", b"a")
    attempt.write("request.csr", b"a")
    with pytest.raises(EvidenceError):
        attempt.write("request.csr", b"b")
    assert attempt.files == ("request.csr",)


def test_attempts_are_numbered_from_one_and_lie_where_the_design_says(store: RunStore) -> None:
    change = change_for(store, "EDGE1")
    made = [store.attempt(change, "EDGE1", "request", 2) for _ in range(3)]
    assert [attempt.number for attempt in made] == [1, 2, 3]
    assert made[2].folder == store.folder / change / "EDGE1" / "2-request" / "attempt-3"
    assert made[2].record_path == made[2].folder / RECORD


def test_attempts_made_at_once_get_different_folders(store: RunStore) -> None:
    change = change_for(store, "EDGE1")
    gate = threading.Barrier(8)

    def make(_: int) -> AttemptFolder:
        gate.wait()
        return store.attempt(change, "EDGE1", "activate", 4)

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(make, range(8)))
    assert sorted(attempt.number for attempt in made) == list(range(1, 9))
    assert len({attempt.folder for attempt in made}) == 8


def test_attempts_are_listed_by_server_step_and_number_tenth_after_ninth(store: RunStore) -> None:
    change = change_for(store, "EDGE1", "MBX1")
    for _ in range(11):
        store.attempt(change, "EDGE1", "request", 2)
    store.attempt(change, "EDGE1", "confirm", 1)
    store.attempt(change, "MBX1", "send-connectors", 5)
    (store.folder / change / "EDGE1" / ".2-request.ipynb").write_text("{}")
    listed = [(attempt.server, attempt.step, attempt.number) for attempt in store.attempts(change)]
    assert listed == [
        ("EDGE1", "confirm", 1),
        *(("EDGE1", "request", number) for number in range(1, 12)),
        ("MBX1", "send-connectors", 1),
    ]
    assert {attempt.server for attempt in store.attempts(change, "MBX1")} == {"MBX1"}


def test_a_change_says_what_was_asked(store: RunStore) -> None:
    change = change_for(store, "EDGE1")
    assert change.startswith("20261124-120000-")
    assert store.asked(change) == {
        "change": change, "asked": "2026-11-24T12:00:00.000Z", "servers": ["EDGE1"], "ticket": "T-1"}  # fmt: skip


@pytest.mark.parametrize("change", ["", "20200101-000000-aaaa", "..", "../london"])
def test_a_change_that_is_not_there_is_refused_with_those_that_are(store: RunStore, change: str) -> None:
    known = change_for(store, "EDGE1")
    with pytest.raises(UsageError) as caught:
        store.asked(change)
    assert known in caught.value.todo
    with pytest.raises(UsageError):
        store.attempt(change, "EDGE1", "confirm", 1)


def test_a_spoiled_change_file_is_named(store: RunStore) -> None:
    change = change_for(store, "EDGE1")
    path = store.folder / change / CHANGE
    for spoiled in (b"{", b"[1", b"7", b"\xff"):
        path.write_bytes(spoiled)
        with pytest.raises(EvidenceError) as caught:
            store.asked(change)
        assert caught.value.where == str(path)


def test_changes_come_oldest_first_and_half_made_ones_do_not_count(store: RunStore) -> None:
    assert store.changes() == ()
    made = [change_for(store, "EDGE1", at=AT + timedelta(seconds=n)) for n in (2, 0, 1)]
    (store.folder / "20990101-000000-dead").mkdir()
    assert store.changes() == tuple(made), "also where a clock was put back in between"


OPEN: list[tuple[str, list[tuple[str, Status, str]], bool]] = [
    ("nothing was run", [], True),
    ("only planned", [("verify", Status.UNCHANGED, "plan")], True),
    ("verified", [("verify", Status.UNCHANGED, "apply")], False),
    ("verified and planned since", [("verify", Status.UNCHANGED, "apply"), ("verify", Status.PLANNED, "plan")], False),
    ("verification failed", [("verify", Status.FAILED, "apply")], True),
    ("failed after it was good", [("verify", Status.UNCHANGED, "apply"), ("verify", Status.FAILED, "apply")], True),
    ("good after it failed", [("verify", Status.FAILED, "apply"), ("verify", Status.UNCHANGED, "apply")], False),
    ("waits for the CA", [("request", Status.WAITING, "apply")], True),
    ("unknown", [("activate", Status.UNKNOWN, "apply")], True),
]


@pytest.mark.parametrize(("name", "records", "is_open"), OPEN, ids=[case[0] for case in OPEN])
def test_open_change(store: RunStore, name: str, records: list[tuple[str, Status, str]], is_open: bool) -> None:
    change = change_for(store, "EDGE1")
    for step, status, mode in records:
        record_in(store, change, step, status, mode)
    assert store.open_change("EDGE1") == (change if is_open else ""), name


def test_an_open_change_is_the_newest_of_this_server_and_no_others(store: RunStore) -> None:
    assert store.open_change("EDGE1") == ""
    change_for(store, "EDGE1", at=AT)
    newer = change_for(store, "EDGE1", "MBX1", at=AT + timedelta(hours=1))
    newest = change_for(store, "MBX1", at=AT + timedelta(hours=2))
    assert (store.open_change("EDGE1"), store.open_change("MBX1"), store.open_change("MBX2")) == (newer, newest, "")
    record_in(store, newer, "verify", Status.UNCHANGED)
    # An older change that was given up is not gone back to.
    assert store.open_change("EDGE1") == ""
    record_in(store, newer, "verify", Status.UNCHANGED, server="MBX1")
    assert store.open_change("MBX1") == newest


def test_the_last_record_counts_and_one_that_applied_goes_before_one_that_planned(store: RunStore) -> None:
    change = change_for(store, "EDGE1")
    for status, mode in (
        (Status.FAILED, "apply"),
        (Status.CHANGED, "apply"),
        (Status.PLANNED, "plan"),
    ):
        record_in(store, change, "activate", status, mode)
    record_in(store, change, "connectors", Status.PLANNED, "plan")
    record_in(store, change, "connectors", Status.BLOCKED, "plan")
    store.attempt(change, "EDGE1", "verify", 1)
    latest = store.latest(change, "EDGE1")
    assert {step: record.status for step, record in latest.items()} == {
        "activate": Status.CHANGED,
        "connectors": Status.BLOCKED,
    }


def test_an_attempt_without_a_record_has_none(store: RunStore) -> None:
    attempt = store.attempt(change_for(store, "EDGE1"), "EDGE1", "confirm", 1)
    assert store.record(attempt) is None
    assert store.records(attempt.change) == ()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'"text"', b"\xff\xfe", b'{"schema": "tlsrunbook.record/2"}', b"{}"]
)
def test_a_record_that_cannot_be_read_is_an_error_and_not_none(store: RunStore, content: bytes) -> None:
    attempt = store.attempt(change_for(store, "EDGE1"), "EDGE1", "confirm", 1)
    attempt.write(RECORD, content)
    with pytest.raises(EvidenceError) as caught:
        store.record(attempt)
    assert caught.value.where == str(attempt.record_path)


def test_first_before_is_the_earliest_state_of_this_server_in_this_change(store: RunStore) -> None:
    change, other = change_for(store, "EDGE1"), change_for(store, "EDGE1", at=AT + timedelta(hours=1))
    assert store.first_before(change, "EDGE1") is None

    def before(change: str, server: str, step: str, at: str) -> None:
        store.attempt(change, server, step, 4).write(BEFORE, readable_json({"at": at, "state": {"step": step}}))

    before(change, "EDGE1", "install", "2026-11-24T12:00:09.000Z")
    before(change, "EDGE1", "activate", "2026-11-24T12:00:05.000Z")
    before(change, "MBX1", "confirm", "2026-11-24T12:00:01.000Z")
    before(other, "EDGE1", "confirm", "2026-11-24T12:00:02.000Z")
    first = store.first_before(change, "EDGE1")
    assert first is not None
    assert first["state"] == {"step": "activate"}


def test_a_torn_state_does_not_hide_the_others(store: RunStore) -> None:
    change = change_for(store, "EDGE1")
    store.attempt(change, "EDGE1", "confirm", 1).write(BEFORE, b'{"at": "2026-01-01"')
    store.attempt(change, "EDGE1", "confirm", 1).write(BEFORE, readable_json({"at": "2026-02-02", "state": {}}))
    first = store.first_before(change, "EDGE1")
    assert first is not None
    assert first["at"] == "2026-02-02"
