"""A kernel that died without a record: the transcript tells what is certain."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from recorded import ABOUT, MARKER, Recorded, TwoItems, recorded

from tlsrunbook.evidence.data import readable_json
from tlsrunbook.evidence.layout import RECORD, TRANSCRIPT
from tlsrunbook.evidence.record import Record, Status
from tlsrunbook.exchange.command import Reply
from tlsrunbook.run.abandoned import abandoned_record, transcript_lines, uncertain
from tlsrunbook.run.batch import ServerJob

SENT = {"event": "sent", "changes": True}
READ = {"event": "sent", "changes": False}
ANSWERED = {"event": "answered", "outcome": "ok"}
LOST = {"event": "lost", "outcome": "unknown"}
NOT_SENT = {"event": "lost", "outcome": "error"}
NOTE = {"event": "state"}


@pytest.mark.parametrize(
    ("lines", "unsure"),
    [
        ([], False),
        ([NOTE], False),
        ([SENT], True),
        ([SENT, LOST], True),
        ([SENT, NOT_SENT], False),
        ([SENT, ANSWERED], False),
        ([SENT, {"event": "answered", "outcome": "error"}], False),
        ([SENT, ANSWERED, SENT], True),
        ([SENT, ANSWERED, NOTE, READ], False),
        ([READ], False),
        ([READ, ANSWERED, SENT, NOTE], True),
    ],
)
def test_uncertain_is_a_change_that_was_sent_and_not_answered(lines: list[dict[str, Any]], unsure: bool) -> None:
    assert uncertain(lines) is unsure


def job_of(world: Recorded, mode: str = "apply") -> ServerJob:
    return ServerJob(
        Path("london.toml"), "london", "EDGE1", (TwoItems(),), world.store, Path("runs"), world.change, mode, ABOUT
    )


class Died(BaseException):
    """Ends a kernel."""


@pytest.fixture
def died(tmp_path: Path) -> Any:
    """Give a run whose kernel died in this command, which is a run without its last lines and its record."""

    def make(**answers: Any) -> Recorded:
        world = recorded(tmp_path, **answers)
        with pytest.raises(Died):
            world.run()
        world.attempt.record_path.unlink()
        path = world.attempt.folder / TRANSCRIPT
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(line for line in lines if json.loads(line)["event"] != "ended"))
        return world

    return make


def test_reads_that_travelled_together_have_their_answers_in_order(tmp_path: Path) -> None:
    world = recorded(tmp_path)
    attempt = world.store.attempt(world.change, "EDGE1", "confirm", 1)
    at = {"at": "2026-11-24T00:00:00.000Z"}
    for name in ("Get-One", "Get-Two", "Get-Three"):
        attempt.append({**at, **READ, "text": name, "commands": [{"name": name}]}, durable=False)
    for outcome in ("ok", "error"):
        attempt.append({**at, "event": "answered", "outcome": outcome}, durable=False)
    record = abandoned_record(job_of(world), attempt, "the kernel died")
    assert record.status is Status.FAILED
    seen = [(command.text, command.outcome) for command in record.commands]
    assert seen == [("Get-One", "ok"), ("Get-Two", "error"), ("Get-Three", "unknown")]


def test_a_kernel_that_died_with_a_change_under_way_is_unknown(died: Any) -> None:
    world = died(**{"Set-A": Died()})
    record = abandoned_record(job_of(world), world.attempt, "the kernel died")
    assert record.status is Status.UNKNOWN
    assert record.summary == (
        "the step ended without a record (the kernel died); a change had been sent and was not answered"
    )
    assert record.todo == "run the step again: it looks at the server first"
    assert [(c.cmdlets, c.outcome) for c in record.commands if c.changes] == [(("Set-A",), "unknown")]
    assert record == world.on_disk()


def test_a_kernel_that_died_while_reading_is_failed(died: Any) -> None:
    world = died(**{"Get-SendConnector": Died()})
    record = abandoned_record(job_of(world), world.attempt, "")
    assert (record.status, record.summary) == (Status.FAILED, "the step ended without a record (no cell failed)")
    assert record.commands[-1].outcome == "unknown"


def test_what_was_answered_before_is_in_the_record(died: Any) -> None:
    world = died(**{"Set-B": Died()})
    record = abandoned_record(job_of(world), world.attempt, "x")
    assert [(c.cmdlets, c.outcome) for c in record.commands if c.changes] == [
        (("Set-A",), "ok"),
        (("Set-B",), "unknown"),
    ]
    assert (record.started, record.who, record.why) == ("2026-11-24T12:00:00.000Z", ABOUT.who, ABOUT.why)
    assert {RECORD, TRANSCRIPT, "before.json", "plan.json"} == set(record.files)
    assert MARKER not in world.everything().decode("utf-8")


def test_a_step_that_never_began_has_a_record_too(tmp_path: Path) -> None:
    world = recorded(tmp_path)
    attempt = world.store.attempt(world.change, "EDGE1", "activate", 4)
    record = abandoned_record(job_of(world, "plan"), attempt, "no notebook")
    assert (record.status, record.mode, record.commands) == (Status.FAILED, "plan", ())
    assert record.error is not None
    assert record.error["where"] == "london / EDGE1 / activate"
    assert datetime.fromisoformat(record.started).tzinfo == UTC


def test_a_record_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    world = recorded(tmp_path)
    first = world.run()
    with pytest.raises(Exception, match="never overwritten"):
        abandoned_record(job_of(world), world.attempt, "x")
    assert world.on_disk() == first


def cut(world: Recorded, end: int) -> list[dict[str, Any]]:
    path = world.attempt.folder / TRANSCRIPT
    path.write_bytes(path.read_bytes()[:end])
    return transcript_lines(world.attempt)


def test_a_transcript_cut_off_anywhere_is_read_up_to_its_last_whole_line(tmp_path: Path) -> None:
    world = recorded(tmp_path, **{"Set-A": Reply(warnings=("Grüße \u2028 und \x85 mehr 😀",))})
    world.run()
    whole = (world.attempt.folder / TRANSCRIPT).read_bytes()
    expected = world.transcript()
    assert transcript_lines(world.attempt) == expected
    for end in range(len(whole), len(whole) - 1500, -1):
        complete = whole[:end].count(b"\n") + (end < len(whole) and whole[end : end + 1] == b"\n")
        assert cut(world, end) == expected[:complete]


def test_a_line_separator_inside_a_text_does_not_hide_a_change_that_came_after_it(died: Any) -> None:
    world = died(**{"Set-A": Reply(warnings=("line\u2028line\x85line",)), "Set-B": Died()})
    record: Record = abandoned_record(job_of(world), world.attempt, "x")
    assert record.status is Status.UNKNOWN
    assert json.loads(readable_json(record.data())) == json.loads(world.attempt.record_path.read_bytes())


def test_an_attempt_without_a_transcript_has_no_lines(tmp_path: Path) -> None:
    world = recorded(tmp_path)
    assert transcript_lines(world.store.attempt(world.change, "EDGE1", "confirm", 1)) == []
