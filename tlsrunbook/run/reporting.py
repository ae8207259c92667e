"""Writes a change's report and the pages of its executed notebooks, before the change is sealed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tlsrunbook.errors import EvidenceError
from tlsrunbook.evidence.approval import read_approval
from tlsrunbook.evidence.change_plan import read_plan
from tlsrunbook.evidence.layout import APPROVAL, CHANGE_PLAN, LIVE_REPORT, REPORT
from tlsrunbook.evidence.notebook_html import notebook_html
from tlsrunbook.evidence.page import page_bytes
from tlsrunbook.evidence.report import report_html
from tlsrunbook.evidence.report_facts import ChangeReport, Executed
from tlsrunbook.ports import Attempt, EvidenceStore
from tlsrunbook.run.sessions import session_rows
from tlsrunbook.steps.registry import ALL_STEPS


@dataclass(frozen=True)
class ReportInfo:
    """What a report says that no file of the change tells.

    Args:
        seals: See :class:`~tlsrunbook.evidence.report_facts.ChangeReport`.
        outcome: The same.
        refresh: The same.
        made: UTC text.
        package: Version of this package.
    """

    made: str
    package: str
    outcome: str = ""
    seals: Sequence[Mapping[str, Any]] = ()
    refresh: int = 0


def write_report(store: EvidenceStore, change: str, info: ReportInfo) -> Path:
    """Write the next ``reports/<n>/report.html`` of a change, and the page of each notebook that has none yet.

    Raises:
        EvidenceError: The disk refuses, or a record cannot be read.
        UsageError: There is no such change.
    """
    content = page_bytes(report_html(_change_report(store, change, info)))
    number = len(store.filed(change, REPORT)) + 1
    while not store.file(change, REPORT.format(number), content):
        number += 1
    return store.folder / change / REPORT.format(number)


def write_live_report(store: EvidenceStore, change: str, info: ReportInfo) -> Path:
    """Write the page of a change that is under way, over the one before; it is no evidence.

    Raises:
        EvidenceError: The disk refuses, or a record cannot be read.
        UsageError: There is no such change.
    """
    path = store.folder / change / LIVE_REPORT
    content = page_bytes(report_html(_change_report(store, change, info)))
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        raise EvidenceError(f"cannot be written: {error.strerror or error}", where=str(path)) from error
    return path


def remove_live_report(store: EvidenceStore, change: str) -> None:
    """Take the page of a change that was under way away; a numbered one takes its place."""
    shutil.rmtree((store.folder / change / LIVE_REPORT).parent, ignore_errors=True)


def _change_report(store: EvidenceStore, change: str, info: ReportInfo) -> ChangeReport:
    asked = store.asked(change)
    notebooks = {(one.server, one.step, one.number): _executed(store, one) for one in store.attempts(change)}
    records = tuple(sorted(store.records(change), key=lambda record: (record.started, record.server)))
    recorded = {(record.server, record.step, record.attempt) for record in records}
    return ChangeReport(
        site=store.folder.name,
        change=change,
        asked=asked,
        records=records,
        steps=tuple(step.id for step in ALL_STEPS),
        titles={step.id: step.title for step in ALL_STEPS},
        notebooks=notebooks,
        unrecorded=tuple(key for key in notebooks if key not in recorded),
        plans=tuple(_plans(store, change)),
        approvals=tuple(_approvals(store, change)),
        sessions=session_rows(store, change),
        seals=tuple(info.seals),
        outcome=info.outcome,
        made=info.made,
        package=info.package,
        refresh=info.refresh,
    )


def _executed(store: EvidenceStore, attempt: Attempt) -> Executed:
    """Give what is known of an attempt's notebook, and write its page where there is none."""
    for path in sorted(attempt.folder.glob("*.ipynb")):
        try:
            notebook = json.loads(path.read_bytes())
            facts = notebook["metadata"]
        except (OSError, ValueError, KeyError, TypeError):
            return Executed(source=path.name, ended_by="the executed notebook cannot be read")
        page = path.with_suffix(".html").relative_to(store.folder / attempt.change).as_posix()
        if not (store.folder / attempt.change / page).exists():
            title = (
                f"{store.folder.name} / {attempt.server}: {path.stem}, change {attempt.change}, try {attempt.number}"
            )
            titles = {step.id: step.title for step in ALL_STEPS}
            store.file(attempt.change, page, page_bytes(notebook_html(notebook, title, titles)))
        origin = facts.get("tlsrunbook", {})
        return Executed(
            page=f"../../{page}",  # a report lies two folders below the change
            source=str(origin.get("source", path.name)),
            sha256=str(origin.get("source_sha256", "")),
            ended_by=str(facts.get("papermill", {}).get("ended_by") or ""),
        )
    return Executed()


def _plans(store: EvidenceStore, change: str) -> Iterator[dict[str, Any]]:
    for path in store.filed(change, CHANGE_PLAN):
        number = path.parent.name
        try:
            plan = read_plan(path.read_bytes(), where=path.name)
        except (OSError, EvidenceError) as error:
            yield {"number": number, "wrong": str(error)}
            continue
        made, who = plan.beside.get("made", "-"), plan.beside.get("who", {})
        yield {"number": number, "made": made, "by": who.get("user", "-"), "digest": plan.digest}


def _approvals(store: EvidenceStore, change: str) -> Iterator[dict[str, str]]:
    for path in store.filed(change, APPROVAL):
        try:
            envelope, approval = read_approval(path.read_bytes(), where=path.name)
        except (OSError, EvidenceError) as error:
            yield {"file": path.name, "wrong": str(error)}
            continue
        keyid = ", ".join(one.keyid for one in envelope.signatures)
        yield {"file": path.name, **approval.data(), "keyid": keyid}
