"""Leads a run: wave by wave, site by site, each server under its lease, at the pace that was asked for."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from tlsrunbook.errors import LeaseHeld, NoWorker, TlsRunbookError
from tlsrunbook.evidence.record import Record, Status
from tlsrunbook.run.begin import Begun, begin
from tlsrunbook.run.course import Course, Undone
from tlsrunbook.run.executor import GOES_ON, Executor
from tlsrunbook.run.job import ServerEvent, ServerJob, Tell
from tlsrunbook.run.outcome import Ending, RunResult
from tlsrunbook.run.pace import Pace
from tlsrunbook.run.resume import still_to_do
from tlsrunbook.run.rollout import Rollout, SiteWork, Work

#: So often the runner looks whether it shall stop, in seconds.
_LOOK = 0.2
_STOPPING = "stopping: the steps under way end first, and nothing new begins; once more breaks them off"
_BREAKING_OFF = "breaking off; a change that was sent and not answered is recorded as unknown"
_STOPPED = "the run was stopped"
_BAD = frozenset({Status.FAILED, Status.UNKNOWN})


class Controller:
    """Leads one run.

    Args:
        sites: What is to be done, in order.
        executor: Performs it; closed at the end.
        tell: Called from several threads.
        course: Stops the run, and gets what no record tells.
        one_by_one: Whether a site begins only when all before it are done; else all side by side.
        logons_per_minute: So many servers begin per minute over all sites; 0 leaves it to each site.
        begin: Takes a server's lease, and sees what is left to do on it.
        keep: Gives what is kept of a record for the result; runs over very many servers keep less.
    """

    def __init__(
        self,
        sites: Sequence[SiteWork],
        executor: Executor,
        tell: Tell,
        course: Course,
        *,
        one_by_one: bool = False,
        logons_per_minute: int = 0,
        begin: Callable[[ServerJob, Tell], Begun] = begin,
        keep: Callable[[Record], Record] = lambda record: record,
    ) -> None:
        self._rollout = Rollout(sites, tell, one_by_one=one_by_one)
        self._executor = executor
        self._tell = tell
        self._course = course
        self._begin = begin
        self._keep = keep
        together = Pace(logons_per_minute)
        self._paces = {one.site: together if logons_per_minute else Pace(one.logons_per_minute) for one in sites}
        self._running: dict[Future[Any], Work] = {}
        self._beginners = ThreadPoolExecutor(max(1, min(8, executor.capacity)), thread_name_prefix="begin")

    def run(self) -> RunResult:
        """Do it all, and give how it ended."""
        try:
            while self._go_on():
                self._take(self._ended())
            result = self._rollout.result(still_to_do)
        finally:
            self._executor.close()
            self._beginners.shutdown()
            for work in self._rollout.works:
                if work.lease:
                    work.lease.release()
        for left in result.left:
            for step in left.steps if left.why == _STOPPED else ():
                self._course.left(Undone(left.site, left.server, step))
        return result

    def _go_on(self) -> bool:
        """Start what may start; False when nothing is under way and nothing is left to do."""
        if self._course.stopping:
            self._rollout.close(_STOPPED)
        self._rollout.advance()
        self._go_on_with_waiting()
        self._begin_new()
        return bool(self._running or self._rollout.may_begin() or self._rollout.waiting)

    def _go_on_with_waiting(self) -> None:
        waiting, turns = self._rollout.waiting, self._rollout.turns
        ready = [one for one in waiting if self._course.stopping or turns.ready(one.job, one.next_step)]
        if not ready and not self._running and not self._rollout.may_begin():
            # Nobody runs and nobody may: a site file cannot say so, but waiting for ever would be the worst answer.
            ready = waiting[:1]
        for work in ready[: self._executor.capacity - len(self._running)]:
            self._rollout.go_on(work)
            self._running[self._executor.submit(work.job, work.at, turns)] = work

    def _begin_new(self) -> None:
        if len(self._running) >= self._executor.capacity:
            return
        busy = Counter(work.job.site for work in self._running.values())
        for site, works in self._rollout.may_begin():
            room = min(self._executor.places(site) - busy[site], self._executor.capacity - len(self._running))
            for work in works[: max(0, room)]:
                if self._paces[site].wait():
                    break
                self._paces[site].begin()
                self._rollout.begin(work)
                self._running[self._beginners.submit(self._begin, work.job, self._tell)] = work

    def _ended(self) -> set[Future[Any]]:
        """Wait for an end, or a little while; a request to stop is told, and a second one breaks off what runs."""
        if self._running:
            done = wait(self._running, timeout=_LOOK, return_when=FIRST_COMPLETED).done
        else:  # only the pace keeps servers from beginning
            done = set()
            waits = [self._paces[site].wait() for site, _ in self._rollout.may_begin()]
            threading.Event().wait(min([_LOOK, *waits]))
        if self._course.breaking_off:
            self._executor.kill()
        self._course.announce(_STOPPING, _BREAKING_OFF)
        return done

    def _take(self, ended: set[Future[Any]]) -> None:
        for future in ended:
            work = self._running.pop(future)
            try:
                result = future.result()
            except LeaseHeld as error:
                self._end(work, Ending.HELD, str(error), error.holder)
            except NoWorker as error:
                self._end(work, Ending.LEFT, str(error))
            except TlsRunbookError as error:
                self._course.went_wrong(f"{work.job.site} / {work.job.server}: {error}", at=work.job.place)
                self._end(work, Ending.FAILED, str(error))
            else:
                if isinstance(result, Begun):
                    self._begun(work, result)
                else:
                    self._performed(work, *result)

    def _begun(self, work: Work, begun: Begun) -> None:
        done = [step for step in work.job.step_ids if step in begun.done_before]
        self._rollout.turns.ended(work.job, *done)
        work.job, work.lease = begun.job, begun.lease
        work.reconciled, work.done_before = begun.records, begun.done_before
        if not work.job.steps:
            self._end(work, Ending.DONE)
            return
        self._rollout.wait(work)
        job = work.job
        self._tell(ServerEvent(job.site, job.server, "begun", steps=job.step_ids, facts={"change": job.change}))

    def _performed(self, work: Work, records: list[Record], at: int) -> None:
        work.records += [self._keep(record) for record in records]
        work.at = at
        if at < len(work.job.steps):
            self._rollout.wait(work)
            return
        self._end(work, *self._judged(work))

    def _end(self, work: Work, ending: Ending, why: str = "", facts: Mapping[str, str] | None = None) -> None:
        if work.lease:
            work.lease.release()
            work.lease = None
        self._rollout.end(work, ending, why, facts)

    def _judged(self, work: Work) -> tuple[Ending, str]:
        """Say how the work on a server ended, and why not better."""
        last = {record.step: record for record in work.records}
        bad = next((record for record in last.values() if record.status in _BAD), None)
        if bad or self._course.failed(work.job.place):
            return Ending.FAILED, f"{bad.step} {bad.status.value}: {bad.summary}" if bad else "see the messages"
        if all(step in last and last[step].status in GOES_ON for step in work.job.step_ids):
            return Ending.DONE, ""
        stopped = next((record for record in last.values() if record.status not in GOES_ON), None)
        if stopped:
            return Ending.STOPPED, f"{stopped.step} {stopped.status.value}: {stopped.summary}"
        return Ending.LEFT, _STOPPED
