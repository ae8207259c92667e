"""Runs step notebooks over servers: side by side across servers, in order on one server."""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
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
            futures = [threads.submit(_on_free_lane, job, free, tell, course) for job in jobs]
            _wait(futures, lanes, course)
            return tuple(record for future in futures for record in future.result())
    finally:
        for lane in lanes:
            lane.close()


def _wait(futures: Sequence[Future[list[Record]]], lanes: Sequence[NotebookProcess], course: Course) -> None:
    """Wait for all servers; a request to stop is told, and a second one breaks off what is under way."""
    told = 0
    while wait(futures, timeout=_LOOK).not_done:
        if course.breaking_off:
            for lane in lanes:
                lane.kill()
        if course.asked > told:
            told = course.asked
            course.say(_BREAKING_OFF if course.breaking_off else _STOPPING)


def _on_free_lane(
    job: ServerJob, free: queue.SimpleQueue[NotebookProcess], tell: Callable[[Event], None], course: Course
) -> list[Record]:
    lane = free.get()
    try:
        return _run_server(job, lane, tell, course)
    finally:
        free.put(lane)


def _run_server(job: ServerJob, lane: NotebookProcess, tell: Callable[[Event], None], course: Course) -> list[Record]:
    records = []
    for number, step in enumerate(job.steps):
        if course.stopping:
            for undone in job.steps[number:]:
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
        if wrong:
            course.went_wrong(f"{job.site} / {job.server} / {step.id}: {wrong}")
        if wrong or record.status not in _GOES_ON:
            break
    return records


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
    record = job.store.record(attempt) or abandoned_record(job, step, attempt, done.ended_by)
    try:
        ended_by = filed(source, done.sha256, output, attempt.folder / step.notebook, done.ended_by)
    except EvidenceError as error:
        return record, str(error)
    early = ended_by and record.status in _GOES_ON
    return record, f"the notebook ended early: {ended_by}" if early else ""


def _attempts(job: ServerJob, step: Step) -> list[Attempt]:
    return [attempt for attempt in job.store.attempts(job.change, job.server) if attempt.step == step.id]
