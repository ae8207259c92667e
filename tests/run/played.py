"""Plays the steps of made-up servers: the controller is real, the work is not."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from tests.support.jobs import a_job, a_site
from tlsrunbook.errors import LeaseHeld, TlsRunbookError
from tlsrunbook.evidence.data import utc_text
from tlsrunbook.evidence.record import Record, Status
from tlsrunbook.run.begin import Begun
from tlsrunbook.run.controller import Controller
from tlsrunbook.run.course import Course
from tlsrunbook.run.executor import Ended, run_server
from tlsrunbook.run.job import ServerEvent, ServerJob, Tell, Told, WaveEvent
from tlsrunbook.run.outcome import RunResult
from tlsrunbook.run.rollout import SiteWork
from tlsrunbook.run.turns import Turns
from tlsrunbook.steps.base import Step

#: When the made-up servers are worked on.
NOW = utc_text(datetime(2026, 11, 24, 12, tzinfo=UTC))


@dataclass
class Played:
    """Plays the steps in threads, and notes what is told.

    Args:
        ends: Per server and step how it ends; what is not there is ``unchanged``.
        held: Servers that somebody else works on.
        broken: Servers of which not even a record can be read.
        done: Servers of which everything is done.
        capacity: Servers at once.
        at_site: Servers of one site at once; 0 is no limit.
    """

    ends: Mapping[tuple[str, str], Status] = field(default_factory=dict)
    held: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    capacity: int = 4
    at_site: int = 0
    told: list[Told] = field(default_factory=list)
    most: int = 0
    course: Course = field(default_factory=Course)

    def __post_init__(self) -> None:
        self._threads = ThreadPoolExecutor(self.capacity)
        self._lock = threading.Lock()
        self._busy = 0
        self.closed = self.killed = False
        self.released: list[str] = []

    def tell(self, told: Told) -> None:
        with self._lock:
            self.told.append(told)

    def run(self, *sites: SiteWork, **how: Any) -> RunResult:
        return Controller(sites, self, self.tell, self.course, begin=self.begin, **how).run()

    def begin(self, job: ServerJob, tell: Tell) -> Begun:
        if job.server in self.held:
            raise LeaseHeld("bob works on this server", holder={"user": "bob"}, where=f"{job.site} / {job.server}")
        if job.server in self.broken:
            raise TlsRunbookError("the record cannot be read", where="here")
        if job.server in self.done:
            return Begun(replace(job, steps=()), done_before=job.step_ids)
        return Begun(job, lease=FakeLease(job.server, self.released))

    def places(self, site: str) -> int:
        return self.at_site or self.capacity

    def submit(self, job: ServerJob, at: int, turns: Turns) -> Future[Ended]:
        return self._threads.submit(
            run_server, job, at, turns, lambda step: self._step(job, step), self.tell, self.course
        )

    def _step(self, job: ServerJob, step: Step) -> tuple[Record, str]:
        with self._lock:
            self._busy += 1
            self.most = max(self.most, self._busy)
        status = self.ends.get((job.server, step.id), Status.UNCHANGED)
        with self._lock:
            self._busy -= 1
        record = Record(
            job.site,
            job.server,
            step.id,
            job.change,
            1,
            job.mode,
            status,
            f"{step.id} played",
            "",
            NOW,
            NOW,
            {},
            {},
            {},
        )
        return record, ""

    def kill(self) -> None:
        self.killed = True

    def close(self) -> None:
        self._threads.shutdown()
        self.closed = True

    @property
    def begun(self) -> list[str]:
        """The servers in the order in which they were begun."""
        return [told.server for told in self.told if isinstance(told, ServerEvent) and told.state == "begun"]

    @property
    def waves(self) -> list[str]:
        """What was told of waves."""
        return [
            f"{told.site} {told.number}/{told.of} {told.state}" for told in self.told if isinstance(told, WaveEvent)
        ]


@dataclass
class FakeLease:
    """Says when it is given back."""

    server: str
    released: list[str]
    token: str = "token"
    taken_over: Mapping[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """It is never lost."""

    def release(self) -> None:
        self.released.append(self.server)


__all__ = ["FakeLease", "Played", "a_job", "a_site"]
