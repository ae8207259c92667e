"""Where the work stands, from the records alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from record_samples import a_record

from tlsrunbook.evidence.record import Record, Status
from tlsrunbook.evidence.standing import State, standing

ORDER = ("confirm", "request", "install")


def record(step: str, status: Status, mode: str = "apply") -> Record:
    return a_record(status=status, step=step, mode=mode, summary=f"{step} told so")


def states(*records: Record, unfinished: dict[str, State] | None = None) -> list[str]:
    return [row.state.value for row in standing(ORDER, {one.step: one for one in records}, unfinished)]


def test_at_first_only_the_first_step_may_begin() -> None:
    rows = standing(ORDER, {})
    assert [row.state for row in rows] == [State.READY, State.LOCKED, State.LOCKED]
    assert [row.because for row in rows] == ["", "confirm is not done", "confirm is not done"]
    assert [row.open for row in rows] == [True, False, False]


@pytest.mark.parametrize("status", [Status.CHANGED, Status.UNCHANGED, Status.SKIPPED])
def test_an_applied_step_opens_the_next(status: Status) -> None:
    assert states(record("confirm", status)) == ["done", "ready", "locked"]


@pytest.mark.parametrize("status", [Status.UNCHANGED, Status.SKIPPED])
def test_a_look_alone_does_nothing(status: Status) -> None:
    assert states(record("confirm", status, "plan")) == ["ready", "locked", "locked"]


def test_a_plan_is_shown_as_one() -> None:
    assert states(record("confirm", Status.PLANNED, "plan")) == ["planned", "locked", "locked"]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (Status.WAITING, "waiting"),
        (Status.BLOCKED, "blocked"),
        (Status.FAILED, "failed"),
        (Status.UNKNOWN, "unknown"),
    ],
)
def test_what_stopped_a_step_is_told_and_locks_the_next(status: Status, state: str) -> None:
    done, stopped = record("confirm", Status.UNCHANGED), record("request", status)
    assert states(done, stopped) == ["done", state, "locked"]
    rows = standing(ORDER, {"confirm": done, "request": stopped})
    assert (rows[1].because, rows[1].open) == ("request told so", True)
    assert rows[2].because == "request is not done"


def test_a_step_that_was_broken_off_is_looked_at_first() -> None:
    done = record("confirm", Status.UNCHANGED)
    assert states(done, unfinished={"request": State.UNKNOWN}) == ["done", "unknown", "locked"]
    assert states(done, record("request", Status.CHANGED), unfinished={"request": State.FAILED})[1] == "failed"


def test_a_later_step_that_was_done_stays_so() -> None:
    assert states(record("confirm", Status.FAILED), record("install", Status.CHANGED)) == ["failed", "locked", "done"]


HOW = st.tuples(st.sampled_from(Status), st.sampled_from(("plan", "apply")))


@given(st.dictionaries(st.sampled_from(ORDER), HOW))
def test_exactly_one_step_may_be_run_unless_all_are_done(found: dict[str, tuple[Status, str]]) -> None:
    rows = standing(ORDER, {step: record(step, *how) for step, how in found.items()})
    done = [row.state is State.DONE for row in rows]
    assert sum(row.open for row in rows) == (0 if all(done) else 1)
    assert all(
        row.record and row.record.mode == "apply" and row.record.status.done for row in rows if row.state is State.DONE
    )
