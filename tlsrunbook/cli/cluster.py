"""``cluster``: workers at the sites, over Dask with TLS."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tlsrunbook.cli.common import make_console, say
from tlsrunbook.errors import UsageError

cluster = typer.Typer(no_args_is_help=True, help="Workers at the sites, for run --executor; needs the extra 'cluster'.")

ConfigArgument = Annotated[
    Path, typer.Argument(metavar="CONFIG", help="The part's cluster.yaml, or its folder.", show_default=False)
]

_TRUST = (
    "Dask checks that a certificate is of this CA, and neither names nor roles: whoever holds a certificate and key of "
    "it can run code on every worker and on the controller, as the user it runs as. Use the CA for nothing else, and "
    "take ca-key.pem off this host."
)
_WINDOWS = "On Windows, key files have the access list of their folder: see that only you are on it."


@cluster.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the cluster.", show_default=False)],
    scheduler: Annotated[
        str, typer.Option("--scheduler", metavar="HOST[:PORT]", help="Where workers and controller reach it.")
    ],
    site: Annotated[list[str], typer.Option("--site", metavar="NAME", help="A site with a worker; repeatable.")],
    renew: Annotated[
        bool, typer.Option("--renew", help="New keys, certificates and configurations for what is named; the CA stays.")
    ] = False,
    days: Annotated[int, typer.Option("--days", min=1, max=825, help="How long a certificate is valid.")] = 397,
) -> None:
    """Make a CA for the cluster, a certificate per part, and its configuration. Keeps what is there."""
    import os

    from tlsrunbook.adapters.cluster_config import CONFIG, CONTROLLER, SCHEDULER, SITES, make_cluster, scheduler_address

    console = make_console()
    sites = tuple(dict.fromkeys(_site(name) for name in site))
    for made in make_cluster(folder, scheduler, sites, renew=renew, days=days):
        say(console, f"{made.state:8}{made.path}{f': {made.note}' if made.note else ''}")
    say(console, f"\n{_TRUST}")
    if os.name == "nt":
        say(console, _WINDOWS)
    say(console, "\nCarry each folder to its host, and start:")
    say(console, f"  on the scheduler's host:  tlsrunbook cluster scheduler {folder / SCHEDULER / CONFIG}")
    for name in sites:
        say(console, f"  at {name}:  tlsrunbook cluster worker {folder / SITES / name / CONFIG} --site {name}")
    address = scheduler_address(scheduler)
    say(console, f"  here:  tlsrunbook run SITES --executor {address} --cluster {folder / CONTROLLER / CONFIG}")


def _site(name: str) -> str:
    from tlsrunbook.site.values import site_name

    try:
        return site_name(name)
    except ValueError as error:
        raise UsageError(f"{name!r} is no site's name", todo="write it as in the site file: lower case") from error


@cluster.command()
def scheduler(
    config: ConfigArgument,
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Address to listen on; empty for all.")] = "",
    port: Annotated[int | None, typer.Option("--port", min=0, max=65535, help="Port, instead of its own.")] = None,
) -> None:
    """Run the scheduler, until Ctrl-C."""
    import asyncio

    node = _node()
    console = make_console()
    read = node.read_config(config, "scheduler")
    asyncio.run(node.serve_scheduler(read, host, port, lambda address: say(console, f"scheduler at {address}")))


@cluster.command()
def worker(
    config: ConfigArgument,
    site: Annotated[str, typer.Option("--site", metavar="NAME", help="The site it works for.")],
    count: Annotated[int, typer.Option("--workers", min=1, max=256, help="Servers worked on at once.")] = 4,
    scheduler: Annotated[
        str, typer.Option("--scheduler", metavar="HOST[:PORT]", help="Another one than CONFIG says.")
    ] = "",
    work: Annotated[
        Path | None, typer.Option("--work", metavar="DIR", help="The workers' own folder; else beside CONFIG.")
    ] = None,
    credentials: Annotated[
        Path | None,
        typer.Option("--credentials", metavar="FILE", help="Credentials file on this host; else the site file's."),
    ] = None,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Where the scheduler reaches this host; else found out.")
    ] = "",
    ports: Annotated[
        str, typer.Option("--ports", metavar="FIRST:LAST", help="Ports to listen on, for a firewall; else any.")
    ] = "",
) -> None:
    """Run the workers of a site, until Ctrl-C."""
    import asyncio

    from tlsrunbook.adapters.cluster_config import scheduler_address

    node = _node()
    console = make_console()
    read = node.read_config(config, "worker")
    folder = (work or read.path.absolute().parent / "work").absolute()
    address = scheduler_address(scheduler) if scheduler else read.scheduler
    place = node.WorkerPlace(address, site, count, folder, credentials.absolute() if credentials else None, host, ports)
    asyncio.run(node.serve_workers(read, place, lambda line: say(console, line)))


def _node() -> Any:
    from importlib.util import find_spec

    if find_spec("distributed") is None:
        raise UsageError("distributed is not installed", todo="pip install 'tlsrunbook[cluster]'")
    from tlsrunbook.adapters import cluster_node

    return cluster_node
