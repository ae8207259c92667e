"""``run``, ``check`` and ``status``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from tlsrunbook.cli.common import asked_for, finish, load, make_console, outcome, run_sites
from tlsrunbook.cli.options import RUNS, WORKERS, JsonOption, KeyOption, RunsOption, SiteArgument, WorkersOption


def run(
    site: SiteArgument,
    steps: Annotated[
        list[str] | None,
        typer.Argument(metavar="[STEP]...", help="Steps to run; the six when none is named. Others: retire."),
    ] = None,
    server: Annotated[
        list[str] | None, typer.Option("--server", metavar="NAME", help="Only this server; repeatable.")
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Look and decide; change nothing.")] = False,
    change: Annotated[str, typer.Option("--change", metavar="ID", help="Go on with this change.")] = "",
    ticket: Annotated[str, typer.Option("--ticket", metavar="T", help="Ticket that a new change belongs to.")] = "",
    reason: Annotated[str, typer.Option("--reason", metavar="R", help="Why a new change is made.")] = "",
    risk: Annotated[str, typer.Option("--risk", metavar="TEXT", help="Risk of a new change, as it was assessed.")] = "",
    runs: RunsOption = RUNS,
    workers: WorkersOption = WORKERS,
    key: KeyOption = "",
    as_json: JsonOption = False,
) -> None:
    """Run steps on the servers of a site, each as an executed notebook with its record."""
    from tlsrunbook.cli.sealing import sealed
    from tlsrunbook.cli.stopping import stoppable
    from tlsrunbook.run.planning import chosen_steps
    from tlsrunbook.steps.registry import STEPS, step_of

    console = make_console(as_json)
    asked = asked_for(
        chosen_steps(STEPS, steps or [], step_of), server or (), "plan" if plan else "apply", change, runs
    )
    sites = load(site)
    why = {"ticket": ticket, "reason": reason, "risk": risk}
    with (
        stoppable(console) as course,
        sealed(console, "run", sites, asked.runs, servers=asked.servers, key=key) as sealing,
    ):
        records = run_sites(console, sites, asked, workers, why, course, sealing.signer.keyid)
        sealing.outcome = outcome(records, course)
        if as_json:
            print(json.dumps([record.data() for record in records], ensure_ascii=False))
        code = finish(console, records, runs, course)
    raise typer.Exit(code)


def check(
    site: SiteArgument,
    save_state: Annotated[
        Path | None,
        typer.Option("--save-state", metavar="DIR", help="Write each server's state here, for tlsrunbook rehearse."),
    ] = None,
    runs: RunsOption = RUNS,
    as_json: JsonOption = False,
    workers: WorkersOption = WORKERS,
) -> None:
    """Check site file, credentials, reachability, rights, versions and authority; reads only."""
    from dataclasses import asdict

    from tlsrunbook import console as show
    from tlsrunbook.rehearsal import keeper
    from tlsrunbook.wiring import check_site

    console = make_console(as_json)
    rows = []
    for one in load(site):
        keep = keeper(one, save_state, runs.absolute()) if save_state else None
        rows += [(one.name, row) for row in check_site(one, workers, keep)]
    if as_json:
        print(json.dumps([{"site": name, **asdict(row)} for name, row in rows], ensure_ascii=False))
    else:
        show.check_table(console, rows)
    raise typer.Exit(0 if all(row.ok for _, row in rows) else 1)


def status(
    site: SiteArgument,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="OUT", help="Write the fleet's page here instead of the table.")
    ] = None,
    runs: RunsOption = RUNS,
    as_json: JsonOption = False,
) -> None:
    """Show from the records where every server of a site stands."""
    from tlsrunbook import console as show
    from tlsrunbook.steps.registry import OPTIONAL, STEP_IDS
    from tlsrunbook.ui.post import troubles_of
    from tlsrunbook.wiring import standing

    console = make_console(as_json)
    if html:
        from tlsrunbook.cli.fleet import write_page

        write_page(console, load(site), runs, html)
        if not as_json:
            return
    rows = [(one.name, *row) for one in load(site) for row in standing(one, runs.absolute())]
    if as_json:
        data = [
            {"site": name, "server": server, "change": change, "steps": {k: v.data() for k, v in last.items()}}
            for name, server, change, last in rows
        ]
        print(json.dumps(data, ensure_ascii=False))
    else:
        others = [step.id for step in OPTIONAL if any(step.id in last for *_, last in rows)]
        show.status_table(console, rows, [*STEP_IDS, *others])
    for name in dict.fromkeys(name for name, *_ in rows):
        for trouble in troubles_of(runs.absolute() / name):
            print(f"tlsrunbook: not archived or sealed from JupyterLab: {trouble}", file=sys.stderr)
