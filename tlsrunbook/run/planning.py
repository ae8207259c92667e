"""From what the user asked for to one job per server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tlsrunbook.errors import UsageError
from tlsrunbook.ports import Clock, EvidenceStore
from tlsrunbook.run.batch import ServerJob
from tlsrunbook.run.recording import Circumstances
from tlsrunbook.site import Site
from tlsrunbook.steps.base import Step
from tlsrunbook.steps.order import prerequisites

#: The one step that a rolled-back change still takes.
ROLLBACK = "rollback"


@dataclass(frozen=True)
class Asked:
    """What the user asked for.

    Args:
        steps: In order.
        servers: Names; empty means all of the site.
        mode: ``plan`` or ``apply``.
        change: Change id; empty means each server's open change, else a new one.
        fresh: Always start a new change.
        runs: Folder for the evidence, absolute.
    """

    steps: tuple[Step, ...]
    servers: tuple[str, ...]
    mode: str
    change: str
    runs: Path
    fresh: bool = False


def jobs_for(
    site: Site,
    asked: Asked,
    store: EvidenceStore,
    clock: Clock,
    facts: Callable[[tuple[str, ...]], Mapping[str, Any]],
    about: Circumstances,
) -> list[ServerJob]:
    """Give one job per server of a site; servers without an open change share one new change.

    Args:
        facts: Gives what ``change.json`` says for these servers.

    Raises:
        UsageError: A server or the change is unknown.
    """
    names = [site.server(name).name for name in asked.servers] or [server.name for server in site.servers]
    names = list(dict.fromkeys(names))
    changes = {name: "" if asked.fresh else asked.change or store.open_change(name) for name in names}
    if asked.change:
        refuse_strangers(asked.change, change_servers(store, asked.change), names)
        if not any(step.id == ROLLBACK for step in asked.steps):
            for name in names:
                refuse_rolled_back(store, asked.change, name)
    without = tuple(name for name in names if not changes[name])
    if without:
        new = store.new_change(clock.now(), facts(without))
        changes |= dict.fromkeys(without, new)
    return [_job(site, asked, store, about, name, changes[name]) for name in names]


def refuse_rolled_back(store: EvidenceStore, change: str, server: str) -> None:
    """Refuse to go forward in a change that was rolled back.

    Raises:
        UsageError: Going back was begun on this server.
    """
    if store.rolled_back(change, server):
        raise UsageError(
            f"the change {change} was rolled back on {server}, and is closed",
            where=str(store.folder),
            todo="leave the change empty, which starts a new one; or name the servers that were not rolled back",
        )


def change_servers(store: EvidenceStore, change: str) -> tuple[str, ...]:
    """Give the servers a change is about: those it was asked for, and those it was recorded on later.

    Raises:
        UsageError: There is no such change.
    """
    named = [str(name) for name in store.asked(change).get("servers", ())]
    return tuple(dict.fromkeys([*named, *(attempt.server for attempt in store.attempts(change))]))


def refuse_strangers(change: str, about: Sequence[str], servers: Sequence[str]) -> None:
    """Refuse servers that a change is not about: their evidence would lie where nobody looks for it.

    Args:
        change: Change id.
        about: The servers it is about; see :func:`change_servers`.
        servers: Server names.

    Raises:
        UsageError: A server is not among those the change is about.
    """
    strangers = [name for name in servers if name not in about]
    if strangers:
        known = ", ".join(about)
        what = f"the change {change} is not about {', '.join(strangers)}"
        raise UsageError(what, todo=f"it is about {known}; name these with --server, or leave the change out")


def _job(site: Site, asked: Asked, store: EvidenceStore, about: Circumstances, server: str, change: str) -> ServerJob:
    recorded = store.asked(change)
    why = {key: str(recorded.get(key, "")) for key in ("ticket", "reason")}
    return ServerJob(
        site_file=site.path,
        site=site.name,
        server=server,
        steps=asked.steps,
        store=store,
        runs=asked.runs,
        change=change,
        mode=asked.mode,
        about=Circumstances(about.who, why, about.tool, site.rehearsal_of),
        after={step.id: prerequisites(site, server, step.id) for step in asked.steps},
    )


def chosen_steps(steps: Sequence[Step], wanted: Sequence[str], step_of: Callable[[str], Step]) -> tuple[Step, ...]:
    """Give the steps named, in the runbook's order whatever the order they were named in; ``steps`` when none is named.

    Raises:
        UsageError: There is no such step, or it has a command of its own.
    """
    named = {step.id: step for step in map(step_of, wanted)}
    if ROLLBACK in named:
        raise UsageError(f"{ROLLBACK} is no step of a run", todo=f"use tlsrunbook {ROLLBACK} SITE")
    return tuple(sorted(named.values(), key=lambda step: step.number)) if named else tuple(steps)
