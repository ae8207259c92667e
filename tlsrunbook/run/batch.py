"""Runs step notebooks over servers: side by side across servers, in order on one server."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from tlsrunbook.evidence.record import Record, Status
from tlsrunbook.ports import Attempt, EvidenceStore
from tlsrunbook.run.abandoned import abandoned_record
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


def run_jobs(jobs: Sequence[ServerJob], workers: int, tell: Callable[[Event], None]) -> tuple[Record, ...]:
    """Run all jobs and give every record, in the order of the jobs.

    Args:
        jobs: One per server.
        workers: How many servers are worked on at once.
        tell: Called from several threads.
    """
    spawn = multiprocessing.get_context("spawn")
    count = max(1, min(workers, len(jobs)))
    with (
        ProcessPoolExecutor(count, mp_context=spawn, initializer=prepare_process) as pool,
        ThreadPoolExecutor(count, thread_name_prefix="server") as threads,
    ):
        futures: list[Future[list[Record]]] = [threads.submit(_run_server, job, pool, tell) for job in jobs]
        return tuple(record for future in futures for record in future.result())


def _run_server(job: ServerJob, pool: ProcessPoolExecutor, tell: Callable[[Event], None]) -> list[Record]:
    records = []
    for step in job.steps:
        tell(Event(job.site, job.server, step.id))
        record = _run_step(job, step, pool)
        records.append(record)
        tell(Event(job.site, job.server, step.id, record))
        if record.status not in _GOES_ON:
            break
    return records


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
