"""A site file turned towards a lab on this computer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from tlsrunbook.site.model import Site

_HEAD = """\
# Written by tlsrunbook rehearse: everything in it is the lab on this computer. It is valid while that lab runs.
"""


@dataclass(frozen=True)
class Door:
    """Where the lab's twin of a server is reached.

    Args:
        address: For WinRM.
        port: WinRM's port.
        endpoint: ``address:port`` of its port 25.
    """

    address: str
    port: int
    endpoint: str


@dataclass(frozen=True)
class Stage:
    """What all servers of a rehearsal share.

    Args:
        authority: URL of the lab's CA.
        roots: PEM file with its root.
        dns: ``address:port`` of the lab's DNS.
        credentials: TOML file with the lab's one credential.
        credential: Its name.
        winrm_ca: PEM file of the CA behind WinRM.
        folder: The lab's own folder, for what must not reach the user's.
    """

    authority: str
    roots: Path
    dns: str
    credentials: Path
    credential: str
    winrm_ca: Path
    folder: Path


def rehearsal_text(site: Site, stage: Stage, doors: Mapping[str, Door]) -> str:
    """Write a site file that wants the same of the lab as the user's wants of the real servers.

    What a plan is made of stays: names, certificate, connectors, policy, who issues. What leads to servers and people
    does not: addresses, endpoints, logon, credentials, DNS, folders, approval.

    Args:
        site: The user's.
        stage: What the lab's servers share.
        doors: By server name.
    """
    import tomli_w  # noqa: PLC0415 - only a rehearsal writes site files

    data = _plain(site.model_dump(mode="python", exclude_none=True))
    data["rehearsal"] = {
        "of": str(site.path) if site.path.parts else site.name,
        "authority": stage.authority,
        "roots": str(stage.roots),
    }
    data["dns"] = {"server": stage.dns}
    data["credentials"] = {"file": str(stage.credentials)}
    data["policy"]["approval"] = "none"
    for name in ("outbox", "inbox"):
        if name in data["authority"]:
            data["authority"][name] = str(stage.folder / name)
    for server in data["servers"]:
        door = doors[server["name"]]
        server["address"] = door.address
        server["logon"] = {
            "method": "ntlm",
            "port": door.port,
            "ca_file": str(stage.winrm_ca),
            "credential": stage.credential,
        }
        if server["endpoints"]:
            server["endpoints"] = [door.endpoint]
    return _HEAD + tomli_w.dumps(data)


def _plain(value: Any) -> Any:
    """Give what TOML knows."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(_plain(item) for item in value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, bool | int | str | date) else str(value)
