"""``notebook``: JupyterLab on the runbook of a site, or of a lab that starts with it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tlsrunbook.cli.common import end_when_told, load, make_console, say
from tlsrunbook.cli.options import RUNS, FaultOption, KeyOption, ServersOption, SitesOption

if TYPE_CHECKING:
    from rich.console import Console

    from tlsrunbook.site import Site


def notebook(
    site: Annotated[
        Path | None, typer.Argument(metavar="[SITE]", help="A site file, or a folder of them.", show_default=False)
    ] = None,
    lab: Annotated[bool, typer.Option("--lab", help="Start a lab with it, and use its site; no real server.")] = False,
    sites: SitesOption = 1,
    servers: ServersOption = 2,
    fault: FaultOption = None,
    server: Annotated[str, typer.Option("--server", metavar="NAME", help="Choose this server at the start.")] = "",
    runs: Annotated[
        Path | None,
        typer.Option("--runs", metavar="DIR", help="Folder for the evidence: runs; with --lab a temporary one."),
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option(
            "--work", metavar="DIR", help="Folder for your copies: notebooks-SITE; with --lab a temporary one."
        ),
    ] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser.")] = True,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="8888 or the next free one; 0: any.")
    ] = None,
    key: KeyOption = "",
) -> None:
    """Open JupyterLab on your copy of the runbook, with the site chosen; Ctrl-C ends it."""
    from tlsrunbook.errors import UsageError

    if bool(site) == lab:
        raise UsageError("there is no SITE" if not lab else "SITE and --lab", todo="give a site file, or --lab")
    console = make_console()
    end_when_told()
    with contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(_temporary_folder()))
        if lab:
            loaded = load(stack.enter_context(_lab_sites(console, folder, sites, servers, fault or [])))
            runs, work = runs or folder / "runs", work or folder / "notebooks"
        elif site:
            loaded = load(site)
        _hold_key(key)
        _open(console, loaded, server, (runs or RUNS).absolute(), work, folder, port=port, browser=browser)


@contextlib.contextmanager
def _temporary_folder() -> Iterator[str]:
    # On Windows, a file may still be open for a moment in a kernel that is ending.
    with tempfile.TemporaryDirectory(prefix="tlsrunbook-", ignore_cleanup_errors=True) as folder:
        yield folder


@contextlib.contextmanager
def _lab_sites(console: Console, folder: Path, sites: int, servers: int, faults: Sequence[str]) -> Iterator[Path]:
    """Run a lab, and give the folder of its site files, which name its credential and hold none."""
    from tlsrunbook.wiring import open_lab

    with open_lab(sites=sites, servers=servers, faults=faults) as running:
        running.write_site_files(folder / "sites")
        say(
            console,
            f"The lab runs: {sites} site(s), {servers} server(s) each. Nothing outside this computer is touched.",
        )
        say(
            console,
            "What you do is kept in a temporary folder and goes with the lab, unless you give --runs or --work.",
        )
        yield folder / "sites"


def _hold_key(key: str) -> None:
    """Make sure that there is a signing key, before anything is begun. The extension takes its name from there."""
    from tlsrunbook.evidence.dsse import KEY_VARIABLE
    from tlsrunbook.wiring_evidence import load_signer

    load_signer(key)
    if key:
        os.environ[KEY_VARIABLE] = key


def _open(
    console: Console,
    sites: Sequence[Site],
    server: str,
    runs: Path,
    work: Path | None,
    temporary: Path,
    *,
    port: int | None,
    browser: bool,
) -> None:
    from tlsrunbook.ui.jupyterlab import arguments, run_jupyterlab, write_settings
    from tlsrunbook.ui.working_copy import working_copies

    if len(sites) == 1:
        root = (work or Path(f"notebooks-{sites[0].name}")).absolute()
        folders = [root]
    else:
        root = (work or Path("notebooks-sites")).absolute()
        folders = [root / one.name for one in sites]
    chosen = sites[0].server(server).name if server else ""
    copies = []
    for one, folder in zip(sites, folders, strict=True):
        given = {"site": str(one.path.absolute()), "runs": str(runs), **({"server": chosen} if one is sites[0] else {})}
        copies.append(working_copies(folder, given))
        say(console, f"notebooks of {one.name}: {folder}")
        for note in copies[-1].notes:
            say(console, f"  {note}")
    say(console, f"evidence: {runs}")
    write_settings(temporary / "jupyter")
    argv = arguments(root, copies[0].opens, f"tlsrunbook-{sites[0].name}", port=port, browser=browser)
    say(console, "JupyterLab starts; Ctrl-C here ends it.")
    run_jupyterlab(argv, temporary / "jupyter")
