"""Starts a scheduler or a site's workers over distributed's public API, so that the fixed settings hold.

Only ``tlsrunbook[cluster]`` has distributed; this module is imported by the commands that start one alone.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tlsrunbook.adapters.cluster_config import FIXED, SCHEDULER, scheduler_address
from tlsrunbook.errors import UsageError

#: What a worker's process finds in its environment.
WORK_VARIABLE = "TLSRUNBOOK_WORKER_FOLDER"
SITE_VARIABLE = "TLSRUNBOOK_WORKER_SITE"
CREDENTIALS_VARIABLE = "TLSRUNBOOK_WORKER_CREDENTIALS"

_TODO = "tlsrunbook cluster init makes one"


@dataclass(frozen=True)
class NodeConfig:
    """A part's configuration, read.

    Args:
        path: The file.
        role: ``scheduler``, ``controller`` or ``worker``.
        scheduler: ``tls://host:port``.
        dask: Dask's settings by dotted name, absolute paths, the fixed ones in force.
    """

    path: Path
    role: str
    scheduler: str
    dask: Mapping[str, Any] = field(default_factory=dict)


def read_config(path: Path, role: str) -> NodeConfig:
    """Read the configuration of a part of the cluster.

    Args:
        path: The YAML file that ``cluster init`` made, or its folder.
        role: What the part shall be.

    Raises:
        UsageError: It cannot be read, is another part's, or ``tlsrunbook[cluster]`` is not installed.
    """
    import yaml  # noqa: PLC0415 - comes with distributed

    file = path / "cluster.yaml" if path.is_dir() else path
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        what = f"the cluster's configuration cannot be read: {getattr(error, 'strerror', None) or type(error).__name__}"
        raise UsageError(what, where=str(file), todo=_TODO) from error
    own = data.get("tlsrunbook") if isinstance(data, dict) else None
    if not isinstance(own, dict) or not isinstance(data.get("distributed"), dict):
        raise UsageError("this is no configuration of a cluster's part", where=str(file), todo=_TODO)
    if own.get("role") != role:
        what = f"this is the configuration of a {own.get('role')}, not of a {role}"
        raise UsageError(what, where=str(file), todo=f"name the {role}'s own")
    settings = {**dict(_dotted(data["distributed"], "distributed")), **FIXED}
    folder = file.absolute().parent
    for name, value in settings.items():
        if name.startswith("distributed.comm.tls.") and isinstance(value, str):
            settings[name] = str(folder / value)
            if not (folder / value).is_file():
                raise UsageError(f"{name} is not there", where=str(folder / value), todo=_TODO)
    return NodeConfig(file, role, scheduler_address(str(own.get("scheduler", ""))), settings)


def _dotted(table: Mapping[str, Any], above: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in table.items():
        name = f"{above}.{key}"
        found += _dotted(value, name) if isinstance(value, Mapping) else [(name, value)]
    return found


async def serve_scheduler(config: NodeConfig, host: str, port: int | None, tell: Callable[[str], None]) -> None:
    """Run the scheduler until a signal ends it.

    Args:
        config: Of role ``scheduler``.
        host: Address to listen on; empty for all.
        port: Port to listen on; None for the configured one.
        tell: Gets the address when it listens.
    """
    import dask  # noqa: PLC0415
    from distributed import Scheduler, Security  # noqa: PLC0415

    configured = int(config.scheduler.rpartition(":")[2])
    with dask.config.set(dict(config.dask)):
        scheduler = Scheduler(
            host=host or None,
            port=configured if port is None else port,
            protocol="tls",
            security=Security(),
            dashboard=False,
            dashboard_address="127.0.0.1:0",
        )
        async with scheduler:
            tell(scheduler.address)
            await _until_told(scheduler.finished())


@dataclass(frozen=True)
class WorkerPlace:
    """Where and for what workers work.

    Args:
        scheduler: Its address.
        site: Its name.
        count: Servers worked on at once: as many processes, of one thread each.
        folder: The workers' own, private; what they have not handed over yet lies there.
        credentials: Credentials file on this host, for all site files; None: what each site file says.
        host: The address at which the scheduler reaches this host; empty: found out.
        ports: ``first:last`` for the processes to listen on; empty: any.
    """

    scheduler: str
    site: str
    count: int
    folder: Path
    credentials: Path | None = None
    host: str = ""
    ports: str = ""


async def serve_workers(config: NodeConfig, place: WorkerPlace, tell: Callable[[str], None]) -> None:
    """Run the workers of a site until a signal ends them. One that dies is started anew.

    Args:
        config: Of role ``worker``.
        place: Where and for what.
        tell: Gets one line per worker when it is there.
    """
    import dask  # noqa: PLC0415
    from distributed import Nanny, Security  # noqa: PLC0415

    place.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    environment = {WORK_VARIABLE: str(place.folder), SITE_VARIABLE: place.site}
    if place.credentials:
        environment[CREDENTIALS_VARIABLE] = str(place.credentials)
    with dask.config.set(dict(config.dask)):
        async with AsyncExitStack() as stack:
            nannies = []
            for _ in range(place.count):
                nanny = Nanny(
                    place.scheduler,
                    nthreads=1,
                    resources={resource_of(place.site): 1},
                    memory_limit=0,
                    local_directory=str(place.folder / "dask"),
                    security=Security(),
                    env=environment,
                    protocol="tls",
                    host=place.host or None,
                    worker_port=place.ports or 0,
                    dashboard=False,
                    dashboard_address="127.0.0.1:0",
                )
                nannies.append(await stack.enter_async_context(nanny))
                tell(f"worker of {place.site} at {nanny.worker_address}")
            await _until_told(*(nanny.finished() for nanny in nannies))


def resource_of(site: str) -> str:
    """Give the worker resource by which jobs of a site find its workers."""
    return f"site:{site}"


async def _until_told(*ends: Any) -> None:
    """Wait until one of some ends comes, or a signal."""
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    for which in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError, ValueError):  # Windows: Ctrl-C is a KeyboardInterrupt there
            loop.add_signal_handler(which, told.set)
    waiting = [asyncio.ensure_future(end) for end in (*ends, told.wait())]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waiting:
            one.cancel()


__all__ = ["SCHEDULER", "NodeConfig", "WorkerPlace", "read_config", "resource_of", "serve_scheduler", "serve_workers"]
