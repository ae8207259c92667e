"""What a report is made of, and the small things that its sections share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

from tlsrunbook.evidence.display import SIGNS
from tlsrunbook.evidence.record import Record, Status

CLASSES = {
    Status.PLANNED: "plan",
    Status.UNCHANGED: "ok",
    Status.CHANGED: "ok",
    Status.WAITING: "wait",
    Status.BLOCKED: "wait",
    Status.FAILED: "bad",
    Status.UNKNOWN: "odd",
    Status.SKIPPED: "quiet",
}


#: Outcome of a report that is written while the run goes on.
RUNNING = "running"


@dataclass(frozen=True)
class Executed:
    """An executed notebook.

    Args:
        page: Address of its page, seen from the report; empty when it has none.
        source: Name of the notebook it was made from.
        sha256: Of that notebook, as it was read to be executed; empty when it was not executed by the runner.
        ended_by: What ended it early.
    """

    page: str = ""
    source: str = ""
    sha256: str = ""
    ended_by: str = ""


@dataclass(frozen=True)
class ChangeReport:
    """What a report is made of.

    Args:
        site: Site name.
        change: Change id.
        asked: What ``change.json`` says.
        records: Every attempt, in the order of their start.
        steps: Step ids in their order, for the matrix.
        titles: Title of each step.
        notebooks: Per server, step and attempt; may lack some.
        unrecorded: Server, step and attempt of those that have no record.
        plans: Each ``number``, ``made``, ``by``, ``digest``, ``changes``; or ``number`` and ``wrong``.
        approvals: Each ``file``, and ``by``, ``at``, ``expires``, ``plan``, ``digest``, ``keyid``; or ``wrong``.
        sessions: Those in JupyterLab; see ``run.sessions.session_rows``.
        seals: Each ``number``, ``what``, ``outcome``, ``sealed``, ``digest``, ``keyid``; those made before this report.
        outcome: How the run ended that wrote this report, where no record tells: ``interrupted`` or ``failed``; or
            ``running`` while it has not ended.
        made: UTC text.
        package: Version of the package that wrote it.
        refresh: Seconds after which a browser loads it again; 0 never does.
    """

    site: str
    change: str
    asked: Mapping[str, Any]
    records: tuple[Record, ...]
    steps: tuple[str, ...]
    titles: Mapping[str, str]
    notebooks: Mapping[tuple[str, str, int], Executed] = field(default_factory=dict)
    unrecorded: tuple[tuple[str, str, int], ...] = ()
    plans: tuple[Mapping[str, Any], ...] = ()
    approvals: tuple[Mapping[str, str], ...] = ()
    sessions: tuple[Mapping[str, Any], ...] = ()
    seals: tuple[Mapping[str, Any], ...] = ()
    outcome: str = ""
    made: str = ""
    package: str = ""
    refresh: int = 0

    @property
    def at_work(self) -> frozenset[tuple[str, str]]:
        """Server and step of those that are at work, as far as can be told."""
        return frozenset((server, step) for server, step, _ in self.unrecorded if self.outcome == RUNNING)


def latest(records: Iterable[Record]) -> dict[tuple[str, str], Record]:
    """Give the last record per server and step; one that applied goes before one that only planned."""
    last: dict[tuple[str, str], Record] = {}
    for record in records:
        before = last.get((record.server, record.step))
        if before is None or record.mode == "apply" or before.mode == "plan":
            last[record.server, record.step] = record
    return dict(sorted(last.items(), key=lambda one: one[0][0]))


def tried(records: Iterable[Record]) -> list[Record]:
    """Give the records whose plans count: each that was applied; where none was, the last plan.

    A later attempt finds the server right and plans nothing, so the last record alone does not tell what was changed.

    Args:
        records: In the order of their start.
    """
    found: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        if not record.plan.get("items"):
            continue
        own = found.setdefault((record.server, record.step), [])
        if not applied(record) and any(applied(other) for other in own):
            continue
        own[:] = [other for other in own if applied(other)]
        own.append(record)
    return [record for own in found.values() for record in own]


def standing(records: Iterable[Record]) -> dict[tuple[str, str], Status]:
    """Give the status of each server and step in this change as a whole.

    A step that changed a server and was run again found it right: in the change it has changed the server all the same.
    """
    records = tuple(records)
    found = {key: record.status for key, record in latest(records).items()}
    for record in records:
        key = (record.server, record.step)
        if found[key] is Status.UNCHANGED and applied(record) and record.plan.get("items"):
            found[key] = Status.CHANGED
    return found


def applied(record: Record) -> bool:
    """Whether a step got past its gate: what it planned was sent, or was about to be."""
    return record.mode == "apply" and record.status not in (Status.BLOCKED, Status.SKIPPED, Status.PLANNED)


def tile(status: Status) -> str:
    """Give a status with its sign and colour."""
    return f'<span class="status tile {CLASSES[status]}">{SIGNS[status]} {status.value}</span>'


def place(record: Record) -> str:
    """Give server and step."""
    return f"<strong>{escape(record.server)}</strong> / {escape(record.step)}"


def anchor(server: str, step: str) -> str:
    """Give the id under which a step's changes are found on the page."""
    return escape("-".join("".join(c if c.isalnum() else "_" for c in part) for part in (server, step)).lower())


def what_to_do(text: str) -> str:
    """Give what to do next, or nothing."""
    return f"<br><strong>What to do:</strong> {escape(text)}" if text else ""


def code(text: object) -> str:
    """Give a digest or a name in a type where every character counts."""
    return f'<span class="code">{escape(str(text))}</span>'


def second(text: str) -> str:
    """Give a time without its milliseconds."""
    return f"{text[:10]} {text[11:19]}Z" if len(text) > 19 and text[10] == "T" else text
