"""Runs step notebooks over servers: side by side across servers, in order on one server."""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from tlsrunbook.errors import EvidenceError, TlsRunbookError
from tlsrunbook.evidence.record import Record, Status
from tlsrunbook.ports import Attempt, EvidenceStore
from tlsrunbook.run.abandoned import abandoned_record, wait_for_kernel
from tlsrunbook.run.course import Course, Undone
from tlsrunbook.run.engine import NotebookJob
from tlsrunbook.run.executed import filed
from tlsrunbook.run.notebook_process import NotebookProcess
from tlsrunbook.run.notebooks import notebook_path
from tlsrunbook.run.recording import Circumstances
from tlsrunbook.run.turns import Turns
from tlsrunbook.steps.base import Step

_GOES_ON = frozenset({Status.PLANNED, Status.UNCHANGED, Status.CHANGED, Status.SKIPPED})

#: So often the runner looks whether it shall stop, in seconds.
_LOOK = 0.2
_STOPPING = "stopping: the steps under way end first, and nothing new begins; once more breaks them off"
_BREAKING_OFF = "breaking off; a change that was sent and not answered is recorded as unknown"


@dataclass(frozen=True)
class ServerJob:
    """The work on one server.

    Args:
        site_file: Absolute path of the site file.
        site: Site name.
        server: Server name.
        steps: In order.
        store: The site's evidence.
        runs: The folder of all evidence, absolute.
        change: Change id.
        mode: ``plan`` or ``apply``.
        about: For a record that the runner has to write itself.
        after: Step id -> pairs of server and step that shall have ended before it begins.
    """

    site_file: Path
    site: str
    server: str
    steps: tuple[Step, ...]
    store: EvidenceStore
    runs: Path
    change: str
    mode: str
    about: Circumstances
    after: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)

    @property
    def step_ids(self) -> tuple[str, ...]:
        """The steps' ids, in order."""
        return tuple(step.id for step in self.steps)


@dataclass(frozen=True)
class Event:
    """Something a progress display wants to know.

    Args:
        record: None when the step starts.
    """

    site: str
    server: str
    step: str
    record: Record | None = None


def run_jobs(
    jobs: Sequence[ServerJob], workers: int, tell: Callable[[Event], None], course: Course | None = None
) -> tuple[Record, ...]:
    """Run all jobs and give every record, in the order of the jobs.

    A server whose next step waits for another server's step gives its place to the others until that step has ended.

    Args:
        jobs: One per server.
        workers: How many servers are worked on at once.
        tell: Called from several threads.
        course: Stops the run, and gets what no record tells.
    """
    course = course or Course()
    if not jobs:
        return ()
    lanes = [NotebookProcess() for _ in range(max(1, min(workers, len(jobs))))]
    free = queue.SimpleQueue[NotebookProcess]()
    for lane in lanes:
        free.put(lane)
    try:
        with ThreadPoolExecutor(len(lanes), thread_name_prefix="server") as threads:
            return _take_turns(
                jobs, lanes, lambda *work: threads.submit(_on_free_lane, free, tell, course, *work), course
            )
    finally:
        for lane in lanes:
            lane.close()


def _take_turns(
    jobs: Sequence[ServerJob],
    lanes: Sequence[NotebookProcess],
    submit: Callable[[ServerJob, int, Turns], Future[tuple[list[Record], int]]],
    course: Course,
) -> tuple[Record, ...]:
    turns = Turns(jobs)
    records: list[list[Record]] = [[] for _ in jobs]
    waiting = dict.fromkeys(range(len(jobs)), 0)
    running: dict[Future[tuple[list[Record], int]], int] = {}
    while waiting or running:
        ready = [number for number, at in waiting.items() if turns.ready(jobs[number], _step_at(jobs[number], at))]
        # Nobody runs and nobody may: a site file cannot say so, but waiting for ever would be the worst answer.
        for number in ready or ([] if running else list(waiting)[:1]):
            running[submit(jobs[number], waiting.pop(number), turns)] = number
        for future in _some_ended(running, lanes, course):
            number = running.pop(future)
            made, at = future.result()
            records[number] += made
            if at < len(jobs[number].steps):
                waiting[number] = at
    return tuple(record for made in records for record in made)


def _step_at(job: ServerJob, at: int) -> str:
    return job.steps[at].id if at < len(job.steps) else ""


def _some_ended(
    running: Mapping[Future[tuple[list[Record], int]], int], lanes: Sequence[NotebookProcess], course: Course
) -> set[Future[tuple[list[Record], int]]]:
    """Wait until some end; a request to stop is told, and a second one breaks off what is under way."""
    while True:
        done = wait(running, timeout=_LOOK, return_when=FIRST_COMPLETED).done
        if course.breaking_off:
            for lane in lanes:
                lane.kill()
        course.announce(_STOPPING, _BREAKING_OFF)
        if done:
            return done


def _on_free_lane(
    free: queue.SimpleQueue[NotebookProcess],
    tell: Callable[[Event], None],
    course: Course,
    job: ServerJob,
    at: int,
    turns: Turns,
) -> tuple[list[Record], int]:
    lane = free.get()
    try:
        return _run_server(job, at, turns, lane, tell, course)
    finally:
        free.put(lane)


def _run_server(
    job: ServerJob, at: int, turns: Turns, lane: NotebookProcess, tell: Callable[[Event], None], course: Course
) -> tuple[list[Record], int]:
    """Run a server's steps from one on, until one stops or has to wait; gives the records and where to go on."""
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
            record, wrong = _run_step(job, step, lane)
        except TlsRunbookError as error:  # not even a record could be written; the other servers have theirs
            course.went_wrong(f"{job.site} / {job.server} / {step.id}: {error}")
            break
        records.append(record)
        tell(Event(job.site, job.server, step.id, record))
        turns.ended(job, step.id)
        if wrong:
            course.went_wrong(f"{job.site} / {job.server} / {step.id}: {wrong}")
        if wrong or record.status not in _GOES_ON:
            break
    turns.ended(job, *job.step_ids)
    return records, len(job.steps)


def _run_step(job: ServerJob, step: Step, lane: NotebookProcess) -> tuple[Record, str]:
    """Execute a step's notebook and give its record, and what went wrong that the record does not tell."""
    before = {attempt.number for attempt in _attempts(job, step)}
    output = job.store.folder / job.change / job.server / f".{step.number}-{step.id}.ipynb"
    parameters = {
        "site": str(job.site_file),
        "server": job.server,
        "runs": str(job.runs),
        "change": job.change,
        "mode": job.mode,
    }
    source = notebook_path(step.notebook)
    done = lane.execute(NotebookJob(source, output, parameters))
    made = [attempt for attempt in _attempts(job, step) if attempt.number not in before]
    attempt = made[-1] if made else job.store.attempt(job.change, job.server, step.id, step.number)
    wait_for_kernel(attempt)
    record = job.store.record(attempt) or abandoned_record(job, attempt, done.ended_by)
    try:
        ended_by = filed(source, done.sha256, output, attempt.folder / step.notebook, done.ended_by)
    except EvidenceError as error:
        return record, str(error)
    early = ended_by and record.status in _GOES_ON
    return record, f"the notebook ended early: {ended_by}" if early else ""


def _attempts(job: ServerJob, step: Step) -> list[Attempt]:
    return [attempt for attempt in job.store.attempts(job.change, job.server) if attempt.step == step.id]
