"""Where servers stand now: their records, who works on them, and which steps have begun and not ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tlsrunbook.evidence.record import Record
from tlsrunbook.ports import Attempt, EvidenceStore
from tlsrunbook.run.abandoned import transcript_lines, uncertain


@dataclass(frozen=True)
class OpenStep:
    """A step that has begun and has no record.

    Args:
        step: Step id.
        attempt: Its number.
        since: UTC text; empty when nothing was written yet.
        unsure: Whether a change was sent and is not answered, so far.
    """

    step: str
    attempt: int
    since: str
    unsure: bool


@dataclass(frozen=True)
class ServerNow:
    """Where a server stands.

    Args:
        server: Its name.
        change: Id of its newest change; empty when there is none.
        last: The last record of each step.
        held_by: Who works on it, as in :class:`~tlsrunbook.errors.LeaseHeld`; empty when nobody does.
        open: Steps at work, where somebody holds it; else steps that broke off, which the next run looks at.
    """

    server: str
    change: str
    last: Mapping[str, Record]
    held_by: Mapping[str, str]
    open: tuple[OpenStep, ...]

    def data(self) -> dict[str, Any]:
        """Give it for programs."""
        steps = [
            {"step": one.step, "attempt": one.attempt, "since": one.since, "sent_and_not_answered": one.unsure}
            for one in self.open
        ]
        return {
            "server": self.server,
            "change": self.change,
            "steps": {step: record.data() for step, record in self.last.items()},
            "held_by": dict(self.held_by),
            "at_work": steps if self.held_by else [],
            "broken_off": [] if self.held_by else steps,
        }


def servers_now(store: EvidenceStore, names: Iterable[str]) -> list[ServerNow]:
    """Say where each server stands in its newest change.

    Raises:
        EvidenceError: A record cannot be read.
    """
    newest: dict[str, str] = {}
    for change in store.changes():  # oldest first
        newest |= dict.fromkeys((str(name) for name in store.asked(change).get("servers", ())), change)
    return [_now(store, name, newest.get(name, "")) for name in names]


def _now(store: EvidenceStore, server: str, change: str) -> ServerNow:
    holder = store.lease_holder(server)
    if not change:
        return ServerNow(server, "", {}, holder, ())
    unfinished = tuple(_open(attempt) for attempt in store.unfinished(change, server))
    return ServerNow(server, change, store.latest(change, server), holder, unfinished)


def _open(attempt: Attempt) -> OpenStep:
    lines = transcript_lines(attempt)
    since = str(lines[0]["at"]) if lines else ""
    return OpenStep(attempt.step, attempt.number, since, uncertain(lines))
