"""How a record is shown: a table read at a glance, as HTML and as text, with the record itself beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from tlsrunbook.evidence.cards import card_of
from tlsrunbook.evidence.parts import CODE, html_table
from tlsrunbook.evidence.record import MEDIA_TYPE, Record, Status

#: A sign and a word per status, so that colour is never the only sign.
SIGNS: dict[Status, str] = {
    Status.PLANNED: "○",
    Status.UNCHANGED: "✓",
    Status.CHANGED: "✔",
    Status.WAITING: "…",
    Status.BLOCKED: "⊘",
    Status.FAILED: "✗",
    Status.UNKNOWN: "?",
    Status.SKIPPED: "–",
}

#: Colours that read on white and on dark backgrounds alike.
_COLOURS: dict[Status, str] = {
    Status.PLANNED: "#3b78c3",
    Status.UNCHANGED: "#2e8b57",
    Status.CHANGED: "#2e8b57",
    Status.WAITING: "#b7791f",
    Status.BLOCKED: "#c2571a",
    Status.FAILED: "#cf3b3b",
    Status.UNKNOWN: "#9b4dca",
    Status.SKIPPED: "#808080",
}

_SEVERITY_SIGNS = {"refuse": "⊘", "error": "✗", "warning": "!", "info": "i"}


@dataclass(frozen=True, repr=False)
class Shown:
    """A record with its rendering.

    Args:
        record: What is shown.
        title: The step's title.
        folder: Where its evidence is, for people; may be empty.
    """

    record: Record
    title: str
    folder: str

    def __repr__(self) -> str:
        return text(self.record, self.title, self.folder)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        del include, exclude
        return {
            "text/html": html(self.record, self.title, self.folder),
            "text/plain": text(self.record, self.title, self.folder),
            MEDIA_TYPE: self.record.data(),
        }


def html(record: Record, title: str, folder: str) -> str:
    """Give the record as HTML that needs no script and no style sheet."""
    colour, card = _COLOURS[record.status], card_of(record)
    parts = [
        f'<div style="border-left:5px solid {colour};padding:2px 0 2px 12px;font-size:13px;line-height:1.45">',
        (
            f'<p style="margin:0;font-size:15px"><strong>{escape(title)}</strong> on '
            f"<strong>{escape(record.server)}</strong> ({escape(record.site)}) &nbsp; "
            f'<strong><span style="color:{colour}">{SIGNS[record.status]}</span> {record.status.value}</strong></p>'
        ),
        f'<p style="margin:2px 0 6px 0">{escape(record.summary)}</p>',
    ]
    if record.rehearsal:
        parts.insert(1, f'<p style="margin:0"><strong>{escape(_rehearsal(record))}</strong></p>')
    if record.todo:
        parts.append(f'<p style="margin:2px 0 6px 0"><strong>What to do:</strong> {escape(record.todo)}</p>')
    parts += [
        _html_findings(record),
        _html_changes(record),
        card.html(),
        _html_facts({name: value for name, value in record.facts.items() if name not in card.facts}),
        _html_commands(record),
        f'<p style="margin:6px 0 0 0;opacity:.7">{escape(_footer(record, folder))}</p></div>',
    ]
    return "".join(parts)


def _html_findings(record: Record) -> str:
    rows = [
        (f"{_SEVERITY_SIGNS[f['severity']]} {f['severity']}", f["rule"], f["message"], f["todo"])
        for f in record.findings
    ]
    return html_table(("", "rule", "what was seen", "what to do"), rows, "Findings", narrow=(0, 1))


def _html_changes(record: Record) -> str:
    verb = "Changes made" if record.status is Status.CHANGED else "Changes planned"
    rows = [
        (change["target"], change["property"], shown(change["have"]), shown(change["want"]))
        for item in record.plan.get("items", ())
        for change in item["changes"]
    ]
    return html_table(("what", "property", "before", "after"), rows, verb, narrow=(1,))


def _html_facts(facts: Mapping[str, Any]) -> str:
    plain = [(name, shown(value)) for name, value in facts.items() if not _is_table(value)]
    tables = [(name, value) for name, value in facts.items() if _is_table(value)]
    parts = [html_table(("", ""), plain, "Facts", narrow=(0,))]
    for name, rows in tables:
        heads = list(dict.fromkeys(key for row in rows for key in row))
        parts.append(html_table(heads, [[shown(row.get(key, "")) for key in heads] for row in rows], name.capitalize()))
    return "".join(parts)


def _is_table(value: object) -> bool:
    return (
        isinstance(value, list) and bool(value) and all(isinstance(row, dict) and "later" not in row for row in value)
    )


def _html_commands(record: Record) -> str:
    sent = [command for command in record.commands if command.changes]
    texts = [
        f'<pre style="{CODE}">{escape(on_server(c.server, c.text))}</pre>'
        f'<p style="margin:0 0 6px 8px">{escape(_outcome(c.outcome, c.seconds, c.messages))}</p>'
        for c in sent
    ] or [f'<pre style="{CODE}">{escape(line)}</pre>' for line in planned_text(record)]
    if not texts:
        return ""
    title = "PowerShell that was sent" if sent else "PowerShell that would be sent"
    return f"<details open><summary><strong>{title}</strong></summary>{''.join(texts)}</details>"


def _outcome(outcome: str, seconds: float, messages: Sequence[str]) -> str:
    words = {"ok": "✓ answered", "error": "✗ answered with an error", "unknown": "? no answer"}[outcome]
    return f"{words} after {seconds:.1f} s" + (": " + "; ".join(messages) if messages else "")


def planned_text(record: Record) -> list[str]:
    """Give the PowerShell text of each planned pipeline; one for another server begins with its name."""
    return [line for item in record.plan.get("items", ()) for line in _planned_lines(item["does"])]


def _planned_lines(does: Any) -> list[str]:
    if isinstance(does, list):
        return [" | ".join(command["text"] for command in does)]
    if "export" in does:
        return [on_server(does["source"], does["export"]["text"]), *_planned_lines(does["bring"])]
    return []


def on_server(server: str, command: str) -> str:
    """Give a command's text with the server it is for, as a PowerShell comment; empty for the record's own server."""
    return f"{command}  # on {server}" if server else command


def text(record: Record, title: str, folder: str) -> str:
    """Give the record as plain text."""
    head = f"{title} on {record.server} ({record.site}): {SIGNS[record.status]} {record.status.value}"
    lines = [head, f"  {record.summary}"]
    if record.rehearsal:
        lines.insert(0, _rehearsal(record))
    if record.todo:
        lines.append(f"  What to do: {record.todo}")
    for finding in record.findings:
        lines.append(f"  {_SEVERITY_SIGNS[finding['severity']]} {finding['rule']}: {finding['message']}")
        if finding["todo"]:
            lines.append(f"      What to do: {finding['todo']}")
    for item in record.plan.get("items", ()):
        lines += [
            f"  {change['target']}: {change['property']}: {shown(change['have'])} -> {shown(change['want'])}"
            for change in item["changes"]
        ]
    card = card_of(record)
    lines += [f"  {line}" for line in card.lines()]
    rest = {name: value for name, value in record.facts.items() if name not in card.facts}
    lines += [f"  {line}" for name, value in rest.items() for line in _text_fact(name, value)]
    sent = [on_server(command.server, command.text) for command in record.commands if command.changes]
    lines += [f"  PS> {line}" for line in sent or planned_text(record)]
    return "\n".join([*lines, f"  {_footer(record, folder)}"])


def _rehearsal(record: Record) -> str:
    return f"REHEARSAL on a lab of {record.rehearsal}: no real server was touched"


def _text_fact(name: str, value: Any) -> list[str]:
    if _is_table(value):
        return [f"{name}: " + ", ".join(f"{key} {shown(item)}" for key, item in row.items()) for row in value]
    return [f"{name}: {shown(value)}"]


def _footer(record: Record, folder: str) -> str:
    place = f"; evidence in {folder}" if folder else ""
    approval = f"; approved by {record.approval['by']} at {record.approval['at']}" if record.approval else ""
    return f"mode {record.mode}, change {record.change}, attempt {record.attempt}, {record.finished}{approval}{place}"


def shown(value: Any) -> str:
    """Give a value of a record as people read it."""
    if value in (None, "", []):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(shown(item) for item in value)
    if isinstance(value, dict):
        return f"<{value['later']}>" if "later" in value else ", ".join(f"{k}: {shown(v)}" for k, v in value.items())
    return str(value)
