"""Puts together, from the records, where the work on a server stands. Asks no server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tlsrunbook.adapters.origin import SystemClock
from tlsrunbook.adapters.own_key import own_keyid
from tlsrunbook.evidence.standing import standing
from tlsrunbook.ports import EvidenceStore
from tlsrunbook.run.abandoned import broken_off
from tlsrunbook.run.approving import ApprovalStanding, approval_standing
from tlsrunbook.run.planning import ROLLBACK
from tlsrunbook.site import Server, Site
from tlsrunbook.steps.registry import STEP_IDS, STEPS
from tlsrunbook.ui.model import Face, Position, face, shown_plan


def position(
    site: Site,
    one: Server,
    store: EvidenceStore,
    change: str,
    holder: Mapping[str, str] | None = None,
    *,
    at_work: bool = False,
) -> Position:
    """Put together where the work on a server stands.

    Args:
        change: Empty: none yet.
        holder: Somebody else who works on it; None or empty when nobody does.
        at_work: Whether anybody works on it: what is under way is not taken for broken off.
    """
    if not change:
        return Position(site.name, one.name, "", standing(STEP_IDS, {}), holder=holder or {})
    broken = {} if at_work else broken_off(store, change, one.name)
    records = store.records(change, one.name)
    back = [record for record in records if record.step == ROLLBACK]
    rolled_back = store.rolled_back(change, one.name)
    closed = f"the change {change} was gone back from on {one.name}, and is closed" if rolled_back else ""
    now = Position(
        site=site.name,
        server=one.name,
        change=change,
        standings=standing(STEP_IDS, store.latest(change, one.name), broken),
        records=records,
        holder=holder or {},
        closed=closed,
        broken=frozenset(broken),
        undone=max(back, key=lambda record: record.attempt, default=None),
    )
    approvals = {} if site.policy.approval != "required" else _approvals(site, store, now)
    return replace(now, approvals=approvals)


def _approvals(site: Site, store: EvidenceStore, now: Position) -> dict[str, ApprovalStanding]:
    at, keyid = SystemClock().now(), own_keyid()
    found = {}
    for step in STEP_IDS:
        plan = shown_plan(now.of(step))
        if plan and plan.plan.get("items"):
            found[step] = approval_standing(site, store, now.change, now.server, step, plan.plan_digest, keyid, at)
    return found


def faces(now: Position) -> dict[str, Face]:
    """Give what every card shows, by step."""
    return {step.id: face(step, now) for step in STEPS}
