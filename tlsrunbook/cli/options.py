"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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

RUNS = Path("runs")
WORKERS = 4
