"""The record: what one step did on one server, as data. It alone decides the status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from tlsrunbook.errors import EXIT_CODES, EvidenceError
from tlsrunbook.evidence.data import digest, to_data
from tlsrunbook.plan.model import Plan

#: Name of the record's shape; a reader refuses a newer major number than it knows.
SCHEMA = "tlsrunbook.record/1"

#: Media type under which a record rides in a cell's output.
MEDIA_TYPE = "application/vnd.tlsrunbook.record.v1+json"


class Status(StrEnum):
    """How a step ended."""

    PLANNED = "planned"
    UNCHANGED = "unchanged"
    CHANGED = "changed"
    WAITING = "waiting"
    BLOCKED = "blocked"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"

    @property
    def done(self) -> bool:
        """Whether nothing is left to do for this step in this change."""
        return self in (Status.UNCHANGED, Status.CHANGED, Status.SKIPPED)

    @property
    def exit_code(self) -> int:
        """What a run that ends so exits with (design, section 6)."""
        return EXIT_CODES[self.value]


@dataclass(frozen=True)
class SentCommand:
    """One pipeline that was sent.

    Args:
        text: The PowerShell text, for people.
        cmdlets: What was called, in order.
        changes: Whether it changes anything.
        started: UTC.
        seconds: Until the answer came, or until it was given up.
        outcome: ``ok``, ``error`` or ``unknown``.
        messages: The server's errors and warnings.
        server: The server it was sent to; empty for the one that the record is about.
    """

    text: str
    cmdlets: tuple[str, ...]
    changes: bool
    started: str
    seconds: float
    outcome: str
    messages: tuple[str, ...] = ()
    server: str = ""


@dataclass(frozen=True)
class Record:
    """What a step did.

    Args:
        site: Site name.
        server: Server name as the site file has it.
        step: Step id such as ``confirm``.
        change: Change id.
        attempt: 1 for the first try of this step in this change.
        mode: ``plan`` or ``apply``.
        status: How it ended.
        summary: One sentence for people.
        todo: What to do next; empty when nothing.
        started: UTC.
        finished: UTC.
        who: ``user``, ``host``, ``process``: who ran it and where from.
        why: ``ticket`` and ``reason`` of the change.
        tool: ``package`` version and ``python`` version.
        server_facts: FQDN, Exchange version, role, as the server told; empty when it was not reached.
        findings: Each ``{rule, severity, message, todo, target}``.
        plan: ``{items, waiting_for}`` as data.
        plan_digest: SHA-256 of the canonical plan.
        commands: Everything that was sent, in order.
        facts: What this step is about (thumbprint, names, endpoints), for people and programs.
        files: Files beside the record.
        error: ``{code, what, where, todo}`` of the error that ended it, or None.
        approval: ``by``, ``at``, ``expires``, ``plan``, ``digest``, ``keyid`` of the approval that counts; or empty.
        rehearsal: The site file that was rehearsed on a lab; empty when it was done on real servers.
        lease: ``taken_over_from``: whose lease of the server had run out unreturned; empty where there was none.
    """

    site: str
    server: str
    step: str
    change: str
    attempt: int
    mode: str
    status: Status
    summary: str
    todo: str
    started: str
    finished: str
    who: Mapping[str, str]
    why: Mapping[str, str]
    tool: Mapping[str, str]
    server_facts: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Mapping[str, str], ...] = ()
    plan: Mapping[str, Any] = field(default_factory=dict)
    plan_digest: str = ""
    commands: tuple[SentCommand, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    error: Mapping[str, str] | None = None
    approval: Mapping[str, str] = field(default_factory=dict)
    rehearsal: str = ""
    lease: Mapping[str, Any] = field(default_factory=dict)

    def data(self) -> dict[str, Any]:
        """Give the record as JSON-able data, ``schema`` first."""
        return {"schema": SCHEMA, **to_data(self)}

    def with_files(self, files: tuple[str, ...]) -> Record:
        """Give the same record naming these files."""
        return replace(self, files=files)


def record_from_data(data: Mapping[str, Any], *, where: str = "") -> Record:
    """Read a record.

    Args:
        data: What :meth:`Record.data` gave.
        where: The file, for the error's text.

    Raises:
        EvidenceError: It is no record, or of a schema this version does not know.
    """
    schema = data.get("schema")
    if schema != SCHEMA:
        raise EvidenceError(f"the record's schema is {schema!r}, and this version reads {SCHEMA!r}", where=where)
    fields = {key: value for key, value in data.items() if key != "schema"}
    try:
        fields["status"] = Status(fields["status"])
        fields["commands"] = tuple(
            SentCommand(**{**item, "cmdlets": tuple(item["cmdlets"]), "messages": tuple(item["messages"])})
            for item in fields["commands"]
        )
        for key in ("findings", "files"):
            fields[key] = tuple(fields[key])
        return Record(**fields)
    except (KeyError, TypeError, ValueError) as error:
        raise EvidenceError("the record lacks a part or has one too many", where=where) from error


def plan_data(plan: Plan) -> dict[str, Any]:
    """Give a plan as data: what differs, what is sent, what undoes it."""
    return {"items": [_item_data(item) for item in plan.items], "waiting_for": plan.waiting_for}


def _item_data(item: Any) -> dict[str, Any]:
    undo = {"kind": type(item.undo).__name__.lower(), **to_data(item.undo)}
    return {"why": item.why, "does": to_data(item.does), "changes": to_data(item.changes), "undo": undo}


def plan_digest(plan: Plan) -> str:
    """Give the digest that an approval signs: equal state and site file give an equal digest on any machine."""
    return digest(plan_data(plan))


def worst(statuses: tuple[Status, ...]) -> Status:
    """Give the status that decides a run's exit code: unknown, failed, blocked, waiting, then the good ones."""
    order = (
        Status.UNKNOWN,
        Status.FAILED,
        Status.BLOCKED,
        Status.WAITING,
        Status.PLANNED,
        Status.CHANGED,
        Status.UNCHANGED,
        Status.SKIPPED,
    )
    return min(statuses, key=order.index, default=Status.SKIPPED)
