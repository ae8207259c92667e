"""The plan of a change: what every step would do on every server, with one digest over all of it.

The digest is over the part ``plan`` alone. Nothing in that part depends on the computer, the time, a path, a port or
how often something was tried: equal state and site file give an equal digest. A value that is only known later stands
there as what it will be. Sentences about the wire and DNS (findings of steps that change nothing) stand beside it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tlsrunbook.errors import EvidenceError
from tlsrunbook.evidence.data import digest, readable_json
from tlsrunbook.evidence.record import Record

SCHEMA = "tlsrunbook.plan/1"
#: Name of the fact by which the step request tells the key of a request that waits.
CSR_KEY = "SHA-256 of the key"


@dataclass(frozen=True)
class PlannedStep:
    """What one step would do on one server.

    Args:
        digest: Of ``plan``.
        plan: ``{items, waiting_for}`` as ``evidence.record.plan_data`` gives it.
        findings: Rule, severity and target of each finding of a step that would change something.
    """

    server: str
    step: str
    digest: str
    plan: Mapping[str, Any]
    findings: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True)
class ChangePlan:
    """A plan as it was read.

    Args:
        number: From 1, in its change.
        digest: What an approval signs.
        sha256: Of the file, with what stands beside the plan.
        steps: In order.
        requests: By server: SHA-256 of the public key of the request that waited there; servers without are left out.
        beside: What the digest does not cover: ``made``, ``who``, ``results`` and so on.
    """

    site: str
    change: str
    number: int
    digest: str
    sha256: str
    steps: tuple[PlannedStep, ...]
    requests: Mapping[str, str] = field(default_factory=dict)
    beside: Mapping[str, Any] = field(default_factory=dict)

    def step(self, server: str, step: str) -> PlannedStep | None:
        """Give what was planned for a step on a server; None when it was not planned."""
        return next((one for one in self.steps if (one.server, one.step) == (server, step)), None)

    @property
    def changing(self) -> tuple[PlannedStep, ...]:
        """The steps that would change something."""
        return tuple(one for one in self.steps if one.plan["items"])


def digested(site: str, records: Sequence[Record]) -> dict[str, Any]:
    """Give the part of a plan that its digest is over.

    Args:
        records: Of mode ``plan``, at most one per server and step, the steps of a server in order.
    """
    servers = []
    for server in sorted({record.server for record in records}):
        own = [record for record in records if record.server == server]
        waiting = next((str(r.facts[CSR_KEY]) for r in own if CSR_KEY in r.facts), "")
        servers.append({"server": server, "request": waiting, "steps": [_step(record) for record in own]})
    return {"site": site, "servers": servers}


def _step(record: Record) -> dict[str, Any]:
    findings = record.findings if record.plan.get("items") else ()
    return {
        "step": record.step,
        "digest": record.plan_digest,
        "plan": dict(record.plan),
        "findings": [{key: finding[key] for key in ("rule", "severity", "target")} for finding in findings],
    }


def plan_file(change: str, number: int, records: Sequence[Record], beside: Mapping[str, Any]) -> bytes:
    """Write a plan.

    Args:
        records: See :func:`digested`; all of one site, not empty.
        beside: What the digest shall not cover, JSON-able.
    """
    plan = digested(records[0].site, records)
    results = [
        {
            "server": record.server,
            "step": record.step,
            "attempt": record.attempt,
            "status": record.status.value,
            "summary": record.summary,
            "todo": record.todo,
            "findings": list(record.findings),
        }
        for record in records
    ]
    head = {"schema": SCHEMA, "change": change, "number": number, "digest": digest(plan)}
    return readable_json({**head, **beside, "plan": plan, "results": results})


def read_plan(content: bytes, *, where: str = "") -> ChangePlan:
    """Read a plan and compute its digests anew.

    Raises:
        EvidenceError: It is no plan, of a schema this version does not know, or a digest is not that of its content.
    """
    try:
        data = json.loads(content)
        if data["schema"] != SCHEMA:
            raise EvidenceError(
                f"the plan's schema is {data['schema']!r}, and this version reads {SCHEMA!r}", where=where
            )
        plan = data["plan"]
        steps = tuple(_planned(one["server"], step) for one in plan["servers"] for step in one["steps"])
        if digest(plan) != data["digest"] or any(digest(step.plan) != step.digest for step in steps):
            raise EvidenceError("the plan was altered: its digest is another one", where=where)
        return ChangePlan(
            site=plan["site"],
            change=data["change"],
            number=data["number"],
            digest=data["digest"],
            sha256=hashlib.sha256(content).hexdigest(),
            steps=steps,
            requests={one["server"]: one["request"] for one in plan["servers"] if one["request"]},
            beside={key: value for key, value in data.items() if key not in ("schema", "plan", "change", "number")},
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise EvidenceError("this is no plan", where=where) from error


def _planned(server: str, step: Mapping[str, Any]) -> PlannedStep:
    if not isinstance(step["plan"]["items"], list):
        raise TypeError("items")
    return PlannedStep(server, step["step"], step["digest"], step["plan"], tuple(step["findings"]))
