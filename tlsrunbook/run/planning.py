"""From what the user asked for to one job per server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tlsrunbook.errors import UsageError
from tlsrunbook.evidence.data import utc_text
from tlsrunbook.ports import Clock, EvidenceStore
from tlsrunbook.run.job import ServerJob
from tlsrunbook.run.recording import Circumstances
from tlsrunbook.run.rollout import SiteWork
from tlsrunbook.run.waves import AT_ONCE, Sizes, sizes_for, waves_of
from tlsrunbook.site import Site
from tlsrunbook.steps.base import Step
from tlsrunbook.steps.order import prerequisites
from tlsrunbook.steps.registry import STEP_IDS

#: The one step that a rolled-back change still takes.
ROLLBACK = "rollback"
#: A run that goes on with a change takes servers that were finished in it so lately for done. A renewal comes later.
LATELY = timedelta(days=14)


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
        named: Whether the steps were asked for by name: then they are run even when they are done.
    """

    steps: tuple[Step, ...]
    servers: tuple[str, ...]
    mode: str
    change: str
    runs: Path
    fresh: bool = False
    named: bool = False


def jobs_for(
    site: Site,
    asked: Asked,
    store: EvidenceStore,
    clock: Clock,
    facts: Callable[[tuple[str, ...]], Mapping[str, Any]],
    about: Circumstances,
) -> list[ServerJob]:
    """Give one job per server of a site; servers without an open change share one new change.

    A server that was finished lately in a change which is open for another one of them belongs to that change still.

    Args:
        facts: Gives what ``change.json`` says for these servers.

    Raises:
        UsageError: A server or the change is unknown.
    """
    names = [site.server(name).name for name in asked.servers] or [server.name for server in site.servers]
    names = list(dict.fromkeys(names))
    changes = (
        dict.fromkeys(names, asked.change) if asked.change or asked.fresh else _open_changes(store, names, clock.now())
    )
    if asked.change:
        refuse_strangers(store, asked.change, names)
        if not any(step.id == ROLLBACK for step in asked.steps):
            for name in names:
                refuse_rolled_back(store, asked.change, name)
    without = tuple(name for name in names if not changes[name])
    if without:
        new = store.new_change(clock.now(), facts(without))
        changes |= dict.fromkeys(without, new)
    return [_job(site, asked, store, about, name, changes[name]) for name in names]


def _open_changes(store: EvidenceStore, names: Sequence[str], now: datetime) -> dict[str, str]:
    """Give each server's open change; where it has none, the newest open one of the others that it finished lately."""
    changes = {name: store.open_change(name) for name in names}
    open_ones = sorted(filter(None, set(changes.values())), reverse=True)
    since = utc_text(now - LATELY)
    for name in (name for name in names if not changes[name]):
        changes[name] = next((change for change in open_ones if _finished_since(store, change, name, since)), "")
    return changes


def _finished_since(store: EvidenceStore, change: str, server: str, since: str) -> bool:
    if store.rolled_back(change, server):
        return False
    verified = store.latest(change, server).get(STEP_IDS[-1])
    return bool(verified and verified.mode == "apply" and verified.status.done and verified.finished >= since)


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


def strangers_to(store: EvidenceStore, change: str, servers: Sequence[str]) -> list[str]:
    """Give those servers that a change is not about.

    Every notebook asks this, so only these servers' folders are looked at: a change may be about a thousand.

    Raises:
        UsageError: There is no such change.
    """
    named = set(store.asked(change).get("servers", ()))
    return [name for name in servers if name not in named and not any(store.attempts(change, name))]


def refuse_strangers(store: EvidenceStore, change: str, servers: Sequence[str]) -> None:
    """Refuse servers that a change is not about: their evidence would lie where nobody looks for it.

    Args:
        servers: Server names.

    Raises:
        UsageError: There is no such change, or a server is not among those it is about.
    """
    strangers = strangers_to(store, change, servers)
    if strangers:
        known = ", ".join(change_servers(store, change))
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
        named=asked.named,
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


def site_work(
    site: Site, jobs: Sequence[ServerJob], waves: Sizes | None = None, logons_per_minute: int = 0
) -> SiteWork:
    """Divide the work at a site into waves.

    Args:
        site: Its policy says how large they are, and when to stop.
        jobs: One per server, in order; all of one mode and with the same steps.
        waves: Instead of the policy's.
        logons_per_minute: The same.
    """
    if not jobs:
        return SiteWork(site.name, ())
    policy, by_name = site.policy, {job.server: job for job in jobs}
    needs = {job.server: {server for step in job.step_ids for server, _ in job.after.get(step, ())} for job in jobs}
    sizes = sizes_for(waves or policy.waves, jobs[0].step_ids, jobs[0].mode)
    divided = waves_of(list(by_name), sizes, needs)
    return SiteWork(
        site=site.name,
        waves=tuple(tuple(by_name[name] for name in wave) for wave in divided),
        stop_after=policy.stop_after_failures if sizes is not AT_ONCE else 0,
        logons_per_minute=logons_per_minute or policy.logons_per_minute,
    )
