"""``rehearse``: the user's own change on a lab built from the user's own site file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tlsrunbook.cli.common import asked_for, finish, load, make_console, say
from tlsrunbook.cli.options import (
    RUNS,
    WORKERS,
    FaultOption,
    JsonOption,
    RunsOption,
    SiteArgument,
    WorkersOption,
)
from tlsrunbook.cli.running import at_once, run_sites

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from tlsrunbook.evidence.record import Record
    from tlsrunbook.run.outcome import RunResult
    from tlsrunbook.site import Site


def rehearse(
    site: SiteArgument,
    state: Annotated[
        Path | None,
        typer.Option("--state", metavar="DIR", help="State of the real servers, from check --save-state DIR."),
    ] = None,
    exchange: Annotated[
        str, typer.Option("--exchange", metavar="VERSION", help="Version of servers whose state is not saved.")
    ] = "SE",
    edge: Annotated[
        list[str] | None,
        typer.Option("--edge", metavar="NAME", help="This server is an Edge Transport server; repeatable."),
    ] = None,
    server: Annotated[
        list[str] | None, typer.Option("--server", metavar="NAME", help="Only this server; repeatable.")
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="End after the plan.")] = False,
    fault: FaultOption = None,
    runs: RunsOption = RUNS,
    workers: WorkersOption = WORKERS,
    as_json: JsonOption = False,
) -> None:
    """Rehearse the whole change on a lab made from your site file; no real server is touched."""
    from tlsrunbook.cli.stopping import stoppable
    from tlsrunbook.rehearsal import rehearsal
    from tlsrunbook.steps.registry import STEPS

    console = make_console(as_json)
    sites = load(site)
    for name in edge or []:
        _known(sites, name)
    lab_of_sites = rehearsal(
        sites, runs.absolute(), state=state, version=exchange, edges=edge or [], faults=fault or []
    )
    with stoppable(console) as course, lab_of_sites as lab:
        say(console, "REHEARSAL: a lab stands for every server of the site file. No real server is touched.")
        for text in lab.assumed:
            say(console, f"assumed: {text}")
        why = {"reason": f"rehearsal of {site}", "ticket": ""}
        asked = asked_for(STEPS, server or (), "plan", "", lab.runs)
        planned = run_sites(console, lab.sites, asked, at_once(workers), why, course)
        _show_plan(console, planned.records)
        applied: RunResult | None = None
        if not plan and not course.stopping:
            lab.answer_all()
            say(console, "\nThe same change, applied to the lab:")
            asked = asked_for(STEPS, server or (), "apply", "", lab.runs)
            applied = run_sites(console, lab.sites, asked, at_once(workers), why, course)
        if as_json:
            both = {"planned": planned, "applied": applied}
            told = {name: [one.data() for one in result.records] if result else [] for name, result in both.items()}
            print(json.dumps(told, ensure_ascii=False))
        code = finish(console, applied or planned, lab.runs, course)
    say(console, "This was a rehearsal: the records say so, and no real server was touched.")
    raise typer.Exit(code)


def _known(sites: Sequence[Site], name: str) -> None:
    from tlsrunbook.errors import UsageError

    known = [server.name for one in sites for server in one.servers]
    if name.upper() not in known:
        raise UsageError(f"there is no server {name!r}", where="--edge", todo=f"use one of {', '.join(known)}")


def _show_plan(console: Console, records: Sequence[Record]) -> None:
    """Print what would be done, per server and step, with the PowerShell text."""
    say(console, "\nWhat would be done:")
    for record in records:
        say(console, f"\n{record.site} / {record.server} / {record.step}: {record.summary}")
        for finding in record.findings:
            if finding["severity"] in ("refuse", "warning") or (finding["severity"] == "error" and not record.plan):
                say(console, f"  ! {finding['rule']}: {finding['message']} -> {finding['todo']}")
        for number, item in enumerate(record.plan.get("items", ()), start=1):
            _show_item(console, number, item)


def _show_item(console: Console, number: int, item: Mapping[str, Any]) -> None:
    from tlsrunbook.evidence.display import shown

    say(console, f"  {number}. {item['why']}")
    for change in item["changes"]:
        was, becomes = shown(change["have"]), shown(change["want"])
        say(console, f"     {change['target']}: {change['property']}: {was} -> {becomes}")
    does = item["does"]
    if isinstance(does, list):
        say(console, "     PS> " + " | ".join(command["text"] for command in does))
