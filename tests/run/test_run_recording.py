"""The record is written in every case, and before a command is sent the disk says so."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from recorded import ABOUT, MARKER, TwoItems, recorded
from shell_answers import failed
from worlds import DEFAULT, ScriptedShell, make_context, make_state

from tlsrunbook.errors import ConnectionFailed, DecodeError, EvidenceError, OutcomeUnknown, SessionLost
from tlsrunbook.evidence.data import digest
from tlsrunbook.evidence.layout import AFTER, BEFORE, PLAN, RECORD, TRANSCRIPT
from tlsrunbook.evidence.record import Status
from tlsrunbook.exchange.command import Pipeline, RemoteFault, Reply
from tlsrunbook.run.recording import record_step
from tlsrunbook.steps.model import Decision, Seen, Wanted


def test_a_step_that_went_well_leaves_all_its_files(tmp_path: Path) -> None:
    world = recorded(tmp_path)
    record = world.run()
    assert record.status is Status.CHANGED
    assert record == world.on_disk()
    assert set(record.files) == {BEFORE, PLAN, AFTER, RECORD, TRANSCRIPT} == set(world.attempt.files)
    assert (record.who, record.why, record.tool) == (ABOUT.who, ABOUT.why, ABOUT.tool)
    assert (record.attempt, record.mode, record.step, record.facts) == (1, "apply", "activate", {"look": 1})
    assert record.server_facts == {
        "name": "EDGE1", "fqdn": "edge1.corp.local", "version": "15.2.2562.17", "product": "SE", "role": "Edge",
        "powershell": "5.1.17763.1"}  # fmt: skip


def test_the_plan_on_disk_is_the_one_in_the_record_and_has_its_digest(tmp_path: Path) -> None:
    world = recorded(tmp_path)
    record = world.run()
    plan = json.loads((world.attempt.folder / PLAN).read_bytes())
    assert plan.pop("digest") == record.plan_digest == digest(plan) == digest(record.plan)


def test_every_command_is_in_the_record_in_order_with_what_came_back(tmp_path: Path) -> None:
    answer = Reply(warnings=("careful",), errors=(RemoteFault("not like this"),))
    world = recorded(tmp_path, **{"Set-B": answer})
    record = world.run()
    assert record.status is Status.FAILED
    changing = [(c.cmdlets, c.outcome, c.messages) for c in record.commands if c.changes]
    assert changing == [(("Set-A",), "ok", ()), (("Set-B",), "error", ("not like this", "careful"))]
    assert len(record.commands) == len(world.shell.sent)
    assert record.error is not None
    assert (record.error["code"], record.error["where"]) == ("command-failed", "Set-B")


def test_the_transcript_tells_the_whole_story_in_order(tmp_path: Path) -> None:
    world = recorded(tmp_path)
    world.run()
    lines = world.transcript()
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    events = [line["event"] for line in lines]
    assert (events[0], events[1], events[-1]) == ("started", "opened", "ended")
    assert events.count("sent") == events.count("answered") == len(world.shell.sent)
    states = [line for line in lines if line["event"] == "state"]
    assert [line["file"] for line in states] == [BEFORE, AFTER]
    for line in states:
        content = (world.attempt.folder / line["file"]).read_bytes()
        assert line["sha256"] == hashlib.sha256(content).hexdigest()


def test_sent_is_on_disk_before_the_shell_is_called_and_so_are_state_and_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, bool, bool]] = []
    synced: list[bytes] = []

    def look(shell: ScriptedShell, pipeline: Pipeline) -> Reply:
        last = world.transcript()[-1]
        assert synced, "nothing was synced to disk"
        on_disk = synced[-1].endswith(json.dumps(last, ensure_ascii=False).encode() + b"\n")
        seen.append((last["event"], last["text"].startswith(pipeline[0].name), on_disk))
        assert {BEFORE, PLAN} <= set(world.attempt.files)
        return Reply()

    def fsync(fd: int) -> None:
        path = world.attempt.folder / TRANSCRIPT
        synced.append(path.read_bytes() if path.exists() else b"")

    world = recorded(tmp_path, **{"Set-A": look, "Set-B": look})
    monkeypatch.setattr(os, "fsync", fsync)
    world.run()
    assert seen == [("sent", True, True)] * 2


def test_no_secret_reaches_the_disk(tmp_path: Path) -> None:
    world = recorded(tmp_path)
    record = world.run()
    assert MARKER not in world.everything().decode("utf-8")
    assert MARKER not in repr(record)
    assert any("Read-Host -AsSecureString" in command.text for command in record.commands)


@pytest.mark.parametrize("bug", [KeyboardInterrupt(), ZeroDivisionError("a bug"), SystemExit(1), MemoryError()])
def test_a_record_is_written_whatever_ends_the_step_and_the_exception_goes_on(
    tmp_path: Path, bug: BaseException
) -> None:
    world = recorded(tmp_path, **{"Set-B": bug})
    with pytest.raises(type(bug)):
        world.run()
    record = world.on_disk()
    assert record is not None
    # It came while Set-B was under way, and nobody knows how far that got.
    assert record.status is Status.UNKNOWN
    assert record.summary == f"the step was ended by {type(bug).__name__} while a change was under way"
    assert [c.outcome for c in record.commands if c.changes] == ["ok", "unknown"]
    assert RECORD in record.files
    assert world.transcript()[-1]["event"] == "ended"


@pytest.mark.parametrize("bug", [KeyboardInterrupt(), ZeroDivisionError("a bug")])
def test_an_interruption_while_reading_is_failed_and_nothing_is_uncertain(tmp_path: Path, bug: BaseException) -> None:
    world = recorded(tmp_path, **{"Get-SendConnector": bug})
    with pytest.raises(type(bug)):
        world.run()
    record = world.on_disk()
    assert record is not None
    assert (record.status, record.summary) == (Status.FAILED, f"the step was ended by {type(bug).__name__}")


def test_a_bug_in_a_decision_leaves_a_record_too(tmp_path: Path) -> None:
    class Broken(TwoItems):
        def decide(self, wanted: Wanted, seen: Seen) -> Decision:
            raise ZeroDivisionError

    world = recorded(tmp_path)
    with pytest.raises(ZeroDivisionError):
        world.run(Broken())
    record = world.on_disk()
    assert record is not None
    assert (record.status, world.shell.changing) == (Status.FAILED, [])


def test_an_unknown_outcome_is_recorded_as_such_with_what_was_sent(tmp_path: Path) -> None:
    world = recorded(tmp_path, **{"Set-A": OutcomeUnknown("gone", where="EDGE1", todo="look first")})
    record = world.run()
    assert (record.status, record.todo) == (Status.UNKNOWN, "look first")
    assert [c.outcome for c in record.commands if c.changes] == ["unknown"]
    lost = world.transcript()[-2]
    assert (lost["event"], lost["outcome"], lost["error"]) == ("lost", "unknown", "outcome-unknown")


def test_a_change_whose_answer_is_not_understood_is_unknown(tmp_path: Path) -> None:
    record = recorded(tmp_path, **{"Set-A": DecodeError("an answer frame has no id")}).run()
    assert record.status is Status.UNKNOWN
    assert "an answer frame has no id" in record.summary
    assert [c.outcome for c in record.commands if c.changes] == ["unknown"]


@pytest.mark.parametrize("kind", [SessionLost, ConnectionFailed])
def test_a_change_that_could_not_be_sent_is_failed_and_not_uncertain(tmp_path: Path, kind: Any) -> None:
    world = recorded(tmp_path, **{"Set-B": kind("ended before it could be sent, so nothing was changed")})
    record = world.run()
    assert record.status is Status.FAILED
    assert [c.outcome for c in record.commands if c.changes] == ["ok", "error"]


def test_a_read_that_was_lost_is_failed(tmp_path: Path) -> None:
    record = recorded(tmp_path, **{"Get-SendConnector": SessionLost("gone")}).run()
    assert (record.status, record.plan, record.findings) == (Status.FAILED, {"items": [], "waiting_for": ""}, ())
    assert record.server_facts == {}


def test_a_server_that_cannot_be_reached_leaves_a_record(tmp_path: Path) -> None:
    world = recorded(tmp_path, open=ConnectionFailed("refused", where="london / EDGE1"))
    record = world.run()
    assert (record.status, record.commands) == (Status.FAILED, ())
    assert record.error is not None
    assert record.error["code"] == "unreachable"


def test_an_error_of_a_read_is_in_the_record_with_its_category(tmp_path: Path) -> None:
    record = recorded(tmp_path, **{"Get-SendConnector": failed("couldn't be found")}).run()
    assert record.error is not None
    assert record.error["category"] == "InvalidArgument: (:)"
    assert record.error["error_id"] == "ABCD1234"


def test_half_a_surrogate_pair_in_an_answer_does_not_cost_the_record(tmp_path: Path) -> None:
    world = recorded(tmp_path, **{"Set-A": Reply(warnings=("cut in the middle of \ud83d",))})
    assert world.run().status is Status.CHANGED
    assert world.on_disk() is not None


def test_an_answer_that_the_disk_refuses_does_not_turn_into_an_unknown_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change was answered; that the evidence could not be written is another problem."""
    full = False

    def answer(shell: ScriptedShell, pipeline: Pipeline) -> Reply:
        nonlocal full
        full = True
        return Reply()

    def fsync(_: int) -> None:
        nonlocal full
        if full:
            full = False
            raise OSError(errno.ENOSPC, "No space left on device")

    world = recorded(tmp_path, **{"Set-A": answer})
    monkeypatch.setattr(os, "fsync", fsync)
    record = world.run()
    assert (record.status, world.shell.changing) == (Status.FAILED, ["Set-A"])
    assert "No space left on device" in record.summary
    assert [c.outcome for c in record.commands if c.changes] == ["ok"]


def test_a_plan_that_cannot_be_written_sends_nothing_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = recorded(tmp_path)
    write = type(world.store.attempt(world.change, "EDGE1", "activate", 4)).write

    def refuse(self: Any, name: str, content: bytes) -> None:
        if name == PLAN:
            raise EvidenceError("no space left on device")
        write(self, name, content)

    monkeypatch.setattr("tlsrunbook.adapters.store.AttemptFolder.write", refuse)
    with pytest.raises(EvidenceError):
        world.run()
    record = world.on_disk()
    assert record is not None
    assert (record.status, world.shell.changing) == (Status.FAILED, [])
    assert "no space left on device" in record.summary


def test_planning_writes_state_and_record_and_no_plan_file(tmp_path: Path) -> None:
    world = recorded(tmp_path)
    record = world.run(mode="plan")
    assert (record.status, world.shell.changing) == (Status.PLANNED, [])
    assert set(record.files) == {BEFORE, RECORD, TRANSCRIPT}
    assert len(record.plan["items"]) == 2


def test_a_second_try_is_the_second_attempt_and_leaves_the_first_alone(tmp_path: Path) -> None:
    world = recorded(tmp_path)
    first = world.run()
    before = world.attempt.record_path.read_bytes()
    second = world.run()
    assert (first.attempt, second.attempt) == (1, 2)
    assert next(world.store.attempts(world.change)).record_path.read_bytes() == before


def test_the_default_certificate_is_remembered_as_this_change_first_saw_it(tmp_path: Path) -> None:
    remembered: list[str] = []

    class Remembers(TwoItems):
        def observe(self, context: Any) -> Seen:
            remembered.append(context.workspace.remembered_default())
            return super().observe(context)

    world = recorded(tmp_path)
    world.run(Remembers(), mode="plan")
    world.shell.state = make_state(internal_transport_thumbprint="A" * 40)
    world.run(Remembers(), mode="plan")
    assert remembered == ["", DEFAULT]


def test_the_shell_is_left_open_for_the_next_step(tmp_path: Path) -> None:
    world = recorded(tmp_path)
    record_step(TwoItems(), make_context(world.shell), world.store, world.change, ABOUT)
    assert world.shell.closed == 0
