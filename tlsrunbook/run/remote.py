"""Has the work on servers performed by workers at their sites, and files what they bring back.

The controller alone writes the archive: what comes back is checked and filed under the server's lease. A worker that is
lost leaves a record ``unknown`` here, and what it wrote is brought back by the next job at its site.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Protocol

from tlsrunbook.errors import LeaseHeld, NoWorker, TlsRunbookError, WorkerLost
from tlsrunbook.evidence.record import Record, record_from_data
from tlsrunbook.run.course import Course, Undone
from tlsrunbook.run.executor import GOES_ON, Ended
from tlsrunbook.run.job import Event, ServerEvent, ServerJob, Tell
from tlsrunbook.run.lost import lost_record
from tlsrunbook.run.portable import BEGUN_ALREADY, PortableJob, PortableResult, result_from_text, to_text
from tlsrunbook.run.returned import Taken, keep_aside, take_evidence
from tlsrunbook.run.turns import Turns


class Delivered(Protocol):
    """What a worker gave back."""

    @property
    def text(self) -> str:
        """A :class:`~tlsrunbook.run.portable.PortableResult` as JSON, not looked at yet.

        Empty when the job was not begun because the end of the run was asked for.
        """

    @property
    def address(self) -> str:
        """Where the worker is reached, to tell it what was taken."""


class Courier(Protocol):
    """Brings jobs to workers. Safe from any thread."""

    def deliver(
        self, site: str, job: str, text: str, hear: Callable[[Mapping[str, Any]], None], asked: Callable[[], int]
    ) -> Delivered:
        """Have a job performed at a site, once, and wait for what comes back.

        Args:
            site: Whose worker does it.
            job: The job's id, never used twice.
            text: A :class:`~tlsrunbook.run.portable.PortableJob` as JSON.
            hear: Gets what the worker tells while it works.
            asked: How often the end of the run was asked for; the worker is told.

        Raises:
            NoWorker: The site has no worker; nothing was begun.
            WorkerLost: The job may have been begun, and nothing came back.
        """

    def places(self, site: str) -> int:
        """How many jobs a site takes at once, as things are now; at least 1, so that nobody taking one is told."""

    def settle(self, address: str, text: str) -> None:
        """Tell a worker what was taken into the archive, so that it takes its copies away. Never raises."""

    def close(self) -> None:
        """End the connection."""


#: Makes a job portable: the job, and the ids of the steps to perform, under an id.
Pack = Callable[[ServerJob, tuple[str, ...], str], PortableJob]
#: Puts CSRs that a worker brought into the authority's outbox.
PlaceCsrs = Callable[[ServerJob, Mapping[str, bytes]], None]


class RemoteExecutor:
    """Performs at the sites; see :class:`~tlsrunbook.run.executor.Executor`.

    Args:
        courier: Reaches the workers; closed with this.
        pack: Makes jobs portable.
        place_csrs: Puts CSRs into the outbox.
        capacity: How many servers may be worked on at once, over all sites.
        tell: Called from several threads.
        course: Stops the run, and gets what no record tells.
    """

    def __init__(
        self, courier: Courier, pack: Pack, place_csrs: PlaceCsrs, capacity: int, tell: Tell, course: Course
    ) -> None:
        self.capacity = capacity
        self._courier = courier
        self._pack = pack
        self._place_csrs = place_csrs
        self._tell = tell
        self._course = course
        self._threads = ThreadPoolExecutor(capacity, thread_name_prefix="server")

    def places(self, site: str) -> int:
        """See :class:`~tlsrunbook.run.executor.Executor`."""
        return self._courier.places(site)

    def submit(self, job: ServerJob, at: int, turns: Turns) -> Future[Ended]:
        """See :class:`~tlsrunbook.run.executor.Executor`.

        Raises:
            NoWorker: From the future: nobody took the job; nothing was begun.
            LeaseHeld: From the future: an earlier job is still at work there; nothing was begun.
        """
        return self._threads.submit(self._perform, job, at, turns)

    def kill(self) -> None:
        """See :class:`~tlsrunbook.run.executor.Executor`. The courier sees it in the course, and tells the workers."""

    def close(self) -> None:
        """See :class:`~tlsrunbook.run.executor.Executor`."""
        self._threads.shutdown()
        self._courier.close()

    def _perform(self, job: ServerJob, at: int, turns: Turns) -> Ended:
        steps = _may_begin(job, at, turns)
        go_on = len(job.steps)
        try:
            if self._course.stopping:
                self._left(job, job.step_ids[at:])
                return [], go_on
            records, ended = self._at_site(job, steps)
            turns.ended(job, *steps)
            if ended and at + len(steps) < len(job.steps):
                go_on = at + len(steps)
        finally:
            if go_on == len(job.steps):
                turns.ended(job, *job.step_ids)
        return records, go_on

    def _at_site(self, job: ServerJob, steps: tuple[str, ...]) -> tuple[list[Record], bool]:
        """Have steps performed; gives their records, and whether all of them ended so that the next one may begin."""
        name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(8)}-{job.server}"
        heard = _Heard(job, steps, self._tell)
        try:
            text = to_text(self._pack(job, steps, name))
        except (TlsRunbookError, OSError) as error:
            self._course.went_wrong(f"{job.site} / {job.server}: cannot be sent to a worker: {error}", at=job.place)
            return [], False
        try:
            delivered = self._courier.deliver(job.site, name, text, heard, lambda: self._course.asked)
        except WorkerLost as error:
            return [self._lost(job, heard.under_way, error)], False
        if not delivered.text:
            self._left(job, steps)
            return [], False
        taken = self._taken(job, name, delivered)
        if isinstance(taken, WorkerLost):  # whatever was told while it worked does not count
            return [self._lost(job, steps[0], taken)], False
        for record in taken.records:
            heard.ended(record)
        goes_on = not taken.stopped and all(record.status in GOES_ON for record in taken.records)
        return list(taken.records), goes_on

    def _taken(self, job: ServerJob, name: str, delivered: Delivered) -> Taken | WorkerLost:
        """File what came back; or give what to say of a job whose course is not known by it."""
        try:
            result = result_from_text(delivered.text)
            _refuse_other(result, name, job)
            taken = take_evidence(job, result, self._course)
        except (LeaseHeld, NoWorker):
            raise
        except TlsRunbookError as error:
            kept = keep_aside(job, name, delivered.text)
            self._course.went_wrong(
                f"{job.site} / {job.server}: refused what a worker gave back: {error}; it is kept as {kept}",
                at=job.place,
            )
            return WorkerLost("what its worker gave back does not belong here", where=f"site {job.site}")
        settled = dict(taken.settled)
        if result.outbox and self._placed(job, result.outbox):
            own = settled.setdefault(job.server, {})
            own |= {f"outbox/{csr}": digest for csr, digest in taken.csrs.items()}
        self._courier.settle(delivered.address, json.dumps({"site": job.site, "servers": settled}))
        self._left(job, result.undone)
        if result.refused:
            return WorkerLost(result.refused.get("what", ""), where=f"site {job.site}")
        return taken

    def _placed(self, job: ServerJob, csrs: Mapping[str, bytes]) -> bool:
        try:
            self._place_csrs(job, csrs)
        except TlsRunbookError as error:
            self._course.went_wrong(f"{job.site} / {job.server}: a CSR is not in the outbox: {error}", at=job.place)
            return False
        return True

    def _left(self, job: ServerJob, steps: tuple[str, ...]) -> None:
        for step in steps:
            self._course.left(Undone(job.site, job.server, step))

    def _lost(self, job: ServerJob, step: str, error: WorkerLost) -> Record:
        record = lost_record(job, step, error)
        self._tell(Event(job.site, job.server, step, record))
        return record


def _may_begin(job: ServerJob, at: int, turns: Turns) -> tuple[str, ...]:
    """Give the steps from one on, up to one that has to wait for another server's step."""
    steps = [job.steps[at].id]
    for step in job.steps[at + 1 :]:
        if not turns.ready(job, step.id):
            break
        steps.append(step.id)
    return tuple(steps)


def _refuse_other(result: PortableResult, name: str, job: ServerJob) -> None:
    """Refuse the answer to another job, and say what a worker says that did not begin.

    Raises:
        NoWorker: The worker refused.
        LeaseHeld: An earlier job is still at work there.
        WorkerLost: It is the answer to another job.
    """
    if result.job != name:
        raise WorkerLost(f"the answer is to another job, {result.job!r}", where=f"site {job.site}")
    if result.refused and result.refused.get("code") != BEGUN_ALREADY:
        where = f"{job.site} / {job.server}"
        what = f"the worker on {result.worker.get('host', '?')} did not begin: {result.refused.get('what', '')}"
        if result.refused.get("code") == LeaseHeld.code:
            raise LeaseHeld(what, where=where, todo="wait until that has ended", holder=result.worker)
        raise NoWorker(what, where=where, todo=result.refused.get("todo", ""))


#: What a worker tells about a server that people want to know.
_OF_THE_SERVER = ("taken-over", "reconciled", "done-before")


class _Heard:
    """What a worker tells of a job while it works, as events.

    Args:
        job: The job.
        steps: Ids of what it was asked for.
        tell: Gets the events.
    """

    def __init__(self, job: ServerJob, steps: tuple[str, ...], tell: Tell) -> None:
        self._job = job
        self._steps = steps
        self._tell = tell
        self._told: set[tuple[str, int]] = set()
        self.under_way = steps[0]

    def __call__(self, told: Mapping[str, Any]) -> None:
        """Hear one thing. Whatever does not fit is left out: it is for the display alone."""
        if told.get("state") in _OF_THE_SERVER:
            steps = tuple(str(one) for one in told.get("steps", ()))
            text = f"at its worker: {told.get('text', '')}"
            self._tell(ServerEvent(self._job.site, self._job.server, str(told["state"]), text, steps))
        step = str(told.get("step", ""))
        if step not in self._steps:
            return
        if "record" not in told:
            self.under_way = step
            self._tell(Event(self._job.site, self._job.server, step))
            return
        try:
            record = record_from_data(json.loads(told["record"]), where="a worker's message")
        except (TlsRunbookError, ValueError, TypeError):
            return
        later = self._steps[self._steps.index(step) + 1 :]
        self.under_way = later[0] if later else step
        self.ended(record)

    def ended(self, record: Record) -> None:
        """Tell of a record, once."""
        key = (record.step, record.attempt)
        if key not in self._told:
            self._told.add(key)
            self._tell(Event(self._job.site, self._job.server, record.step, record))
