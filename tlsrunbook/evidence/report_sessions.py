"""The report's section on the sessions in JupyterLab."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from tlsrunbook.evidence.page import table
from tlsrunbook.evidence.report_facts import ChangeReport, code, second

#: A rendering's state, with its sign and colour.
_STATES = {"archived": ("✓ archived", "ok"), "missing": ("– missing", "wait")}
_OPEN = ("… not settled yet", "quiet")


def sessions(report: ChangeReport) -> str:
    """Give what persons did from a notebook, and what became of the notebook; empty where nobody did."""
    if not report.sessions:
        return ""
    heads = ("session", "on", "closed, by", "what was done", "the saved notebook")
    rows = [_row(one) for one in report.sessions]
    note = '<p class="quiet">The records count: a saved notebook shows what a person saw.</p>'
    return "<h2>Sessions in JupyterLab</h2>" + table(heads, rows, tight=(0, 1)) + note


def _row(one: Mapping[str, Any]) -> tuple[str, ...]:
    number = escape(str(one["number"]))
    if "wrong" in one:
        return (number, "-", "-", f'<span class="bad">{escape(str(one["wrong"]))}</span>', "-")
    word, kind = _STATES.get(str(one["rendering"]), _OPEN)
    became = f'<span class="status {kind}">{word}</span>'
    if one["why"]:
        became += f": {escape(str(one['why']))}"
    if one["page"]:
        # A report lies two folders below the change.
        became += f' <a href="../../{escape(str(one["page"]))}">{escape(str(one["notebook"]))}</a>'
    if one["sha256"]:
        became += f"<br>{code(one['sha256'])}"
    closed = f"{second(str(one['finished']))}<br>{escape(str(one['user']))} on {escape(str(one['host']))}"
    done = "<br>".join(escape(str(step)) for step in one["steps"])
    return (number, f"<strong>{escape(str(one['server']))}</strong>", closed, done, became)
