"""Connects ports with adapters. The one place that knows adapters by name."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlsrunbook.adapters.evidence_of import store_of
from tlsrunbook.adapters.origin import SystemClock, tool, who
from tlsrunbook.adapters.own_key import own_keyid
from tlsrunbook.errors import LeaseLost, UsageError
from tlsrunbook.evidence.display import Shown
from tlsrunbook.ports import EvidenceStore, Lease
from tlsrunbook.run.approvals import add_operator
from tlsrunbook.run.check import CheckRow, Keep, check_authority, check_server
from tlsrunbook.run.context import Run
from tlsrunbook.run.job import LEASE_VARIABLE, ServerJob
from tlsrunbook.run.kept import keeping
from tlsrunbook.run.notebooks import refuse_unknown_parameters
from tlsrunbook.run.now import ServerNow, servers_now
from tlsrunbook.run.planning import Asked, jobs_for, refuse_strangers
from tlsrunbook.run.recording import Circumstances
from tlsrunbook.run.short_traceback import short_tracebacks
from tlsrunbook.site import Server, Site, load_site
from tlsrunbook.steps.model import StepContext
from tlsrunbook.wiring_ports import authority_of, step_context
from tlsrunbook.wiring_session import session_with, vault_of, winrm_shell

if TYPE_CHECKING:
    from tlsrunbook.lab.lab import Lab

MODES = ("plan", "apply")


@short_tracebacks()
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
    refuse_strangers(store, change, [one.name])
    return run_on(loaded, one, store, change, mode)


def run_on(
    site: Site,
    server: Server,
    store: EvidenceStore,
    change: str,
    mode: str,
    *,
    show: Callable[[Shown], None] | None = None,
    lease: Callable[[], Lease] | None = None,
    around: Callable[[StepContext], StepContext] | None = None,
) -> Run:
    """Go on with a change on a server.

    Args:
        show: Gets what a step that stops has to show; by default the notebook's output does.
        lease: Takes the server's lease; by default in the name of a notebook.
        around: Gives a step's context with something around its ports, such as what tells what they do.
    """
    keyid = own_keyid() if site.policy.separate_approver else ""
    if keyid:
        add_operator(store, change, keyid, who(), SystemClock().now())
    shell = session_with(site, server)

    def make_context() -> StepContext:
        context = step_context(site, server, mode, shell)
        return around(context) if around else context

    about = circumstances(site, store, change)
    take = lease or _leases(store, server.name)
    return Run(make_context, shell, store, change, about, show or _display, take, keep_session=keeping())


def circumstances(site: Site, store: EvidenceStore, change: str) -> Circumstances:
    """Give what the records of a change say besides what was done.

    Raises:
        UsageError: There is no such change.
    """
    why = store.asked(change)
    reasons = {key: str(why.get(key, "")) for key in ("ticket", "reason")}
    return Circumstances(who(), reasons, tool(), site.rehearsal_of)


def _leases(store: EvidenceStore, server: str) -> Callable[[], Lease]:
    """Give what takes the lease of a server: of its own, or the one whose holder started this process."""
    token = os.environ.get(LEASE_VARIABLE, "")
    if token:
        return lambda: store.joined_lease(server, token)

    def take() -> Lease:
        # A cell that is run again opens the server anew, while the one before was not closed: it is the same person.
        mine = _held_here.get((store.folder, server))
        if mine:
            with contextlib.suppress(LeaseLost):
                mine.check()
                return mine
        _held_here[store.folder, server] = store.lease(server, who(), "notebook")
        return _held_here[store.folder, server]

    return take


_held_here: dict[tuple[Path, str], Lease] = {}


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


def _cells_so_far() -> list[str]:
    """Give the source of the cells that ran in this kernel; none outside of one."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return list(shell.user_ns.get("In", ())) if shell else []


def _display(shown: object) -> None:
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
