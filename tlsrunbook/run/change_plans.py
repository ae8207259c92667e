"""Leaves the plan of a change on disk: ``plans/<n>/plan.json``, made from the records of mode ``plan``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tlsrunbook.errors import EvidenceError
from tlsrunbook.evidence.change_plan import ChangePlan, plan_file, read_plan
from tlsrunbook.evidence.layout import CHANGE_PLAN
from tlsrunbook.evidence.record import Record
from tlsrunbook.ports import EvidenceStore
from tlsrunbook.run.approvals import approver_keys
from tlsrunbook.site import Site
from tlsrunbook.steps.registry import step_of


def policy_facts(site: Site) -> dict[str, Any]:
    """Give what a plan says of the site's policy, so that it can be approved without the site file at hand.

    Raises:
        UsageError: A listed public key cannot be read.
    """
    policy = site.policy
    return {
        "approval": policy.approval,
        "approvers": [key.keyid for key in approver_keys(policy)],
        "separate_approver": policy.separate_approver,
        "valid_for": policy.valid_for,
    }


def leave_plan(
    store: EvidenceStore, change: str, records: Iterable[Record], beside: Mapping[str, Any]
) -> ChangePlan | None:
    """Write the next plan of a change, never over another one.

    Args:
        records: Those of mode ``plan`` and of steps that need an approval count; the last one per server and step.
        beside: Who made it, when, under which policy; not under the digest.

    Returns:
        None when there is nothing planned.

    Raises:
        EvidenceError: The disk refuses.
    """
    last = {(one.server, one.step): one for one in records if one.mode == "plan" and step_of(one.step).needs_approval}
    if not last:
        return None
    number = len(store.filed(change, CHANGE_PLAN)) + 1
    while True:
        name = CHANGE_PLAN.format(number)
        content = plan_file(change, number, tuple(last.values()), beside)
        if store.file(change, name, content):
            return read_plan(content, where=str(store.folder / change / name))
        number += 1


def newest_plan(store: EvidenceStore, change: str) -> ChangePlan | None:
    """Read the newest plan of a change; None when it has none.

    Raises:
        EvidenceError: It cannot be read, or was altered.
    """
    paths = store.filed(change, CHANGE_PLAN)
    if not paths:
        return None
    try:
        return read_plan(paths[-1].read_bytes(), where=str(paths[-1]))
    except OSError as error:
        raise EvidenceError(f"the plan cannot be read: {error.strerror or error}", where=str(paths[-1])) from error
