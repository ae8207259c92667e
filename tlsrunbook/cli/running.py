"""Runs steps over the servers of sites as a command was told to, and shows it meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tlsrunbook.cli.following import Following
from tlsrunbook.cli.options import WORKERS

if TYPE_CHECKING:
    from rich.console import Console

    from tlsrunbook.cli.events import JsonLines
    from tlsrunbook.evidence.record import Record
    from tlsrunbook.run.course import Course
    from tlsrunbook.run.executor import Executor
    from tlsrunbook.run.job import Tell, Told
    from tlsrunbook.run.outcome import RunResult
    from tlsrunbook.run.planning import Asked
    from tlsrunbook.run.rollout import SiteWork
    from tlsrunbook.run.waves import Sizes
    from tlsrunbook.site import Site


class View(Protocol):
    """Takes what is told."""

    def tell(self, told: Told) -> None:
        """Take it; from any thread."""


#: Servers at once where workers at the sites do the work.
_REMOTE_WORKERS = 1024


@dataclass(frozen=True)
class How:
    """How the servers are gone through.

    Args:
        workers: Servers at once, over all sites; 0 leaves it to the executor.
        waves: Instead of each site's policy; None keeps to it.
        logons_per_minute: The same; 0 keeps to the policy.
        side_by_side: Whether sites are worked on at the same time; else one after the other.
        kernels: Where kernels come from.
        executor: ``tls://`` address of a cluster's scheduler; empty for this computer.
        cluster: The controller's configuration of that cluster.
        follow: Whether the report of each change is written while it runs, too.
        light: Whether of the records only that is kept which the table at the end shows.
    """

    workers: int = 0
    waves: Sizes | None = None
    logons_per_minute: int = 0
    side_by_side: bool = False
    kernels: str = "auto"
    executor: str = ""
    cluster: Path | None = None
    follow: bool = False
    light: bool = False


def at_once(workers: int) -> How:
    """Give how it is done without waves: all servers of all sites, as many at once as there are workers."""
    from tlsrunbook.run.waves import AT_ONCE

    return How(workers=workers, waves=AT_ONCE, side_by_side=True)


def run_sites(
    console: Console,
    sites: Sequence[Site],
    asked: Asked,
    how: How,
    why: dict[str, str],
    course: Course,
    keyid: str = "",
    lines: JsonLines | None = None,
) -> RunResult:
    """Run the steps on the servers of these sites, shown while they run; in mode ``plan``, leave the plans.

    Args:
        course: Stops the run, and gets what no record tells.
        keyid: Of the operator's signing key, which a separate approver does not have.
        lines: Gets every event, for programs.
    """
    from tlsrunbook.cli.plans import leave_plans, note_operator
    from tlsrunbook.run.change_plans import policy_facts
    from tlsrunbook.run.planning import site_work
    from tlsrunbook.wiring import site_jobs

    if how.executor:
        from tlsrunbook.wiring_cluster import refuse_unusable

        refuse_unusable(how.executor, how.cluster)
    _refuse_unusable(how)
    policies = {one.name: policy_facts(one) for one in sites}
    jobs = {one.name: site_jobs(one, asked, why, elsewhere=bool(how.executor)) for one in sites}
    flat = [job for own in jobs.values() for job in own]
    if keyid:
        note_operator(flat, keyid)
    works = [site_work(one, jobs[one.name], how.waves, how.logons_per_minute) for one in sites]
    if lines:
        lines.begin(works, [step.id for step in asked.steps], asked.mode)
    result = _perform(console, works, asked, how, course, lines)
    if asked.mode == "plan" and any(step.needs_approval for step in asked.steps):
        leave_plans(console, flat, result.records, policies)
    return result


def _perform(
    console: Console, works: Sequence[SiteWork], asked: Asked, how: How, course: Course, lines: JsonLines | None
) -> RunResult:
    from tlsrunbook.console import as_shown
    from tlsrunbook.run.controller import Controller

    make, capacity = _executor(how, sum(len(wave) for site in works for wave in site.waves))
    # Where nothing that mail goes through is changed, no site has to wait for another one.
    one_by_one = not how.side_by_side and any(len(site.waves) > 1 or site.stop_after for site in works)
    with ExitStack() as stack:
        views: list[View] = [stack.enter_context(_view(console, works, asked, capacity, how, live=lines is None))]
        views += [lines] if lines else []
        views += [stack.enter_context(Following(works))] if how.follow else []

        def tell(told: Told) -> None:
            for one in views:
                one.tell(told)

        executor = make(tell, course)
        return Controller(
            works,
            executor,
            tell,
            course,
            one_by_one=one_by_one,
            logons_per_minute=how.logons_per_minute,
            keep=as_shown if how.light else _whole,
        ).run()


def _view(
    console: Console, works: Sequence[SiteWork], asked: Asked, capacity: int, how: How, *, live: bool
) -> AbstractContextManager[View]:
    from tlsrunbook.cli.events import LineView
    from tlsrunbook.cli.live import LiveView
    from tlsrunbook.cli.progress import Progress

    if not live or not console.is_terminal or console.is_dumb_terminal:
        return LineView(console)
    progress = Progress(works, capacity, side_by_side=how.side_by_side)
    return LiveView(console, len(works), [step.id for step in asked.steps], progress)


def _refuse_unusable(how: How) -> None:
    """Refuse what cannot be done, before a change is begun.

    Raises:
        UsageError: There are no such kernels, or no such cluster.
    """
    from tlsrunbook.run.server_kernel import refuse_kind

    refuse_kind(how.kernels)
    if how.executor:
        from tlsrunbook.wiring_cluster import refuse_unusable

        refuse_unusable(how.executor, how.cluster)


def _executor(how: How, count: int) -> tuple[Callable[[Tell, Course], Executor], int]:
    """Give what makes the executor, and how many servers it works on at once."""
    if how.executor:
        from tlsrunbook.wiring_cluster import cluster_executor

        capacity = max(1, min(how.workers or _REMOTE_WORKERS, count))
        return cluster_executor(how.executor, how.cluster, capacity), capacity
    from tlsrunbook.run.executor import LocalExecutor
    from tlsrunbook.run.server_kernel import open_kernels

    capacity = max(1, min(how.workers or WORKERS, count))
    kernels = open_kernels(how.kernels, capacity)
    return lambda tell, course: LocalExecutor(kernels, capacity, tell, course), capacity


def _whole(record: Record) -> Record:
    return record
