"""The command line. Imports what a command needs when it runs, so that ``--help`` is quick."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tlsrunbook.about import __version__
from tlsrunbook.errors import TlsRunbookError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from tlsrunbook.evidence.record import Record
    from tlsrunbook.lab.lab import Lab
    from tlsrunbook.run.planning import Asked
    from tlsrunbook.site import Site

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Public TLS certificates on the SMTP connectors of Exchange, from the request to the proof on the wire.",
)

SiteArgument = Annotated[
    Path, typer.Argument(metavar="SITE", help="A site file, or a folder of them.", show_default=False)
]
RunsOption = Annotated[Path, typer.Option("--runs", metavar="DIR", help="Folder for the evidence.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
WorkersOption = Annotated[int, typer.Option("--workers", min=1, max=256, help="Servers worked on at once.")]
SitesOption = Annotated[int, typer.Option("--sites", min=1, max=200, help="Number of sites.")]
ServersOption = Annotated[
    int, typer.Option("--servers", min=1, max=500, help="Servers per site, Edge and Mailbox in turn.")
]
FaultOption = Annotated[
    list[str] | None,
    typer.Option(
        "--fault", metavar="NAME", help="A misbehaviour, such as gone-after-run:Import-ExchangeCertificate@EDGE1."
    ),
]

_RUNS = Path("runs")
_WORKERS = 4


@app.command()
def demo(
    sites: SitesOption = 2,
    servers: ServersOption = 2,
    runs: RunsOption = _RUNS,
    workers: WorkersOption = _WORKERS,
    fault: FaultOption = None,
) -> None:
    """Start a lab and do the whole change on it: all six steps on every server, from nothing to proof."""
    from tlsrunbook.steps.registry import STEPS
    from tlsrunbook.wiring import open_lab

    console = _console()
    with open_lab(sites=sites, servers=servers, faults=fault or []) as lab:
        folder = lab.folder / "sites"
        lab.write_site_files(folder)
        _say(
            console,
            f"The lab runs: {sites} site(s), {servers} server(s) each. Nothing outside this computer is touched.",
        )
        asked = _asked(STEPS, (), "apply", "", runs, fresh=True)
        records = _run_sites(console, _load(folder), asked, workers, {"reason": "demo on the lab", "ticket": ""})
    raise typer.Exit(_finish(console, records, runs))


@app.command()
def lab(
    sites: SitesOption = 1,
    servers: ServersOption = 2,
    exchange: Annotated[
        str, typer.Option("--exchange", metavar="VERSION", help="2007, 2010, 2013, 2016, 2019, SE or a build.")
    ] = "SE",
    fault: FaultOption = None,
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

    console = _console()
    if list_faults:
        for known in FAULTS.values():
            _say(console, f"{known.name + (':CMDLET' if known.takes_cmdlet else ''):28} {known.text}")
        return
    if site_file and (site_dir or sites > 1):
        raise UsageError("--site-file is for one site", todo="use --site-dir DIR, which gets a file per site")
    with open_lab(sites=sites, servers=servers, version=exchange, faults=fault or []) as running:
        written = _write_sites(running, site_file, site_dir)
        for path in written:
            _say(console, f"site file: {path}")
        _say(console, f"The lab runs: {sites} site(s), {servers} server(s) each, Exchange {exchange}. Ctrl-C ends it.")
        _until_interrupted()


def _until_interrupted() -> None:
    """Block until Ctrl-C, or until the process is asked to end."""
    import signal
    import threading

    with contextlib.suppress(ValueError):  # not in the main thread: then only the caller can end it
        signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    never = threading.Event()
    with contextlib.suppress(KeyboardInterrupt):
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


@app.command()
def run(
    site: SiteArgument,
    steps: Annotated[
        list[str] | None, typer.Argument(metavar="[STEP]...", help="Steps to run; all six when none is named.")
    ] = None,
    server: Annotated[
        list[str] | None, typer.Option("--server", metavar="NAME", help="Only this server; repeatable.")
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Look and decide; change nothing.")] = False,
    change: Annotated[str, typer.Option("--change", metavar="ID", help="Go on with this change.")] = "",
    ticket: Annotated[str, typer.Option("--ticket", metavar="T", help="Ticket that a new change belongs to.")] = "",
    reason: Annotated[str, typer.Option("--reason", metavar="R", help="Why a new change is made.")] = "",
    runs: RunsOption = _RUNS,
    workers: WorkersOption = _WORKERS,
    as_json: JsonOption = False,
) -> None:
    """Run steps on the servers of a site, each as an executed notebook with its record."""
    from tlsrunbook.run.planning import chosen_steps
    from tlsrunbook.steps.registry import STEPS, step_of

    console = _console(as_json)
    asked = _asked(chosen_steps(STEPS, steps or [], step_of), server or (), "plan" if plan else "apply", change, runs)
    records = _run_sites(console, _load(site), asked, workers, {"ticket": ticket, "reason": reason})
    if as_json:
        print(json.dumps([record.data() for record in records], ensure_ascii=False))
    raise typer.Exit(_finish(console, records, runs))


@app.command()
def check(site: SiteArgument, as_json: JsonOption = False, workers: WorkersOption = _WORKERS) -> None:
    """Check site file, credentials, reachability, rights, versions and authority; reads only."""
    from dataclasses import asdict

    from tlsrunbook import console as show
    from tlsrunbook.wiring import check_site

    console = _console(as_json)
    rows = [(one.name, row) for one in _load(site) for row in check_site(one, workers)]
    if as_json:
        print(json.dumps([{"site": name, **asdict(row)} for name, row in rows], ensure_ascii=False))
    else:
        show.check_table(console, rows)
    raise typer.Exit(0 if all(row.ok for _, row in rows) else 1)


@app.command()
def status(site: SiteArgument, runs: RunsOption = _RUNS, as_json: JsonOption = False) -> None:
    """Show from the records where every server of a site stands."""
    from tlsrunbook import console as show
    from tlsrunbook.steps.registry import STEP_IDS
    from tlsrunbook.wiring import standing

    console = _console(as_json)
    rows = [(one.name, *row) for one in _load(site) for row in standing(one, runs.absolute())]
    if as_json:
        data = [
            {"site": name, "server": server, "change": change, "steps": {k: v.data() for k, v in last.items()}}
            for name, server, change, last in rows
        ]
        print(json.dumps(data, ensure_ascii=False))
    else:
        show.status_table(console, rows, STEP_IDS)


def _asked(steps: Any, servers: Sequence[str], mode: str, change: str, runs: Path, *, fresh: bool = False) -> Asked:
    from tlsrunbook.run.planning import Asked

    return Asked(tuple(steps), tuple(servers), mode, change, runs.absolute(), fresh)


def _load(path: Path) -> tuple[Site, ...]:
    from tlsrunbook.site import load_sites

    return load_sites(path)


def _run_sites(
    console: Console, sites: Sequence[Site], asked: Asked, workers: int, why: dict[str, str]
) -> tuple[Record, ...]:
    from tlsrunbook.console import Matrix
    from tlsrunbook.run.batch import run_jobs
    from tlsrunbook.wiring import site_jobs

    jobs = [job for one in sites for job in site_jobs(one, asked, why)]
    rows = [(job.site, job.server) for job in jobs]
    with Matrix(console, rows, [step.id for step in asked.steps]) as matrix:
        return run_jobs(jobs, workers, matrix.tell)


def _finish(console: Console, records: Sequence[Record], runs: Path) -> int:
    from tlsrunbook.console import results
    from tlsrunbook.evidence.record import worst

    results(console, records)
    for site, change in dict.fromkeys((record.site, record.change) for record in records):
        _say(console, f"evidence: {runs / site / change}")
    return worst(tuple(record.status for record in records)).exit_code


def _console(quiet: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=quiet)


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"tlsrunbook {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del version


def main() -> None:
    """Run the command line; every expected error is one message and its exit code."""
    try:
        app()
    except TlsRunbookError as error:
        print(f"tlsrunbook: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("tlsrunbook: interrupted", file=sys.stderr)
        sys.exit(130)
