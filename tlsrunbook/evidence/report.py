"""The report of a change: one page that a person reads in a minute and an auditor a year later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from html import escape

from tlsrunbook.evidence import report_sections as sections
from tlsrunbook.evidence.page import page, table
from tlsrunbook.evidence.record import Record, Status, worst
from tlsrunbook.evidence.report_facts import (
    CLASSES,
    RUNNING,
    ChangeReport,
    anchor,
    latest,
    place,
    second,
    standing,
    tile,
    tried,
    what_to_do,
)
from tlsrunbook.evidence.report_sessions import sessions

Last = Mapping[tuple[str, str], Record]


def report_html(report: ChangeReport) -> str:
    """Give the whole page."""
    last = latest(report.records)
    parts = [
        _head(report, last),
        _matrix(report, last),
        "<h2>What partners see</h2>" + sections.handshakes(last),
        sections.changes(report),
        "<h2>Findings</h2>" + sections.findings(last),
        sections.commands(report),
        "<h2>Back-out plan</h2>" + sections.undo(report),
        "<h2>Plans and approvals</h2>" + sections.approvals(report),
        "<h2>Every attempt</h2>" + sections.attempts(report),
        sessions(report),
        "<h2>Seals</h2>" + sections.seals(report),
        "<h2>Made with</h2>" + sections.made_with(report),
    ]
    return page(f"Change {report.change} at {report.site}", "".join(parts), refresh=report.refresh)


def _head(report: ChangeReport, last: Last) -> str:
    who = dict(report.asked.get("who", {}))
    asked = f"{who.get('user', '-')} on {who.get('host', '-')}, {second(str(report.asked.get('asked', '-')))}"
    back = sections.went_back(report.records)
    facts = (
        ("Site", report.site),
        ("Servers", ", ".join(_servers(report)) or "-"),
        ("Ticket", str(report.asked.get("ticket") or "-")),
        ("Reason", str(report.asked.get("reason") or "-")),
        ("Risk, as assessed", str(report.asked.get("risk") or "-")),
        ("Can it be taken back?", sections.way_back(report)),
        ("Asked for by", asked),
        ("Approved by", _approved_by(report.records)),
        ("Worked on", _period(report.records)),
        ("Back-out used", f"yes, on {', '.join(back)}" if back else "no"),
        ("This report", f"{second(report.made)}, tlsrunbook {report.package}"),
    )
    rows = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    title = f'<p class="quiet">Public TLS certificates for SMTP</p><h1>Change {escape(report.change)}</h1>'
    return f"{title}{_lead(report, last)}<dl>{rows}</dl>"


def _servers(report: ChangeReport) -> list[str]:
    named = [str(name) for name in report.asked.get("servers", ())]
    return list(dict.fromkeys([*named, *sorted({record.server for record in report.records})]))


def _lead(report: ChangeReport, last: Last) -> str:
    """Give the outcome in one sentence, with everything that is not as it should be."""
    if not last:
        return f'<p class="lead wait"><span><strong>Nothing was recorded.</strong> {_ended(report)}</span></p>'
    stands = standing(report.records)
    status = _outcome(stands)
    counts = Counter(stands.values())
    counted = ", ".join(f"{count} {one.value}" for one, count in counts.items())
    servers = len({server for server, _ in last})
    of = f"{servers} server{'s' if servers > 1 else ''}, {len(last)} steps: {counted}. {sections.seen_outside(last)}"
    kind = "bad" if report.outcome in ("interrupted", "failed") else CLASSES[status]
    return f'<p class="lead {kind}"><span>{tile(status)} {escape(of)}{_ended(report)}</span></p>'


def _outcome(stands: Mapping[tuple[str, str], Status]) -> Status:
    """Give the worst status; where somebody has gone back, the steps before that no longer count."""
    back = {server for server, step in stands if step == sections.ROLLBACK}
    return worst(
        tuple(one for (server, step), one in stands.items() if step == sections.ROLLBACK or server not in back)
    )


def _ended(report: ChangeReport) -> str:
    if report.outcome == RUNNING:
        now = f"<strong>Under way, as of {second(report.made)}</strong>"
        return f"{now}: {len(report.at_work)} step(s) at work. The page loads itself anew while the run goes on."
    if report.outcome == "interrupted":
        return "<strong>The last run was interrupted</strong>: steps without a status below were not run by it."
    if report.unrecorded:
        return f"<strong>{len(report.unrecorded)} attempt(s) ended without a record.</strong>"
    back = sections.went_back(report.records)
    if back:
        return f"<strong>Rolled back on {escape(', '.join(back))}.</strong>"
    return "<strong>The last run failed.</strong>" if report.outcome == "failed" else ""


def _approved_by(records: Sequence[Record]) -> str:
    counted = [record.approval for record in records if record.approval]
    return ", ".join(dict.fromkeys(f"{one['by']}, {second(one['at'])}" for one in counted)) or "nobody"


def _period(records: Sequence[Record]) -> str:
    if not records:
        return "-"
    first, final = min(record.started for record in records), max(record.finished for record in records)
    return f"{second(first)} to {second(final)}"


def _matrix(report: ChangeReport, last: Last) -> str:
    """Servers down, steps across; a step that was never run has a dot."""
    tried_steps = {step for _, step in (*last, *report.at_work)}
    steps = [step for step in report.steps if step in tried_steps]
    stands = standing(report.records)
    linked = {(record.server, record.step) for record in tried(report.records)}
    rows = []
    for server in _servers(report):
        cells = [
            _AT_WORK if (server, step) in report.at_work else _cell(server, step, stands.get((server, step)), linked)
            for step in steps
        ]
        rows.append((f"<strong>{escape(server)}</strong>", *cells))
    stopped = [record for record in last.values() if not record.status.done and record.status is not Status.PLANNED]
    told = "".join(
        f'<p class="note">{place(record)} {tile(record.status)} {escape(record.summary)}{what_to_do(record.todo)}</p>'
        for record in sorted(stopped, key=lambda record: (_gravity(record.status), record.server))
    )
    return "<h2>Servers and steps</h2>" + table(("server", *steps), rows if steps else (), tight=(0,)) + told


_AT_WORK = '<span class="status tile plan">▸ at work</span>'


def _gravity(status: Status) -> int:
    """Give the place of a status among all: the worst comes first."""
    order = sorted(Status, key=lambda one: sum(worst((one, other)) is other for other in Status))
    return order.index(status)


def _cell(server: str, step: str, status: Status | None, linked: Container[tuple[str, str]]) -> str:
    if status is None:
        return "·" if step == sections.ROLLBACK else '<span class="quiet">· not run</span>'
    if (server, step) in linked:
        return f'<a class="{CLASSES[status]}" href="#{anchor(server, step)}">{tile(status)}</a>'
    return tile(status)
