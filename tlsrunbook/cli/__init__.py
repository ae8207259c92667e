"""The command line. Commands import what they need when they run, so that ``--help`` is quick."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from tlsrunbook.about import __version__
from tlsrunbook.cli.approve import approve
from tlsrunbook.cli.audit import audit
from tlsrunbook.cli.cluster import cluster
from tlsrunbook.cli.fleet import due
from tlsrunbook.cli.lab import demo, lab
from tlsrunbook.cli.look import check, status
from tlsrunbook.cli.notebook import notebook
from tlsrunbook.cli.rehearse import rehearse
from tlsrunbook.cli.rollback import rollback
from tlsrunbook.cli.run import run
from tlsrunbook.errors import TlsRunbookError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Public TLS certificates on the SMTP connectors of Exchange, from the request to the proof on the wire.",
)

for command in (demo, lab, notebook, rehearse, check, run, rollback, approve, status, due):
    app.command()(command)
app.add_typer(audit, name="audit")
app.add_typer(cluster, name="cluster")


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
    except OSError as error:  # such as a full disk under a file that is no evidence
        print(f"tlsrunbook: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("tlsrunbook: interrupted", file=sys.stderr)
        sys.exit(130)
