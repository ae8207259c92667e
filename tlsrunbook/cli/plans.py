"""What a run leaves for its approval: the plan of each change, and who ran it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tlsrunbook.cli.common import say

if TYPE_CHECKING:
    from rich.console import Console

    from tlsrunbook.evidence.record import Record
    from tlsrunbook.run.job import ServerJob


def note_operator(jobs: Sequence[ServerJob], keyid: str) -> None:
    """Write down, in each change, whose key runs it."""
    from tlsrunbook.adapters.origin import SystemClock, who
    from tlsrunbook.run.approvals import add_operator

    for job in {(job.site, job.change): job for job in jobs}.values():
        add_operator(job.store, job.change, keyid, who(), SystemClock().now())


def leave_plans(
    console: Console, jobs: Sequence[ServerJob], records: Sequence[Record], policies: Mapping[str, Mapping[str, Any]]
) -> None:
    """Leave ``plans/<n>/plan.json`` in each change, and say how it is approved where that is required.

    Args:
        policies: By site name.
    """
    from tlsrunbook.adapters.origin import SystemClock, tool, who
    from tlsrunbook.evidence.data import utc_text
    from tlsrunbook.evidence.layout import CHANGE_PLAN
    from tlsrunbook.run.change_plans import leave_plan

    for job in {(job.site, job.change): job for job in jobs}.values():
        policy = policies[job.site]
        beside = {"made": utc_text(SystemClock().now()), "who": who(), "tool": tool(), "policy": policy}
        own = [record for record in records if (record.site, record.change) == (job.site, job.change)]
        plan = leave_plan(job.store, job.change, own, beside)
        if plan is None:
            continue
        say(console, f"plan: {job.store.folder / job.change / CHANGE_PLAN.format(plan.number)}, digest {plan.digest}")
        if policy["approval"] == "required" and plan.changing:
            say(console, f"to be approved before it is applied: tlsrunbook approve {job.change} --runs {job.runs}")
