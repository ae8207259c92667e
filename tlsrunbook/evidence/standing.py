"""Where the work on a server stands, from its records alone: what is done, what may begin, what stops it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tlsrunbook.evidence.record import Record, Status


class State(StrEnum):
    """Where a step stands."""

    DONE = "done"
    READY = "ready"
    PLANNED = "planned"
    LOCKED = "locked"
    WAITING = "waiting"
    BLOCKED = "blocked"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class StepStanding:
    """Where one step stands.

    Args:
        step: Step id.
        record: The record that says so; None when there is none yet.
        because: What has to be done first, or what ended it; empty when the state says all.
    """

    step: str
    state: State
    record: Record | None
    because: str = ""

    @property
    def open(self) -> bool:
        """Whether the step may be run now: it is not done, and nothing has to be done first."""
        return self.state not in (State.DONE, State.LOCKED)


_STOPPED = {
    Status.WAITING: State.WAITING,
    Status.BLOCKED: State.BLOCKED,
    Status.FAILED: State.FAILED,
    Status.UNKNOWN: State.UNKNOWN,
}


def standing(
    order: Sequence[str], latest: Mapping[str, Record], unfinished: Mapping[str, State] | None = None
) -> tuple[StepStanding, ...]:
    """Say where each step of a change stands on one server.

    Only an applied step is done; ``planned`` is ready and has been looked at. A step is locked until all before it are
    done, whatever became of it earlier.

    Args:
        order: Step ids in the runbook's order.
        latest: The last record of each step, as :meth:`tlsrunbook.ports.EvidenceStore.latest` gives them.
        unfinished: State by step of an attempt newer than its record that left none: ``failed``, or ``unknown`` where
            a change was sent and not answered.
    """
    rows: list[StepStanding] = []
    missing = ""
    for step in order:
        row = _one(step, latest.get(step), (unfinished or {}).get(step))
        if missing and row.state is not State.DONE:
            row = StepStanding(step, State.LOCKED, row.record, f"{missing} is not done")
        rows.append(row)
        missing = missing or ("" if row.state is State.DONE else step)
    return tuple(rows)


def _one(step: str, record: Record | None, unfinished: State | None) -> StepStanding:
    if unfinished:
        return StepStanding(step, unfinished, record, "it was broken off and left no record; the next run looks first")
    if record is None:
        return StepStanding(step, State.READY, None)
    if record.status in _STOPPED:
        return StepStanding(step, _STOPPED[record.status], record, record.summary)
    if record.mode == "apply" and record.status.done:
        return StepStanding(step, State.DONE, record)
    return StepStanding(step, State.PLANNED if record.status is Status.PLANNED else State.READY, record)
