"""Runs step notebooks over servers: side by side across servers, in order on one server."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path

from tlsrunbook.evidence.record import Record, Status
from tlsrunbook.ports import Attempt, EvidenceStore
from tlsrunbook.run.abandoned import abandoned_record
from tlsrunbook.run.courses import Courses
from tlsrunbook.run.engine import NotebookJob, execute, filed, prepare_process
from tlsrunbook.run.notebooks import notebook_path
from tlsrunbook.run.recording import Circumstances
from tlsrunbook.steps.base import Step

_GOES_ON = frozenset({Status.PLANNED, Status.UNCHANGED, Status.CHANGED, Status.SKIPPED})


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


def run_jobs(jobs: Sequence[ServerJob], workers: int, tell: Callable[[Event], None]) -> tuple[Record, ...]:
    """Run all jobs and give every record, in the order of the jobs.

    A server whose next step waits for another server's step gives its place to the others until that step has ended.

    Args:
        jobs: One per server.
        workers: How many servers are worked on at once.
        tell: Called from several threads.
    """
    spawn = multiprocessing.get_context("spawn")
    count = max(1, min(workers, len(jobs)))
    courses = Courses(jobs)
    records: list[list[Record]] = [[] for _ in jobs]
    waiting = dict.fromkeys(range(len(jobs)), 0)
    running: dict[Future[tuple[list[Record], int]], int] = {}
    with (
        ProcessPoolExecutor(count, mp_context=spawn, initializer=prepare_process) as pool,
        ThreadPoolExecutor(count, thread_name_prefix="server") as threads,
    ):
        while waiting or running:
            ready = [
                number for number, at in waiting.items() if courses.ready(jobs[number], _step_at(jobs[number], at))
            ]
            # Nobody runs and nobody may: a site file cannot say so, but waiting for ever would be the worst answer.
            for number in ready or ([] if running else list(waiting)[:1]):
                at = waiting.pop(number)
                running[threads.submit(_run_server, jobs[number], at, courses, pool, tell)] = number
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                number = running.pop(future)
                made, at = future.result()
                records[number] += made
                if at < len(jobs[number].steps):
                    waiting[number] = at
    return tuple(record for made in records for record in made)


def _step_at(job: ServerJob, at: int) -> str:
    return job.steps[at].id if at < len(job.steps) else ""


def _run_server(
    job: ServerJob, at: int, courses: Courses, pool: ProcessPoolExecutor, tell: Callable[[Event], None]
) -> tuple[list[Record], int]:
    """Run a server's steps from one on, until one stops or has to wait; gives the records and where to go on."""
    records: list[Record] = []
    for position, step in enumerate(job.steps[at:], start=at):
        if records and not courses.ready(job, step.id):
            return records, position
        tell(Event(job.site, job.server, step.id))
        record = _run_step(job, step, pool)
        records.append(record)
        tell(Event(job.site, job.server, step.id, record))
        courses.ended(job, step.id)
        if record.status not in _GOES_ON:
            break
    courses.ended(job, *job.step_ids)
    return records, len(job.steps)


def _run_step(job: ServerJob, step: Step, pool: ProcessPoolExecutor) -> Record:
    before = {attempt.number for attempt in _attempts(job, step)}
    output = job.store.folder / job.change / job.server / f".{step.number}-{step.id}.ipynb"
    parameters = {
        "site": str(job.site_file),
        "server": job.server,
        "runs": str(job.runs),
        "change": job.change,
        "mode": job.mode,
    }
    try:
        ended_by = pool.submit(execute, NotebookJob(notebook_path(step.notebook), output, parameters)).result()
    except BrokenProcessPool:
        ended_by = "the process that executed the notebook died"
    made = [attempt for attempt in _attempts(job, step) if attempt.number not in before]
    attempt = made[-1] if made else job.store.attempt(job.change, job.server, step.id, step.number)
    record = job.store.record(attempt) or abandoned_record(job, step, attempt, ended_by)
    filed(output, attempt.folder / step.notebook, ended_by)
    return record


def _attempts(job: ServerJob, step: Step) -> list[Attempt]:
    return [attempt for attempt in job.store.attempts(job.change, job.server) if attempt.step == step.id]
