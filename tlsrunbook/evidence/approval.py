"""An approval: a DSSE envelope over the digest of a plan, and what makes one count.

The payload says who approves which plan of which change until when. It counts when a key that the site file lists
signed exactly these bytes, and everything in it fits. Each reason why it does not count is a sentence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tlsrunbook.errors import EvidenceError
from tlsrunbook.evidence.change_plan import ChangePlan
from tlsrunbook.evidence.data import readable_json, utc_text
from tlsrunbook.evidence.dsse import Envelope, PublicKey, envelope_from_bytes

SCHEMA = "tlsrunbook.approval/1"
#: Payload type of the envelope.
PAYLOAD_TYPE = "application/vnd.tlsrunbook.approval.v1+json"
#: So far two computers' clocks may be apart.
_SKEW = timedelta(minutes=5)


@dataclass(frozen=True)
class Approval:
    """An approval that was read.

    Args:
        plan: Number of the plan.
        digest: Of the plan.
        sha256: Of the plan's file.
        steps: Digest of each step's plan, by server and step.
        by: Who approves, as they said.
        at: When, UTC.
        expires: Until when, UTC.
        keyid: Of the key that signed it.
    """

    site: str
    change: str
    plan: int
    digest: str
    sha256: str
    steps: Mapping[tuple[str, str], str]
    by: str
    at: datetime
    expires: datetime
    keyid: str = ""

    def data(self) -> dict[str, str]:
        """Give what a record says of it."""
        return {
            "by": self.by,
            "at": utc_text(self.at),
            "expires": utc_text(self.expires),
            "plan": str(self.plan),
            "digest": self.digest,
            "keyid": self.keyid,
        }


@dataclass(frozen=True)
class Terms:
    """What the site file asks of an approval.

    Args:
        approvers: Whose approvals count.
        separate: Whether an operator's own key counts not.
        operators: Ids of the keys of those who ran the change.
        valid_for: How long an approval lasts at most.
    """

    site: str
    change: str
    approvers: tuple[PublicKey, ...]
    separate: bool
    operators: frozenset[str]
    valid_for: timedelta


def approval_payload(plan: ChangePlan, by: str, at: datetime, valid_for: timedelta) -> bytes:
    """Write what an approver signs."""
    return readable_json(
        {
            "schema": SCHEMA,
            "site": plan.site,
            "change": plan.change,
            "plan": {"number": plan.number, "digest": plan.digest, "sha256": plan.sha256},
            "steps": [{"server": one.server, "step": one.step, "digest": one.digest} for one in plan.steps],
            "by": by,
            "at": utc_text(at),
            "expires": utc_text(at + valid_for),
        }
    )


def read_approval(content: bytes, *, where: str = "") -> tuple[Envelope, Approval]:
    """Read an approval. Nothing is verified by that, but that the file is as this package writes it.

    Raises:
        EvidenceError: It is no approval, of a schema this version does not know, or was altered.
    """
    envelope = envelope_from_bytes(content, where=where)
    if envelope.encoded() != content:
        raise EvidenceError("it was altered: the file is not the envelope that was written", where=where)
    if envelope.payload_type != PAYLOAD_TYPE:
        raise EvidenceError(f"it is no approval but {envelope.payload_type!r}", where=where)
    try:
        data = json.loads(envelope.payload)
        if data["schema"] != SCHEMA:
            raise EvidenceError(
                f"the approval's schema is {data['schema']!r}, and this version reads {SCHEMA!r}", where=where
            )
        return envelope, _approval(data)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise EvidenceError("this is no approval", where=where) from error


def _approval(data: Mapping[str, Any]) -> Approval:
    plan = data["plan"]
    return Approval(
        site=str(data["site"]),
        change=str(data["change"]),
        plan=int(plan["number"]),
        digest=str(plan["digest"]),
        sha256=str(plan["sha256"]),
        steps={(str(one["server"]), str(one["step"])): str(one["digest"]) for one in data["steps"]},
        by=str(data["by"]),
        at=_moment(data["at"]),
        expires=_moment(data["expires"]),
    )


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("without a time zone")
    return moment.astimezone(UTC)


def signer_of(envelope: Envelope, terms: Terms) -> PublicKey | str:
    """Give the listed key that signed, or the reason why there is none that counts."""
    named = {one.keyid for one in envelope.signatures}
    listed = [key for key in terms.approvers if key.keyid in named]
    if not listed:
        ids = ", ".join(f"{keyid[:16]}…" for keyid in sorted(named))
        return f"the key that signed it ({ids}) is not among the approvers in the site file"
    right = [key for key in listed if envelope.signed_by(key)]
    if not right:
        return "its signature is wrong: it was altered, or was not made by the key it names"
    if not terms.separate:
        return right[0]
    others = [key for key in right if key.keyid not in terms.operators]
    return others[0] if others else "its key is the operator's own, and the site file wants a separate approver"


def refusal(approval: Approval, terms: Terms, at: datetime) -> str:
    """Give the reason why an approval does not count for this change now; empty when it does."""
    if (approval.site, approval.change) != (terms.site, terms.change):
        return f"it is for the change {approval.change} of site {approval.site}"
    if approval.at > at + _SKEW:
        return f"it is from {utc_text(approval.at)}, which is still to come"
    ends = min(approval.expires, approval.at + terms.valid_for)
    return f"it has expired at {utc_text(ends)}" if at >= ends else ""


def plan_refusal(approval: Approval, plan: ChangePlan) -> str:
    """Give the reason why an approval is not for this very plan; empty when it is."""
    if (plan.site, plan.change, plan.number) != (approval.site, approval.change, approval.plan):
        return "the plan beside it is of another change"
    steps = {(one.server, one.step): one.digest for one in plan.steps}
    if plan.digest != approval.digest or steps != approval.steps:
        return "it is for a plan with another digest"
    return "" if plan.sha256 == approval.sha256 else "the plan's file was altered after it was approved"
