"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RUNS = Path("runs")
WORKERS = 4

SiteArgument = Annotated[
    Path, typer.Argument(metavar="SITE", help="A site file, or a folder of them.", show_default=False)
]
RunsOption = Annotated[Path, typer.Option("--runs", metavar="DIR", help="Folder for the evidence.")]
KeyOption = Annotated[
    str,
    typer.Option(
        "--key",
        metavar="FILE",
        help="Signing key: a PEM file or keyring:NAME. Else TLSRUNBOOK_SIGNING_KEY, else your own, made on first use.",
    ),
]
EventsOption = Annotated[
    bool, typer.Option("--json", help="Print JSON lines for programs: an event each while it runs, the result last.")
]
WavesOption = Annotated[
    str,
    typer.Option(
        "--waves",
        metavar="SIZES",
        help="How many servers are done after each wave, such as 1,25%,100%. Else as the site file says.",
    ),
]
SideBySideOption = Annotated[
    bool,
    typer.Option(
        "--side-by-side/--one-by-one",
        help="Sites at the same time, or each when the one before is done.",
        show_default="one by one",
    ),
]
LogonsOption = Annotated[
    int,
    typer.Option(
        "--logons-per-minute",
        metavar="N",
        min=0,
        max=6000,
        help="Servers begun per minute at most, over all sites. Else as the site file says.",
    ),
]
KernelsOption = Annotated[
    str, typer.Option("--kernels", metavar="KIND", help="Where kernels come from: auto, fork, pool or cold.")
]
ExecutorOption = Annotated[
    str, typer.Option("--executor", metavar="ADDRESS", help="Have workers at the sites do it: tls://HOST:8786.")
]
ClusterOption = Annotated[
    Path | None,
    typer.Option(
        "--cluster", metavar="FILE", envvar="TLSRUNBOOK_CLUSTER", help="Configuration of that cluster's controller."
    ),
]
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
StepsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[STEP]...",
        help="Steps to run, also when they are done; else those of the six that are not. Others: retire.",
    ),
]
ServerOption = Annotated[
    list[str] | None, typer.Option("--server", metavar="NAME", help="Only this server; repeatable, in this order.")
]
ServersAtOnceOption = Annotated[
    int | None,
    typer.Option(
        "--workers", min=1, max=256, help=f"Servers at once, over all sites; {WORKERS}, or all that a cluster has."
    ),
]
