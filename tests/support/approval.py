"""Plans and approvals on a lab, in-process: what ``run --plan`` and ``approve`` write."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.change import Change
from tlsrunbook.evidence.approval import PAYLOAD_TYPE, approval_payload
from tlsrunbook.evidence.change_plan import ChangePlan
from tlsrunbook.evidence.dsse import Signer, public_key_of, sign
from tlsrunbook.evidence.layout import APPROVAL
from tlsrunbook.evidence.record import Record
from tlsrunbook.run.change_plans import leave_plan


@lru_cache
def signer(name: str) -> Signer:
    """Give the signer of somebody; the same name, the same key."""
    assert name
    key = ec.generate_private_key(ec.SECP256R1())
    return Signer(public_key_of(key.public_key()), lambda message: key.sign(message, ec.ECDSA(hashes.SHA256())))


def require_approval(change: Change, *approvers: str, **policy: str) -> None:
    """Write into the site file that approvals are required, by the keys of these people."""
    folder = change.site_file.parent / "keys"
    folder.mkdir(exist_ok=True)
    for name in approvers:
        (folder / f"{name}.pem").write_bytes(signer(name).public.pem)
    keys = ", ".join(f'"keys/{name}.pem"' for name in approvers)
    lines = [f"approvers = [{keys}]", *(f"{key} = {value}" for key, value in policy.items())]
    change.edit('approval = "none"', "\n".join(['approval = "required"', *lines]))


def planned(change: Change, *servers: str, into: str = "", steps: tuple[str, ...] = ()) -> ChangePlan:
    """Plan all six steps on these servers (or these steps), and leave the plan."""
    records: list[Record] = []
    for server in servers:
        records += change.apply(server, *steps, mode="plan", change=into)
    plan = leave_plan(change.store, records[0].change, records, {"made": "now"})
    assert plan is not None
    return plan


def approved(
    change: Change,
    plan: ChangePlan,
    by: str = "alice",
    *,
    at: datetime | None = None,
    lasts: timedelta = timedelta(days=1),
    into: str = "",
) -> Path:
    """Sign a plan, and put the approval into its change or another one."""
    payload = approval_payload(plan, by, at or datetime.now(UTC), lasts)
    name = APPROVAL.format(len(change.store.filed(into or plan.change, APPROVAL)) + 1)
    assert change.store.file(into or plan.change, name, sign(payload, signer(by), PAYLOAD_TYPE).encoded())
    return change.store.folder / (into or plan.change) / name


def behind_our_back(change: Change, server: str, cmdlet: str, **parameters: Any) -> None:
    """Change a simulated server as another administrator does."""
    kinds: Mapping[type, str] = {bool: "bool", str: "string"}
    given = [{"name": name, "type": kinds[type(value)], "value": value} for name, value in parameters.items()]
    answer = change.lab.server(change.site, server).execute([{"name": cmdlet, "parameters": given}], [])
    assert not answer["errors"], answer["errors"]
