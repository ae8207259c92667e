"""The configuration of each part of a Dask cluster: one folder per part, which is carried to its host as it is.

The files are Dask's own YAML, with one table of ours. What must not be otherwise for changes (:data:`FIXED`) is put
over whatever the file says when a part starts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tlsrunbook.adapters import cluster_ca
from tlsrunbook.adapters.cluster_ca import CA_FILE, CERTIFICATE, KEY
from tlsrunbook.errors import UsageError

CONFIG = "cluster.yaml"
CONTROLLER, SCHEDULER, SITES, CA = "controller", "scheduler", "sites", "ca"
PORT = 8786
#: A site without a worker is told after so long.
NO_WORKER = "60s"
#: A certificate that ends within this time is told about.
SOON = timedelta(days=30)

#: Why each: ``docs/scale.md``. Dotted names, as Dask has them.
FIXED: dict[str, Any] = {
    "distributed.scheduler.allowed-failures": 0,
    "distributed.scheduler.work-stealing": False,
    "distributed.comm.require-encryption": True,
    "distributed.comm.default-scheme": "tls",
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.daemon": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.worker.profile.enabled": False,
}
_ROLES = {CONTROLLER: "client", SCHEDULER: "scheduler"}


@dataclass(frozen=True)
class Part:
    """One part of a cluster: the scheduler, the controller, or the worker of a site.

    Args:
        folder: Where its files are, below the cluster's.
        role: As certificates know it.
        name: For people.
    """

    folder: str
    role: str
    name: str


@dataclass(frozen=True)
class Made:
    """What ``cluster init`` did with one file.

    Args:
        path: Where it is.
        state: ``made``, ``kept`` or ``renewed``.
        note: What to do about it; may be empty.
    """

    path: Path
    state: str
    note: str = ""


def parts_of(sites: Sequence[str]) -> tuple[Part, ...]:
    """Give all parts of a cluster for some sites."""
    workers = tuple(Part(f"{SITES}/{site}", "worker", f"worker of {site}") for site in sites)
    return Part(SCHEDULER, SCHEDULER, SCHEDULER), Part(CONTROLLER, CONTROLLER, CONTROLLER), *workers


def make_cluster(
    folder: Path, scheduler: str, sites: Sequence[str], *, renew: bool = False, days: int = cluster_ca.LEAF_DAYS
) -> list[Made]:
    """Make what is missing of a cluster's CA, certificates and configurations. What is there is kept.

    Args:
        folder: Of the cluster.
        scheduler: ``host`` or ``host:port``, as workers and controller reach it.
        sites: Names of sites.
        renew: Give every part named here a new key and certificate, and its configuration anew. The CA stays.
        days: How long a certificate is valid.

    Raises:
        UsageError: The CA's key is needed and not there.
        OSError: The disk refuses.
    """
    address = scheduler_address(scheduler)
    ca, new = cluster_ca.open_ca(folder / CA)
    done = [Made(folder / CA / cluster_ca.CA_KEY, "made" if new else "kept", "keep it off every other host")]
    for part in parts_of(sites):
        done += _make_part(folder / part.folder, part, ca, config_text(part, address), renew=renew, days=days)
    return done


def _make_part(place: Path, part: Part, ca: cluster_ca.ClusterCa, text: str, *, renew: bool, days: int) -> list[Made]:
    fresh = not (place / KEY).exists()
    if fresh or renew:
        certificate, key = ca.issue(part.role, part.name, days)
        cluster_ca.write_private(place / KEY, key)
        cluster_ca.write_new(place / CERTIFICATE, certificate)
        cluster_ca.write_new(place / CA_FILE, ca.pem)
    state = "made" if fresh else "renewed" if renew else "kept"
    done = [Made(place / KEY, state, _ending(place / CERTIFICATE))]
    config = place / CONFIG
    there = config.read_text(encoding="utf-8") if config.exists() else ""
    if not there or renew:
        cluster_ca.write_new(config, text.encode())
        done.append(Made(config, "renewed" if there else "made"))
    else:
        other = "" if there == text else "it says something else than was asked for now; --renew writes it anew"
        done.append(Made(config, "kept", other))
    return done


def _ending(certificate: Path) -> str:
    end = cluster_ca.ends(certificate)
    if end is None:
        return f"{CERTIFICATE} beside it cannot be read; --renew makes both anew"
    if end - datetime.now(UTC) < SOON:
        return f"its certificate ends on {end:%Y-%m-%d}; --renew makes both anew"
    return ""


def scheduler_address(text: str) -> str:
    """Give the scheduler's address as Dask has it.

    Args:
        text: ``host``, ``host:port``, or ``tls://host:port``.

    Raises:
        UsageError: It is another protocol, or no address.
    """
    scheme, _, rest = text.rpartition("://")
    if scheme not in ("", "tls"):
        todo = f"write tls://{rest or 'HOST:8786'}; make the certificates with tlsrunbook cluster init"
        raise UsageError(f"{scheme}:// is not encrypted, or unknown", where=text, todo=todo)
    host, colon, port = rest.rpartition(":")
    if not colon or rest.endswith("]"):
        host, port = rest, str(PORT)
    bare = host.startswith("[") == host.endswith("]") and not set(host) & set(" /?#@")
    if not host or not bare or (":" in host and not host.startswith("[")) or not port.isdecimal():
        raise UsageError("this is not a scheduler's address", where=text, todo=f"write tls://HOST:{PORT}")
    return f"tls://{host}:{port}"


def config_text(part: Part, address: str) -> str:
    """Write the configuration of one part."""
    role = _ROLES.get(part.role, "worker")
    fixed = _nested({**FIXED, "distributed.scheduler.no-workers-timeout": NO_WORKER})
    fixed["distributed"]["comm"]["tls"] = {"ca-file": CA_FILE, role: {"cert": CERTIFICATE, "key": KEY}}
    own = {"tlsrunbook": {"role": part.role, "scheduler": address}}
    head = (
        f"# tlsrunbook cluster: {part.name}. Paths are relative to this file.\n"
        "# What is under scheduler, worker and comm is fixed for changes; only no-workers-timeout may be changed.\n"
    )
    return head + "\n".join(_yaml({**own, **fixed})) + "\n"


def _nested(dotted: Mapping[str, Any]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for name, value in dotted.items():
        *above, last = name.split(".")
        table = root
        for key in above:
            table = table.setdefault(key, {})
        table[last] = value
    return root


def _yaml(table: Mapping[str, Any], indent: str = "") -> list[str]:
    lines = []
    for key, value in table.items():
        if isinstance(value, Mapping):
            lines += [f"{indent}{key}:", *_yaml(value, indent + "  ")]
        else:
            plain = {True: "true", False: "false"}.get(value, value) if isinstance(value, bool) else value
            lines.append(f'{indent}{key}: "{plain}"' if isinstance(value, str) else f"{indent}{key}: {plain}")
    return lines
