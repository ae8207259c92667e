"""What several commands do: load sites, run steps over servers, finish with a table and an exit code."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from tlsrunbook.evidence.record import Record, Status
    from tlsrunbook.run.course import Course
    from tlsrunbook.run.planning import Asked
    from tlsrunbook.site import Site

#: Exit code of a run that was told to stop before all was done: 128 and the number of SIGINT, as shells have it.
INTERRUPTED = 130


def asked_for(steps: Any, servers: Sequence[str], mode: str, change: str, runs: Path, *, fresh: bool = False) -> Asked:
    """Put together what the user asked for."""
    from tlsrunbook.run.planning import Asked

    return Asked(tuple(steps), tuple(servers), mode, change, runs.absolute(), fresh)


def load(path: Path) -> tuple[Site, ...]:
    """Load a site file, or a folder of them."""
    from tlsrunbook.site import load_sites

    return load_sites(path)


def run_sites(
    console: Console,
    sites: Sequence[Site],
    asked: Asked,
    workers: int,
    why: dict[str, str],
    course: Course,
    keyid: str = "",
) -> tuple[Record, ...]:
    """Run the steps on the servers of these sites, shown while they run; in mode ``plan``, leave the plans.

    Args:
        course: Stops the run, and gets what no record tells.
        keyid: Of the operator's signing key, which a separate approver does not have.
    """
    from tlsrunbook.cli.plans import leave_plans, note_operator
    from tlsrunbook.console import Matrix
    from tlsrunbook.run.batch import run_jobs
    from tlsrunbook.run.change_plans import policy_facts
    from tlsrunbook.wiring import site_jobs

    policies = {one.name: policy_facts(one) for one in sites}
    jobs = [job for one in sites for job in site_jobs(one, asked, why)]
    if keyid:
        note_operator(jobs, keyid)
    rows = [(job.site, job.server) for job in jobs]
    with Matrix(console, rows, [step.id for step in asked.steps]) as matrix:
        records = run_jobs(jobs, workers, matrix.tell, course)
    if asked.mode == "plan" and any(step.needs_approval for step in asked.steps):
        leave_plans(console, jobs, records, policies)
    return records


def finish(console: Console, records: Sequence[Record], runs: Path, course: Course) -> int:
    """Print the results and give the exit code."""
    from tlsrunbook.console import results

    results(console, records)
    for site, change in dict.fromkeys((record.site, record.change) for record in records):
        say(console, f"evidence: {runs / site / change}")
    for line in course.wrong:
        print(f"tlsrunbook: {line}", file=sys.stderr)
    if not course.interrupted:
        return _worst(records, course).exit_code
    places = "".join(f"\n  {one.site} / {one.server} / {one.step}" for one in course.undone)
    print(f"tlsrunbook: interrupted; {len(course.undone)} step(s) were not begun:{places}", file=sys.stderr)
    return INTERRUPTED


def outcome(records: Sequence[Record], course: Course) -> str:
    """Give how a run ended, for its report and its seal; empty where each site's records tell it alone."""
    if course.interrupted:
        return "interrupted"
    return _worst(records, course).value if course.wrong else ""


def _worst(records: Sequence[Record], course: Course) -> Status:
    from tlsrunbook.evidence.record import Status, worst

    return worst((*(record.status for record in records), *([Status.FAILED] if course.wrong else [])))


def make_console(quiet: bool = False) -> Console:
    """Give a console; ``quiet`` keeps standard output free for JSON."""
    from rich.console import Console

    console = Console(stderr=quiet)
    # Piped output has no width of its own; wide lines are easier to search than folded ones.
    return console if console.is_terminal else Console(stderr=quiet, width=160)


def say(console: Console, text: str) -> None:
    """Print one line as it is."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def end_when_told() -> None:
    """Let a request to end the process clean up as Ctrl-C does."""
    import signal

    def end(*_: object) -> None:
        # Not by way of SIGINT: a shell lets its background jobs ignore that one.
        raise KeyboardInterrupt

    with contextlib.suppress(ValueError):  # not in the main thread: then only the caller can end it
        signal.signal(signal.SIGTERM, end)
