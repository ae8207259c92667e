"""Two never work on one server at once, and what was broken off is on record before anything new begins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from recorded import ABOUT, TwoItems, recorded
from worlds import make_context, make_wanted

from tests.support.change import Change
from tlsrunbook import open_run
from tlsrunbook.errors import LeaseHeld, LeaseLost
from tlsrunbook.evidence.record import Status
from tlsrunbook.evidence.standing import State
from tlsrunbook.run.abandoned import broken_off, reconcile
from tlsrunbook.run.recording import record_step

BEN = {"user": "ben", "host": "admin2", "process": "1"}


class Lost:
    """A lease that is lost after so many looks."""

    token = "0"
    taken_over: dict[str, str]

    def __init__(self, looks: int, **taken_over: str) -> None:
        self.looks, self.taken_over = looks, taken_over

    def check(self) -> None:
        self.looks -= 1
        if self.looks < 0:
            raise LeaseLost("this server was taken over by ben on admin2; nothing more is sent")

    def release(self) -> None:
        raise AssertionError


def run(tmp_path: Path, lease: Lost) -> tuple[Any, Any]:
    world = recorded(tmp_path)
    context = make_context(world.shell, make_wanted("apply"))
    record, _ = record_step(TwoItems(), context, world.store, world.change, ABOUT, lease)
    return world, record


def test_nothing_that_changes_is_sent_once_the_lease_is_lost(tmp_path: Path) -> None:
    world, record = run(tmp_path, Lost(1))
    assert (record.status, record.error["code"]) == (Status.FAILED, "lease-lost")
    assert [command.cmdlets for command in record.commands if command.changes] == [("Set-A",)]
    assert [line["text"].split()[0] for line in world.transcript() if line["event"] == "sent" and line["changes"]] == [
        "Set-A"
    ]


def test_a_lease_that_was_taken_over_stands_in_transcript_and_record(tmp_path: Path) -> None:
    world, record = run(tmp_path, Lost(99, **BEN))
    assert record.lease == {"taken_over_from": BEN}
    assert world.on_disk() == record
    (line,) = [line for line in world.transcript() if line["event"] == "lease"]
    assert line["taken_over_from"] == BEN


def test_a_notebook_leaves_a_server_alone_on_which_somebody_works(change_on: Any) -> None:
    change: Change = change_on(servers=1)
    server = "EDGE1"
    lease = change.store.lease(server, BEN, "JupyterLab")
    with pytest.raises(LeaseHeld, match="ben works on this server"):
        change.apply(server, "confirm")
    assert not list(change.store.attempts(change.store.changes()[-1], server))
    lease.release()
    assert [record.status.value for record in change.apply(server, "confirm")] == ["unchanged"]
    assert change.store.lease_holder(server) == {}


def test_a_run_holds_the_server_from_its_first_step_to_its_end(change_on: Any) -> None:
    change: Change = change_on(servers=1)
    run = open_run(change.site_file, "EDGE1", change.runs, mode="apply")
    assert change.store.lease_holder("EDGE1") == {}
    run.step("confirm")
    assert change.store.lease_holder("EDGE1")["what"] == "notebook"
    run.close()
    assert change.store.lease_holder("EDGE1") == {}


def test_a_step_that_stops_lets_others_work(change_on: Any) -> None:
    change: Change = change_on(servers=1, authority="folder")
    assert change.apply("EDGE1", "confirm", "request", "install")[-1].status is Status.WAITING
    assert change.store.lease_holder("EDGE1") == {}


def test_a_kernel_works_under_the_lease_of_the_runner_that_started_it(
    change_on: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    change: Change = change_on(servers=1)
    lease = change.store.lease("EDGE1", BEN, "run")
    monkeypatch.setenv("TLSRUNBOOK_LEASE", lease.token)
    assert change.apply("EDGE1", "confirm")[-1].status is Status.UNCHANGED
    lease.check()
    lease.release()
    assert change.apply("EDGE1", "confirm")[-1].status is Status.UNCHANGED  # it reads, and changes nothing


def test_what_was_broken_off_gets_its_record_from_its_own_transcript(tmp_path: Path) -> None:
    world = recorded(tmp_path)
    world.run()
    path = world.attempt.folder / "transcript.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    sent = next(at for at, line in enumerate(lines) if line["event"] == "sent" and line["changes"])
    lines[0] |= {"who": BEN}
    path.write_text("".join(json.dumps(line) + "\n" for line in lines[: sent + 1]))
    world.attempt.record_path.unlink()
    assert broken_off(world.store, world.change, "EDGE1") == {"activate": State.UNKNOWN}

    (record,) = reconcile(world.store, world.change, "EDGE1", ABOUT)
    assert (record.status, record.mode, record.who) == (Status.UNKNOWN, "apply", BEN)
    assert "a change had been sent and was not answered" in record.summary
    assert world.on_disk() == record
    assert broken_off(world.store, world.change, "EDGE1") == {}
    assert reconcile(world.store, world.change, "EDGE1", ABOUT) == ()


def test_an_attempt_of_which_nothing_is_known_gets_a_record_too(tmp_path: Path) -> None:
    world = recorded(tmp_path)
    world.store.attempt(world.change, "EDGE1", "confirm", 1)
    assert broken_off(world.store, world.change, "EDGE1") == {"confirm": State.FAILED}
    (record,) = reconcile(world.store, world.change, "EDGE1", ABOUT)
    assert (record.step, record.status, record.who) == ("confirm", Status.FAILED, ABOUT.who)


def test_a_cell_that_is_run_again_opens_the_server_anew(change_on: Any) -> None:
    change: Change = change_on(servers=1)
    first = open_run(change.site_file, "EDGE1", change.runs, mode="apply")
    first.step("confirm")
    second = open_run(change.site_file, "EDGE1", change.runs, mode="apply")
    second.step("confirm")
    second.close()
    assert change.store.lease_holder("EDGE1") == {}
    first.step("confirm")  # takes it again
    assert change.store.lease_holder("EDGE1")["what"] == "notebook"
    first.close()
    assert change.store.lease_holder("EDGE1") == {}
