"""``demo`` and ``lab``: the simulated fleet."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tlsrunbook.cli.common import asked_for, end_when_told, finish, load, make_console, outcome, say
from tlsrunbook.cli.options import RUNS, WORKERS, FaultOption, RunsOption, ServersOption, SitesOption, WorkersOption
from tlsrunbook.cli.running import How, run_sites

if TYPE_CHECKING:
    from tlsrunbook.lab.lab import Lab


def demo(
    sites: SitesOption = 2,
    servers: ServersOption = 2,
    runs: RunsOption = RUNS,
    workers: WorkersOption = WORKERS,
    fault: FaultOption = None,
) -> None:
    """Start a lab and do the whole change on it: all six steps on every server, from nothing to proof."""
    from tlsrunbook.cli.sealing import sealed
    from tlsrunbook.cli.stopping import stoppable
    from tlsrunbook.steps.registry import STEPS
    from tlsrunbook.wiring import open_lab

    console = make_console()
    end_when_told()
    with open_lab(sites=sites, servers=servers, faults=fault or []) as lab:
        folder = lab.folder / "sites"
        lab.write_site_files(folder)
        say(
            console,
            f"The lab runs: {sites} site(s), {servers} server(s) each. Nothing outside this computer is touched.",
        )
        asked = asked_for(STEPS, (), "apply", "", runs, fresh=True)
        loaded = load(folder)
        why = {"reason": "demo on the lab", "ticket": "", "risk": "none: nothing outside this computer is touched"}
        with stoppable(console) as course, sealed(console, "run", loaded, asked.runs) as sealing:
            how = How(workers=workers, side_by_side=True, light=True)
            result = run_sites(console, loaded, asked, how, why, course)
            sealing.outcome = outcome(result, course)
            code = finish(console, result, runs, course)
    raise typer.Exit(code)


def lab(
    sites: SitesOption = 1,
    servers: ServersOption = 2,
    exchange: Annotated[
        str, typer.Option("--exchange", metavar="VERSION", help="2007, 2010, 2013, 2016, 2019, SE or a build.")
    ] = "SE",
    fault: FaultOption = None,
    subscribed_edge: Annotated[
        bool, typer.Option("--subscribed-edge", help="Subscribe every Edge: its send connectors are made inside.")
    ] = False,
    list_faults: Annotated[bool, typer.Option("--list-faults", help="List the misbehaviours and end.")] = False,
    site_file: Annotated[
        Path | None, typer.Option("--site-file", metavar="OUT", help="Write the site file of the one site here.")
    ] = None,
    site_dir: Annotated[
        Path | None, typer.Option("--site-dir", metavar="DIR", help="Write DIR/<site>.toml for every site.")
    ] = None,
) -> None:
    """Keep a simulated fleet running until Ctrl-C, to rehearse on."""
    from tlsrunbook.errors import UsageError
    from tlsrunbook.lab.faults import FAULTS
    from tlsrunbook.wiring import open_lab

    console = make_console()
    if list_faults:
        for known in FAULTS.values():
            say(console, f"{known.name + (':CMDLET' if known.takes_cmdlet else ''):28} {known.text}")
        return
    if site_file and (site_dir or sites > 1):
        raise UsageError("--site-file is for one site", todo="use --site-dir DIR, which gets a file per site")
    end_when_told()
    world = {"sites": sites, "servers": servers}
    lab_to_run = open_lab(**world, version=exchange, faults=fault or [], subscribed=subscribed_edge)
    with contextlib.suppress(KeyboardInterrupt), lab_to_run as running:
        written = _write_sites(running, site_file, site_dir)
        for path in written:
            say(console, f"site file: {path}")
        say(console, f"The lab runs: {sites} site(s), {servers} server(s) each, Exchange {exchange}. Ctrl-C ends it.")
        _until_interrupted()


def _until_interrupted() -> None:
    """Block until Ctrl-C."""
    import threading

    never = threading.Event()
    while not never.wait(0.5):  # on Windows, Ctrl-C is only seen between waits
        pass


def _write_sites(running: Lab, site_file: Path | None, site_dir: Path | None) -> list[Path]:
    if site_file:
        site_file.parent.mkdir(parents=True, exist_ok=True)
        site_file.write_text(running.site_file_text(running.site_names[0]), encoding="utf-8")
        return [site_file]
    folder = site_dir or running.folder / "sites"
    running.write_site_files(folder)
    return sorted(folder.glob("*.toml"))
