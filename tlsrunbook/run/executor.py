"""Who performs the work on servers: the protocol of an executor, and the one that does it on this computer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from tlsrunbook.errors import EvidenceError, TlsRunbookError
from tlsrunbook.evidence.record import Record, Status
from tlsrunbook.ports import Attempt
from tlsrunbook.run.abandoned import abandoned_record, wait_for_kernel
from tlsrunbook.run.course import Course, Undone
from tlsrunbook.run.engine import NotebookJob
from tlsrunbook.run.executed import filed
from tlsrunbook.run.job import Event, ServerJob
from tlsrunbook.run.notebooks import notebook_path
from tlsrunbook.run.server_kernel import Kernels, ServerKernel
from tlsrunbook.run.turns import Turns
from tlsrunbook.steps.base import Step

#: After a step that ended so, the server's next one may begin.
GOES_ON = frozenset({Status.PLANNED, Status.UNCHANGED, Status.CHANGED, Status.SKIPPED})

#: Name of a step's notebook while it is executed, by its number and id: hidden, for it is no evidence yet.
EXECUTING = ".{}-{}.ipynb"

#: The records that were made, in order, and the index of the step to go on with (the number of steps: all is said).
Ended = tuple[list[Record], int]


class Executor(Protocol):
    """Performs the work on servers. It is given where to tell what happens, and the course, when it is made.

    The controller holds the server's lease from before its first :meth:`submit` until after its last one; it never
    has more than :attr:`capacity` submitted at once, and never two for one server.
    """

    @property
    def capacity(self) -> int:
        """How many servers it may be given at once."""

    def places(self, site: str) -> int:
        """How many servers of one site it may be given at once, as things are now; at least 1."""

    def submit(self, job: ServerJob, at: int, turns: Turns) -> Future[Ended]:
        """Run the job's steps from one on, until one stops or has to wait for another server's step.

        The steps are run as :func:`run_server` does it: each tells an event when it starts and one with its record when
        it has ended; what is not begun because the course is stopping is noted there; turns are told which steps have
        ended, at the end all of them. A job is submitted again only when the former future gave an index below the
        number of its steps.

        Args:
            job: With its steps still to do.
            at: Index of the first one.
            turns: Tells whether a step may begin.

        Returns:
            Fails only by a bug: whatever goes wrong is a record, or noted in the course.
        """

    def kill(self) -> None:
        """Break off what is under way, from any thread and more than once; the futures end with what is certain."""

    def close(self) -> None:
        """End everything; nothing is submitted any more."""


class LocalExecutor:
    """Performs on this computer: a kernel per server and run, which stays while the server waits for another one.

    Args:
        kernels: Where kernels come from; closed with this.
        capacity: How many servers are worked on at once.
        tell: Called from several threads.
        course: Stops the run, and gets what no record tells.
    """

    def __init__(self, kernels: Kernels, capacity: int, tell: Callable[[Event], None], course: Course) -> None:
        self.capacity = capacity
        self._kernels = kernels
        self._tell = tell
        self._course = course
        self._threads = ThreadPoolExecutor(capacity, thread_name_prefix="server")
        self._lock = threading.Lock()
        self._open: dict[tuple[str, str], ServerKernel] = {}

    def places(self, site: str) -> int:
        """See :class:`Executor`."""
        del site
        return self.capacity

    def submit(self, job: ServerJob, at: int, turns: Turns) -> Future[Ended]:
        """See :class:`Executor`."""
        return self._threads.submit(self._perform, job, at, turns)

    def _perform(self, job: ServerJob, at: int, turns: Turns) -> Ended:
        kernel = self._kernel(job)
        go_on = len(job.steps)
        try:
            records, go_on = run_server(
                job, at, turns, lambda step: run_step(job, step, kernel), self._tell, self._course
            )
        finally:
            if go_on == len(job.steps):
                with self._lock:
                    self._open.pop(job.place, None)
                kernel.close()
        return records, go_on

    def _kernel(self, job: ServerJob) -> ServerKernel:
        with self._lock:
            if job.place not in self._open:
                self._open[job.place] = self._kernels.start(job.environment)
            return self._open[job.place]

    def kill(self) -> None:
        """See :class:`Executor`."""
        with self._lock:
            kernels = tuple(self._open.values())
        for kernel in kernels:
            kernel.kill()

    def close(self) -> None:
        """See :class:`Executor`."""
        self._threads.shutdown()
        for kernel in self._open.values():
            kernel.close()
        self._open.clear()
        self._kernels.close()


def run_server(
    job: ServerJob,
    at: int,
    turns: Turns,
    perform: Callable[[Step], tuple[Record, str]],
    tell: Callable[[Event], None],
    course: Course,
) -> Ended:
    """Run a server's steps from one on, until one stops or has to wait; gives the records and where to go on.

    Args:
        perform: Runs one step, and gives its record and what went wrong that the record does not tell.
    """
    records: list[Record] = []
    for position, step in enumerate(job.steps[at:], start=at):
        if records and not turns.ready(job, step.id):
            return records, position
        if course.stopping:
            for undone in job.steps[position:]:
                course.left(Undone(job.site, job.server, undone.id))
            break
        tell(Event(job.site, job.server, step.id))
        try:
            record, wrong = perform(step)
        except TlsRunbookError as error:  # not even a record could be written; the other servers have theirs
            course.went_wrong(f"{job.site} / {job.server} / {step.id}: {error}", at=job.place)
            break
        records.append(record)
        tell(Event(job.site, job.server, step.id, record))
        turns.ended(job, step.id)
        if wrong:
            course.went_wrong(f"{job.site} / {job.server} / {step.id}: {wrong}", at=job.place)
        if wrong or record.status not in GOES_ON:
            break
    turns.ended(job, *job.step_ids)
    return records, len(job.steps)


def run_step(job: ServerJob, step: Step, kernel: ServerKernel) -> tuple[Record, str]:
    """Execute a step's notebook and give its record, and what went wrong that the record does not tell.

    Raises:
        TlsRunbookError: Not even a record could be written.
    """
    before = {attempt.number for attempt in _attempts(job, step)}
    output = executing_path(job, step)
    parameters = {
        "site": str(job.site_file),
        "server": job.server,
        "runs": str(job.runs),
        "change": job.change,
        "mode": job.mode,
    }
    source = notebook_path(step.notebook)
    done = kernel.execute(NotebookJob(source, output, parameters))
    made = [attempt for attempt in _attempts(job, step) if attempt.number not in before]
    attempt = made[-1] if made else job.store.attempt(job.change, job.server, step.id, step.number)
    wait_for_kernel(attempt)
    record = job.store.record(attempt) or abandoned_record(job, attempt, done.ended_by)
    try:
        ended_by = filed(source, done.sha256, output, attempt.folder / step.notebook, done.ended_by)
    except EvidenceError as error:
        return record, str(error)
    early = ended_by and record.status in GOES_ON
    return record, f"the notebook ended early: {ended_by}" if early else ""


def executing_path(job: ServerJob, step: Step) -> Path:
    """Give where a step's notebook is while it is executed: never evidence by this name."""
    return job.store.folder / job.change / job.server / EXECUTING.format(step.number, step.id)


def _attempts(job: ServerJob, step: Step) -> list[Attempt]:
    return [attempt for attempt in job.store.attempts(job.change, job.server) if attempt.step == step.id]
