"""``check`` and ``status``: they look, and change nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from tlsrunbook.cli.common import load, make_console
from tlsrunbook.cli.options import RUNS, WORKERS, JsonOption, RunsOption, SiteArgument, WorkersOption


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
    """Show from the records where every server of a site stands, and who works on it now."""
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
    rows = [(one.name, now) for one in load(site) for now in standing(one, runs.absolute())]
    if as_json:
        print(json.dumps([{"site": name, **now.data()} for name, now in rows], ensure_ascii=False))
    else:
        others = [step.id for step in OPTIONAL if any(step.id in now.last for _, now in rows)]
        show.status_table(console, rows, [*STEP_IDS, *others])
    for name in dict.fromkeys(name for name, _ in rows):
        for trouble in troubles_of(runs.absolute() / name):
            print(f"tlsrunbook: not archived or sealed from JupyterLab: {trouble}", file=sys.stderr)
