"""``rollback``: undo a recorded change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tlsrunbook.cli.common import asked_for, finish, load, make_console, outcome
from tlsrunbook.cli.options import (
    RUNS,
    WORKERS,
    ClusterOption,
    EventsOption,
    ExecutorOption,
    KeyOption,
    RunsOption,
    SiteArgument,
    WorkersOption,
)

if TYPE_CHECKING:
    from tlsrunbook.site import Site


def rollback(
    site: SiteArgument,
    change: Annotated[str, typer.Option("--change", metavar="ID", help="The recorded change to undo.")],
    server: Annotated[
        list[str] | None,
        typer.Option("--server", metavar="NAME", help="Only this server; repeatable. Default: all of the change."),
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Show what would be put back; change nothing.")] = False,
    runs: RunsOption = RUNS,
    workers: WorkersOption = WORKERS,
    executor: ExecutorOption = "",
    cluster: ClusterOption = None,
    key: KeyOption = "",
    as_json: EventsOption = False,
) -> None:
    """Put back what a recorded change altered, last step first; refuses where somebody else has changed it since."""
    from tlsrunbook.cli.events import json_lines
    from tlsrunbook.cli.running import at_once, run_sites
    from tlsrunbook.cli.sealing import sealed
    from tlsrunbook.cli.stopping import stoppable
    from tlsrunbook.console import way_back
    from tlsrunbook.steps.registry import step_of

    console = make_console(as_json)
    steps, mode = (step_of("rollback"),), "plan" if plan else "apply"
    one, servers = _site_of(load(site), runs.absolute(), change)
    asked = asked_for(steps, server or servers, mode, change, runs, named=True)
    lines = json_lines() if as_json else None
    with (
        stoppable(console) as course,
        sealed(console, "rollback", [one], asked.runs, servers=asked.servers, key=key) as sealing,
    ):
        how = replace(at_once(workers), executor=executor, cluster=cluster)
        result = run_sites(console, [one], asked, how, {}, course, sealing.signer.keyid, lines)
        sealing.outcome = outcome(result, course)
        if not lines:
            way_back(console, result.records)
        code = finish(console, result, runs, course)
    if lines:
        lines.end(result, code, seals=sealing.data())
    raise typer.Exit(code)


def _site_of(sites: tuple[Site, ...], runs: Path, change: str) -> tuple[Site, tuple[str, ...]]:
    """Give the site that has the change, with the servers the change is about.

    Raises:
        UsageError: None of them has it.
    """
    from tlsrunbook.adapters.store import RunStore
    from tlsrunbook.run.planning import change_servers

    stores = {one.name: RunStore(runs, one.name) for one in sites}
    one = next((one for one in sites if change in stores[one.name].changes()), sites[-1])
    return one, change_servers(stores[one.name], change)
