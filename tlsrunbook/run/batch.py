"""Runs step notebooks over servers: side by side across servers, in order on one server."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tlsrunbook.evidence.record import Record
from tlsrunbook.run.begin import Begun, begin
from tlsrunbook.run.controller import Controller
from tlsrunbook.run.course import Course
from tlsrunbook.run.executor import LocalExecutor
from tlsrunbook.run.job import Event, ServerJob, Tell, Told
from tlsrunbook.run.rollout import SiteWork
from tlsrunbook.run.server_kernel import open_kernels

__all__ = ["Event", "ServerJob", "run_jobs"]


def run_jobs(
    jobs: Sequence[ServerJob],
    workers: int,
    tell: Callable[[Event], None],
    course: Course | None = None,
    *,
    begin: Callable[[ServerJob, Tell], Begun] = begin,
) -> tuple[Record, ...]:
    """Run all jobs at once on this computer, without waves, and give every record, in the order of the jobs.

    A server whose next step waits for another server's step gives its place to the others until that step has ended.

    Args:
        jobs: One per server.
        workers: How many servers are worked on at once.
        tell: Called from several threads, when a step starts and when it has ended.
        course: Stops the run, and gets what no record tells.
        begin: See :class:`~tlsrunbook.run.controller.Controller`.
    """
    if not jobs:
        return ()
    course = course or Course()

    def only_steps(told: Told) -> None:
        if isinstance(told, Event):
            tell(told)

    lanes = max(1, min(workers, len(jobs)))
    executor = LocalExecutor(open_kernels(lanes=lanes), lanes, only_steps, course)
    sites = [
        SiteWork(site, (tuple(job for job in jobs if job.site == site),))
        for site in dict.fromkeys(job.site for job in jobs)
    ]
    records = Controller(sites, executor, only_steps, course, begin=begin).run().records
    order = {job.place: at for at, job in enumerate(jobs)}
    return tuple(sorted(records, key=lambda record: order[record.site, record.server]))
