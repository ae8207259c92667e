"""Runs step notebooks over servers: side by side across servers, in order on one server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait

from tlsrunbook.evidence.record import Record
from tlsrunbook.run.course import Course
from tlsrunbook.run.executor import Executor, LocalExecutor
from tlsrunbook.run.job import Event, ServerJob
from tlsrunbook.run.server_kernel import open_kernels
from tlsrunbook.run.turns import Turns

__all__ = ["Event", "ServerJob", "run_jobs"]

#: So often the runner looks whether it shall stop, in seconds.
_LOOK = 0.2
_STOPPING = "stopping: the steps under way end first, and nothing new begins; once more breaks them off"
_BREAKING_OFF = "breaking off; a change that was sent and not answered is recorded as unknown"


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
    lanes = max(1, min(workers, len(jobs)))
    executor = LocalExecutor(open_kernels(lanes=lanes), lanes, tell, course)
    try:
        return _take_turns(jobs, executor, course)
    finally:
        executor.close()


def _take_turns(jobs: Sequence[ServerJob], executor: Executor, course: Course) -> tuple[Record, ...]:
    turns = Turns(jobs)
    records: list[list[Record]] = [[] for _ in jobs]
    waiting = dict.fromkeys(range(len(jobs)), 0)
    running: dict[Future[tuple[list[Record], int]], int] = {}
    while waiting or running:
        ready = [number for number, at in waiting.items() if turns.ready(jobs[number], _step_at(jobs[number], at))]
        # Nobody runs and nobody may: a site file cannot say so, but waiting for ever would be the worst answer.
        for number in ready or ([] if running else list(waiting)[:1]):
            running[executor.submit(jobs[number], waiting.pop(number), turns)] = number
        for future in _some_ended(running, executor, course):
            number = running.pop(future)
            made, at = future.result()
            records[number] += made
            if at < len(jobs[number].steps):
                waiting[number] = at
    return tuple(record for made in records for record in made)


def _step_at(job: ServerJob, at: int) -> str:
    return job.steps[at].id if at < len(job.steps) else ""


def _some_ended(
    running: Mapping[Future[tuple[list[Record], int]], int], executor: Executor, course: Course
) -> set[Future[tuple[list[Record], int]]]:
    """Wait until some end; a request to stop is told, and a second one breaks off what is under way."""
    while True:
        done = wait(running, timeout=_LOOK, return_when=FIRST_COMPLETED).done
        if course.breaking_off:
            executor.kill()
        course.announce(_STOPPING, _BREAKING_OFF)
        if done:
            return done
