"""What several commands do: load sites, finish a run with a table and an exit code."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from tlsrunbook.evidence.record import Status
    from tlsrunbook.run.course import Course
    from tlsrunbook.run.outcome import RunResult
    from tlsrunbook.run.planning import Asked
    from tlsrunbook.site import Site

#: Exit code of a run that was told to stop before all was done: 128 and the number of SIGINT, as shells have it.
INTERRUPTED = 130
#: So many steps that were not begun are named one by one.
_LISTED = 40


def asked_for(
    steps: Any,
    servers: Sequence[str],
    mode: str,
    change: str,
    runs: Path,
    *,
    fresh: bool = False,
    named: bool = False,
) -> Asked:
    """Put together what the user asked for."""
    from tlsrunbook.run.planning import Asked

    return Asked(tuple(steps), tuple(servers), mode, change, runs.absolute(), fresh, named)


def load(path: Path) -> tuple[Site, ...]:
    """Load a site file, or a folder of them."""
    from tlsrunbook.site import load_sites

    return load_sites(path)


def finish(console: Console, result: RunResult, runs: Path, course: Course) -> int:
    """Print the results and give the exit code."""
    from tlsrunbook.console import results

    if result.records:
        results(console, result.records)
    _tell_rest(console, result)
    places = dict.fromkeys((record.site, record.change) for record in (*result.reconciled, *result.records))
    for site, change in places:
        say(console, f"evidence: {runs / site / change}")
    for line in course.wrong:
        print(f"tlsrunbook: {line}", file=sys.stderr)
    if not course.interrupted:
        return _worst(result, course).exit_code
    undone = "".join(f"\n  {one.site} / {one.server} / {one.step}" for one in course.undone[:_LISTED])
    more = len(course.undone) - _LISTED
    undone += f"\n  and {more} more" if more > 0 else ""
    print(f"tlsrunbook: interrupted; {len(course.undone)} step(s) were not begun:{undone}", file=sys.stderr)
    return INTERRUPTED


def _tell_rest(console: Console, result: RunResult) -> None:
    """Say what was not run, and why: done before, somebody else at work, a wave that was not begun."""
    before: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (site, server), steps in result.done_before.items():
        before.setdefault((site, steps), []).append(server)
    for (site, steps), servers in before.items():
        say(console, f"{site}: done already, not run again: {', '.join(steps)}: {some(servers)}")
    left: dict[tuple[str, str], list[str]] = {}
    for one in result.left:
        left.setdefault((one.site, one.why), []).append(one.server)
    for (site, why), servers in left.items():
        say(console, f"{site}: not begun: {some(servers)}: {why}")
    worked = {record.site for record in result.records}
    for site in dict.fromkeys(site for site, _ in result.endings):
        own = [ending for (other, _), ending in result.endings.items() if other == site]
        if site not in worked and all(ending.value == "done" for ending in own):
            say(console, f"{site}: nothing is left to do: every step that was asked for is done")
    waits = any((record.step, record.status.value) == ("request", "waiting") for record in result.records)
    if waits and any("confirm" in one.steps for one in result.left):  # those have handed in nothing yet
        say(console, "to hand in the CSRs of all servers at once: tlsrunbook run SITE confirm request")


def some(names: Iterable[str], most: int = 6) -> str:
    """Name some, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def outcome(result: RunResult, course: Course) -> str:
    """Give how a run ended, for its report and its seal; empty where each site's records tell it alone."""
    if course.interrupted:
        return "interrupted"
    return _worst(result, course).value if course.wrong else ""


def _worst(result: RunResult, course: Course) -> Status:
    from tlsrunbook.evidence.record import Status, worst

    statuses = [record.status for record in result.records]
    statuses += [Status.FAILED] if course.wrong else []
    # Nothing was done there and something is left to do, as with a server that waits.
    statuses += [Status.BLOCKED] if result.left else []
    return worst(tuple(statuses))


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
