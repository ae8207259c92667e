"""Connects ports with adapters. The one place that knows adapters by name."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlsrunbook.adapters.authority_folder import FolderAuthority
from tlsrunbook.adapters.authority_lab import LabAuthority
from tlsrunbook.adapters.dns import DnsResolver
from tlsrunbook.adapters.evidence_of import store_of
from tlsrunbook.adapters.origin import SystemClock, tool, who
from tlsrunbook.adapters.own_key import own_keyid
from tlsrunbook.adapters.peers import SitePeers
from tlsrunbook.adapters.roots import trusted_roots
from tlsrunbook.adapters.smtp import SmtpProber
from tlsrunbook.adapters.stand_in import StandInProber
from tlsrunbook.errors import UsageError
from tlsrunbook.evidence.display import Shown
from tlsrunbook.ports import Authority, EvidenceStore, Lease, Shell
from tlsrunbook.run.approvals import add_operator
from tlsrunbook.run.check import CheckRow, Keep, check_authority, check_server
from tlsrunbook.run.context import Run
from tlsrunbook.run.job import LEASE_VARIABLE, ServerJob
from tlsrunbook.run.kept import keeping
from tlsrunbook.run.notebooks import refuse_unknown_parameters
from tlsrunbook.run.now import ServerNow, servers_now
from tlsrunbook.run.planning import Asked, jobs_for, refuse_strangers
from tlsrunbook.run.recording import Circumstances
from tlsrunbook.run.unrecorded import Unrecorded
from tlsrunbook.site import FolderAuthoritySettings, Server, Site, load_site
from tlsrunbook.steps.model import StepContext, Wanted
from tlsrunbook.wiring_session import LazyShell, session_with, vault_of, winrm_shell

if TYPE_CHECKING:
    from tlsrunbook.lab.lab import Lab

MODES = ("plan", "apply")

#: Names, on a worker, the outbox on the controller's computer where people find the CSRs.
OUTBOX_VARIABLE = "TLSRUNBOOK_OUTBOX"


def open_run(
    site: str | Path,
    server: str,
    runs: str | Path = "runs",
    change: str = "",
    mode: str = "plan",
) -> Run:
    """Start the work on one server: what every notebook calls first.

    Nothing is sent yet; the first step connects.

    Args:
        site: Path of the site file.
        server: Server name in the site file; upper or lower case.
        runs: Folder for the evidence.
        change: Change id; empty means the server's open change, else a new one.
        mode: ``plan`` looks and decides, ``apply`` changes.

    Raises:
        UsageError: A parameter cannot be used; the message says what to write instead.
    """
    refuse_unknown_parameters(_cells_so_far())
    site, server, change, mode = str(site), str(server), str(change), str(mode)
    if mode not in MODES:
        raise UsageError(f"mode is {mode!r}", where="parameter mode", todo="write plan or apply")
    if not site or not server:
        missing = "server" if site else "site"
        raise UsageError(f"{missing} is empty", where=f"parameter {missing}", todo=_TODO[missing])
    loaded = load_site(Path(site))
    one = loaded.server(server)
    store = store_of(loaded, Path(runs))
    clock = SystemClock()
    if not change:
        change = store.open_change(one.name) or store.new_change(clock.now(), asked(loaded, one.name, mode=mode))
    why = store.asked(change)
    refuse_strangers(store, change, [one.name])
    keyid = own_keyid() if loaded.policy.separate_approver else ""
    if keyid:
        add_operator(store, change, keyid, who(), clock.now())
    reasons = {key: str(why.get(key, "")) for key in ("ticket", "reason")}
    about = Circumstances(who(), reasons, tool(), loaded.rehearsal_of)
    shell = session_with(loaded, one)
    return Run(
        lambda: step_context(loaded, one, mode, shell),
        shell,
        store,
        change,
        about,
        _display,
        _leases(store, one.name),
        keep_session=keeping(),
    )


def _leases(store: EvidenceStore, server: str) -> Callable[[], Lease]:
    """Give what takes the lease of a server: of its own, or the one whose holder started this process."""
    token = os.environ.get(LEASE_VARIABLE, "")
    if token:
        return lambda: store.joined_lease(server, token)
    return lambda: store.lease(server, who(), "notebook")


def open_recorded(
    site: str | Path,
    server: str,
    runs: str | Path = "runs",
    change: str = "",
    mode: str = "plan",
) -> Run:
    """Open a change that is on record, to go back from it. Like :func:`open_run`, and never starts a new change.

    Raises:
        UsageError: As for :func:`open_run`; or ``change`` is empty.
    """
    if not str(change):
        raise UsageError("change is empty", where="parameter change", todo=_TODO["change"])
    return open_run(site, server, runs, change, mode)


_TODO = {
    "site": "give the path of the site file, such as -p site sites/london.toml",
    "server": "give a server's name from the site file, such as -p server EDGE1",
    "change": "give the id of the recorded change to undo; tlsrunbook status shows each server's newest one",
}


def asked(
    site: Site, *servers: str, mode: str, steps: tuple[str, ...] = (), why: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Give what ``change.json`` says was asked for.

    Args:
        site: The site; when it rehearses another one, that is said too.
        servers: Names of the servers the change is about.
        mode: ``plan`` or ``apply``.
        steps: Step ids; empty when the steps are run one by one.
        why: Ticket and reason.
    """
    mark = {"rehearsal": site.rehearsal_of} if site.rehearsal else {}
    return {
        "servers": list(servers),
        "mode": mode,
        "steps": list(steps),
        "who": who(),
        "tool": tool(),
        **(why or {}),
        **mark,
    }


def step_context(site: Site, server: Server, mode: str, shell: Shell) -> StepContext:
    """Give a context for one step: the time is now, the ports are real."""
    clock = SystemClock()
    wanted = Wanted(site, server, mode, clock.now(), trusted_roots(site))
    resolver = DnsResolver(site.dns.server or None)
    return StepContext(
        wanted=wanted,
        shell=shell,
        prober=StandInProber(SmtpProber()) if site.rehearsal else SmtpProber(),
        resolver=resolver,
        authority=authority_of(site),
        clock=clock,
        workspace=Unrecorded(),
        peers=SitePeers(lambda name: LazyShell(site, site.server(name))),
    )


def authority_of(site: Site) -> Authority:
    """Give the site's authority; in a rehearsal the lab's CA, whoever the site's is."""
    if site.rehearsal:
        return LabAuthority(site.rehearsal.authority)
    settings = site.authority
    if isinstance(settings, FolderAuthoritySettings):
        return FolderAuthority(settings.outbox, settings.inbox, shown=os.environ.get(OUTBOX_VARIABLE, ""))
    return LabAuthority(settings.url)


def _cells_so_far() -> list[str]:
    """Give the source of the cells that ran in this kernel; none outside of one."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return list(shell.user_ns.get("In", ())) if shell else []


def _display(shown: Shown) -> None:
    from IPython.display import display  # noqa: PLC0415 - IPython is slow to import, and only a stop needs it

    display(shown)  # type: ignore[no-untyped-call]


def site_jobs(site: Site, asked_for: Asked, why: Mapping[str, str], *, elsewhere: bool = False) -> list[ServerJob]:
    """Give one job per server of a site.

    Args:
        why: Ticket and reason, for a new change.
        elsewhere: Whether they are performed on other computers, which have the credentials.

    Raises:
        UsageError: A server or change is unknown, or a credential is not there.
    """
    names = asked_for.servers or tuple(server.name for server in site.servers)
    for name in () if elsewhere else names:
        vault_of(site).credential(site.server(name).logon.credential)
    steps = tuple(step.id for step in asked_for.steps)
    return jobs_for(
        site,
        asked_for,
        store_of(site, asked_for.runs),
        SystemClock(),
        lambda servers: asked(site, *servers, mode=asked_for.mode, steps=steps, why=why),
        Circumstances(who(), {}, tool()),
    )


def check_site(site: Site, workers: int, keep: Keep | None = None) -> list[CheckRow]:
    """Check everything a change on this site needs; reads only.

    Args:
        workers: Servers asked at once.
        keep: Takes what was read of a server, and tells of it in a row of its own; called from several threads.
    """
    with ThreadPoolExecutor(workers) as pool:
        asked_servers = [
            pool.submit(check_server, site, server, partial(winrm_shell, site, server), keep) for server in site.servers
        ]
        rows = [check_authority(site, authority_of(site))]
        return rows + [row for future in asked_servers for row in future.result()]


def standing(site: Site, runs: Path) -> list[ServerNow]:
    """Say where every server of a site stands."""
    return servers_now(store_of(site, runs), [server.name for server in site.servers])


def open_lab(
    *, sites: int, servers: int, version: str = "SE", faults: Sequence[str] = (), subscribed: bool = False
) -> Lab:
    """Give a lab, not yet started.

    Raises:
        UsageError: The version or a fault is unknown.
    """
    from tlsrunbook.lab.faults import FaultBoard  # noqa: PLC0415 - the lab is only imported where it runs
    from tlsrunbook.lab.lab import Lab  # noqa: PLC0415

    return Lab(sites=sites, servers=servers, version=version, faults=FaultBoard(*faults), subscribed=subscribed)
