"""``run``: step notebooks over the servers of sites."""

from __future__ import annotations

from typing import Annotated

import typer

from tlsrunbook.cli.common import asked_for, finish, load, make_console, outcome
from tlsrunbook.cli.options import (
    RUNS,
    ClusterOption,
    EventsOption,
    ExecutorOption,
    KernelsOption,
    KeyOption,
    LogonsOption,
    RunsOption,
    ServerOption,
    ServersAtOnceOption,
    SideBySideOption,
    SiteArgument,
    StepsArgument,
    WavesOption,
)


def run(  # noqa: PLR0917 - a command takes every option that it has
    site: SiteArgument,
    steps: StepsArgument = None,
    server: ServerOption = None,
    plan: Annotated[bool, typer.Option("--plan", help="Look and decide; change nothing.")] = False,
    change: Annotated[str, typer.Option("--change", metavar="ID", help="Go on with this change.")] = "",
    ticket: Annotated[str, typer.Option("--ticket", metavar="T", help="Ticket that a new change belongs to.")] = "",
    reason: Annotated[str, typer.Option("--reason", metavar="R", help="Why a new change is made.")] = "",
    risk: Annotated[str, typer.Option("--risk", metavar="TEXT", help="Risk of a new change, as it was assessed.")] = "",
    waves: WavesOption = "",
    side_by_side: SideBySideOption = False,
    workers: ServersAtOnceOption = None,
    logons_per_minute: LogonsOption = 0,
    kernels: KernelsOption = "auto",
    executor: ExecutorOption = "",
    cluster: ClusterOption = None,
    runs: RunsOption = RUNS,
    key: KeyOption = "",
    as_json: EventsOption = False,
) -> None:
    """Run steps on the servers of a site, wave by wave, each as an executed notebook with its record."""
    from tlsrunbook.cli.events import json_lines
    from tlsrunbook.cli.running import How, run_sites
    from tlsrunbook.cli.sealing import sealed
    from tlsrunbook.cli.stopping import stoppable
    from tlsrunbook.run.planning import chosen_steps
    from tlsrunbook.run.waves import read_waves
    from tlsrunbook.steps.registry import STEPS, step_of

    console = make_console(as_json)
    chosen, mode = chosen_steps(STEPS, steps or [], step_of), "plan" if plan else "apply"
    asked = asked_for(chosen, server or (), mode, change, runs, named=bool(steps))
    how = How(
        workers=workers or 0,
        waves=read_waves(waves) if waves else None,
        logons_per_minute=logons_per_minute,
        side_by_side=side_by_side,
        kernels=kernels,
        executor=executor,
        cluster=cluster,
        follow=True,
        light=not plan,
    )
    sites = load(site)
    why = {"ticket": ticket, "reason": reason, "risk": risk}
    lines = json_lines() if as_json else None
    with (
        stoppable(console) as course,
        sealed(console, "run", sites, asked.runs, servers=asked.servers, key=key) as sealing,
    ):
        result = run_sites(console, sites, asked, how, why, course, sealing.signer.keyid, lines)
        sealing.outcome = outcome(result, course)
        code = finish(console, result, runs, course)
    if lines:
        lines.end(result, code, seals=sealing.data())
    raise typer.Exit(code)
