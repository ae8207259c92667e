"""Approving a plan: who may, what is signed, what of it counts already. Shared by ``approve`` and the step cards."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tlsrunbook.errors import UsageError
from tlsrunbook.evidence.approval import PAYLOAD_TYPE, Approval, approval_payload, read_approval
from tlsrunbook.evidence.change_plan import ChangePlan
from tlsrunbook.evidence.dsse import Signer, sign
from tlsrunbook.evidence.layout import APPROVAL, OPERATOR
from tlsrunbook.ports import EvidenceStore
from tlsrunbook.run.approvals import counted, terms_of
from tlsrunbook.run.change_plans import leave_plan, newest_plan
from tlsrunbook.site import Site


def plan_to_approve(store: EvidenceStore, change: str, beside: Mapping[str, Any], digest: str = "") -> ChangePlan:
    """Give the newest plan of a change; made from the records where notebooks were planned one by one.

    Args:
        beside: ``made``, ``who``, ``tool``, for a plan that is made now.
        digest: Of the plan that was read; empty where it is shown now.

    Raises:
        UsageError: There is none, or the newest one is not the one that was read.
        EvidenceError: It cannot be read, or was altered.
    """
    plan = newest_plan(store, change) or leave_plan(store, change, store.records(change), beside)
    where = str(store.folder)
    if plan is None:
        raise UsageError(f"the change {change} has no plan", where=where, todo=f"run SITE --plan --change {change}")
    if digest and plan.digest != digest:
        what = f"the newest plan of the change {change} is plan {plan.number}, and not the one that was read"
        raise UsageError(what, where=where, todo="read the newest plan, then approve it")
    return plan


def refuse_key(
    keyid: str, approvers: Collection[str], operators: Collection[str], *, separate: bool, site: str, listing: str = ""
) -> None:
    """Refuse at once what an apply would refuse later.

    Args:
        keyid: Of the key that would sign; empty when there is none.
        approvers: Ids of the keys that the site file lists.
        operators: Ids of the keys of those who run the change.
        separate: Whether an operator's own key counts not.
        site: Its name.
        listing: The public key as PEM, to be put into the site file.

    Raises:
        UsageError: An approval by this key would not count.
    """
    name = f"your key {keyid[:16]}…" if keyid else "you have no signing key, and so your approval"
    if keyid not in approvers:
        raise UsageError(
            f"{name} is not among the approvers of site {site}",
            where="policy.approvers",
            todo="have its public key listed there, then plan again" + (f":\n{listing}" if listing else ""),
        )
    if separate and keyid in operators:
        raise UsageError(
            f"{name} has run this change, and the site file wants a separate approver",
            where="policy.separate_approver",
            todo="let another approver do it, with a key of their own",
        )


def operators_of(store: EvidenceStore, change: str) -> frozenset[str]:
    """Give the ids of the keys of those who run a change."""
    return frozenset(path.stem for path in store.filed(change, OPERATOR))


def file_approval(
    store: EvidenceStore, plan: ChangePlan, signer: Signer, by: str, at: datetime, valid_for: timedelta
) -> tuple[Path, Approval]:
    """Sign a plan's digest, and write the approval beside the others of its change.

    Args:
        by: Who approves.
        at: Now, UTC.

    Raises:
        EvidenceError: The disk refuses.
    """
    content = sign(approval_payload(plan, by, at, valid_for), signer, PAYLOAD_TYPE).encoded()
    number = len(store.filed(plan.change, APPROVAL)) + 1
    while not store.file(plan.change, APPROVAL.format(number), content):
        number += 1
    _, approval = read_approval(content)
    return store.folder / plan.change / APPROVAL.format(number), approval


@dataclass(frozen=True)
class ApprovalStanding:
    """What there is and what is missing of the approval of one step's plan.

    Args:
        required: Whether the site file asks for one.
        counts: The approval that counts for this very plan, as data for people; empty when there is none.
        other: The approval that counts for the step, made for an earlier plan of it: it covers this one where only what
            was not known then was filled in, which the step judges when it is applied. Empty when there is none.
        refused: Why the user's own key does not do; empty when it may approve.
        todo: What to do then.
    """

    required: bool = False
    counts: Mapping[str, str] = field(default_factory=dict)
    other: Mapping[str, str] = field(default_factory=dict)
    refused: str = ""
    todo: str = ""


def approval_standing(
    site: Site, store: EvidenceStore, change: str, server: str, step: str, digest: str, keyid: str, at: datetime
) -> ApprovalStanding:
    """Look up how far the plan of a step is approved.

    Args:
        change: May be empty, while there is none.
        digest: Of the step's plan.
        keyid: Of the user's own key; empty while there is none.
        at: Now, UTC.

    Raises:
        UsageError: A listed key cannot be read.
    """
    if site.policy.approval != "required":
        return ApprovalStanding()
    terms = terms_of(site, store, change)
    operators = terms.operators | ({keyid} if keyid else set())  # whoever presses the button runs it
    refused = todo = ""
    try:
        keys = [key.keyid for key in terms.approvers]
        refuse_key(keyid, keys, operators, separate=terms.separate, site=site.name)
    except UsageError as error:
        refused, todo = error.what, error.todo
    for path in reversed(store.filed(change, APPROVAL) if change else ()):
        found = counted(path, store, terms, at)
        one = None if isinstance(found, str) else found[1].step(server, step)
        if one and not isinstance(found, str):  # the newest one that counts for the step decides
            approval = found[0].data()
            same = one.digest == digest
            return ApprovalStanding(True, approval if same else {}, {} if same else approval, refused, todo)
    return ApprovalStanding(True, refused=refused, todo=todo)
