"""Rehearsals: the user's own change on a lab that is built from the user's own site file."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tlsrunbook.adapters.evidence_of import store_of
from tlsrunbook.adapters.memory import write_memory
from tlsrunbook.adapters.origin import SystemClock
from tlsrunbook.adapters.state_folder import read_state, write_state
from tlsrunbook.errors import TlsRunbookError
from tlsrunbook.exchange.state_data import SavedServer
from tlsrunbook.run.check import CheckRow, Keep
from tlsrunbook.run.saving import memory_of, saved_server
from tlsrunbook.site import Server, Site, load_site
from tlsrunbook.site.rehearsal import Door, Stage, rehearsal_text
from tlsrunbook.steps.model import Seen
from tlsrunbook.wiring_ports import authority_of

if TYPE_CHECKING:
    from tlsrunbook.lab.lab import Lab


def keeper(site: Site, folder: Path, runs: Path) -> Keep:
    """Give what writes a server's state down for a rehearsal.

    Args:
        folder: Gets ``<site>/<SERVER>.json``.
        runs: Evidence of earlier work, which decisions depend on too.
    """

    def keep(server: Server, seen: Seen) -> CheckRow:
        if seen.state.name != server.name:
            return CheckRow(server.name, "state", False, "not saved: it is another server", "see the row above")
        try:
            memory = memory_of(store_of(site, runs), server.name)
            saved = saved_server(site, server, seen, authority_of(site), memory, SystemClock().now())
            path = write_state(folder, saved)
        except TlsRunbookError as error:
            return CheckRow(server.name, "state", False, f"not saved: {error.what}", error.todo)
        return CheckRow(server.name, "state", True, f"saved to {path}")

    return keep


@dataclass(frozen=True)
class Rehearsal:
    """A lab that stands for some sites, while it runs.

    Args:
        lab: It runs.
        sites: The site files that lead to it, loaded; they want what the user's want.
        runs: Folder for the evidence; its name says that it is a rehearsal.
        assumed: What had to be made up, for people; empty when everything was saved.
    """

    lab: Lab
    sites: tuple[Site, ...]
    runs: Path
    assumed: tuple[str, ...]

    def answer_all(self) -> None:
        """Let the CA answer what it had not answered when the state was saved."""
        self.lab.answer_all()


@contextmanager
def rehearsal(
    sites: Sequence[Site],
    runs: Path,
    *,
    state: Path | None = None,
    version: str = "SE",
    edges: Sequence[str] = (),
    faults: Sequence[str] = (),
) -> Iterator[Rehearsal]:
    """Build a lab from site files, run it, and take it away at the end.

    Args:
        sites: The user's.
        runs: The rehearsal's evidence lands in a new folder in this one, ``rehearsal.<time>-<random>``.
        state: Folder that ``check --save-state`` wrote to; None makes servers up.
        version: Exchange's version for servers that are made up.
        edges: Names of made-up servers that are Edge Transport servers.
        faults: What goes wrong.

    Raises:
        UsageError: A server has no saved state, or there is no such version, server or fault.
        EvidenceError: A saved state cannot be read.
    """
    from tlsrunbook.lab.faults import FaultBoard  # noqa: PLC0415 - the lab is only imported where it runs
    from tlsrunbook.lab.from_site import furnish, site_plan  # noqa: PLC0415
    from tlsrunbook.lab.lab import Lab  # noqa: PLC0415

    saved = _saved(sites, state)
    plan = tuple(site_plan(site, saved, version, _of(site, edges)) for site in sites)
    lab = Lab(
        version=version,
        faults=FaultBoard(*faults),
        plan=plan,
        furnish=partial(furnish, sites=sites, saved=saved),
    )
    folder = runs / f"rehearsal.{SystemClock().now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    with lab:
        turned = tuple(_turned(lab, site) for site in sites)
        for site in turned:
            memories = {server: one.memory for (name, server), one in saved.items() if name == site.name}
            if memories:
                write_memory(folder / site.name, memories)
        yield Rehearsal(lab, turned, folder, _assumed(lab, saved))


def _saved(sites: Sequence[Site], state: Path | None) -> dict[tuple[str, str], SavedServer]:
    if state is None:
        return {}
    return {(site.name, one.name): read_state(state, site.name, one.name) for site in sites for one in site.servers}


def _of(site: Site, edges: Sequence[str]) -> tuple[str, ...]:
    own = {server.name for server in site.servers}
    return tuple(name for name in edges if name.upper() in own)


def _turned(lab: Lab, site: Site) -> Site:
    """Write the site file that leads to the lab into the lab's own folder, and load it."""
    around = lab.around
    stage = Stage(
        authority=around.authority_url,
        roots=around.roots,
        dns=around.dns,
        credentials=around.credentials,
        credential=lab.credential_name,
        winrm_ca=around.winrm_ca,
        folder=lab.folder,
    )
    doors = {}
    for server in site.servers:
        reach = lab.reach(site.name, server.name)
        doors[server.name] = Door(reach.address, reach.port, reach.smtp)
    path = lab.folder / "sites" / f"{site.name}.toml"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_text(rehearsal_text(site, stage, doors), encoding="utf-8", newline="\n")
    return load_site(path)


def _assumed(lab: Lab, saved: dict[tuple[str, str], SavedServer]) -> tuple[str, ...]:
    return tuple(
        f"{site.name} / {server.name}: taken for {'an Edge Transport' if server.is_edge else 'a Mailbox'} server, "
        f"freshly installed, Exchange {server.version} (check --save-state tells better)"
        for site in lab.plan
        for server in site.servers
        if (site.name, server.name) not in saved
    )
