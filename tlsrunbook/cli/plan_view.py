"""A plan on the terminal: every change with before and after, the PowerShell text, and how each is undone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tlsrunbook.cli.common import say

if TYPE_CHECKING:
    from rich.console import Console

    from tlsrunbook.evidence.change_plan import ChangePlan, PlannedStep


def show_plan(console: Console, plan: ChangePlan, asked: Mapping[str, Any]) -> None:
    """Print a plan.

    Args:
        asked: What ``change.json`` says.
    """
    who = plan.beside.get("who", {})
    say(console, f"Change {plan.change} of site {plan.site}, plan {plan.number}")
    for name in ("ticket", "reason", "risk"):
        if asked.get(name):
            say(console, f"  {name}: {asked[name]}")
    made = plan.beside.get("made", "")
    say(console, f"  planned at {made} by {who.get('user', '')} on {who.get('host', '')}")
    results = {(one["server"], one["step"]): one for one in plan.beside.get("results", ())}
    for step in plan.steps:
        _show_step(console, step, results.get((step.server, step.step), {}))
    say(console, f"\nplan digest: {plan.digest}")


def _show_step(console: Console, step: PlannedStep, result: Mapping[str, Any]) -> None:
    from tlsrunbook.evidence.display import SIGNS
    from tlsrunbook.evidence.record import Status

    status = Status(result.get("status", "planned"))
    items = step.plan["items"]
    say(console, f"\n{step.server} / {step.step}: {SIGNS[status]} {status.value}: {result.get('summary', '')}")
    if items:
        console.print(_changes(items))
    for item in items:
        say(console, f"  PS> {_text(item['does'])}")
        say(console, f"      undo: {_undo(item['undo'])}")
    if items and step.plan["waiting_for"]:
        say(console, f"  waits for {step.plan['waiting_for']}")
    for finding in result.get("findings", ()):
        if finding["severity"] != "info":
            say(console, f"  {finding['severity']}: {finding['message']}")


def _changes(items: list[dict[str, Any]]) -> Any:
    from rich.table import Table
    from rich.text import Text

    from tlsrunbook.evidence.display import shown

    table = Table(box=None, pad_edge=True)
    for head in ("what", "property", "before", "after"):
        table.add_column(head, overflow="fold")
    for item in items:
        for change in item["changes"]:
            cells = (change["target"], change["property"], shown(change["have"]), shown(change["want"]))
            table.add_row(*(Text(cell) for cell in cells))
    return table


def _text(does: Any) -> str:
    if isinstance(does, list):
        return " | ".join(command["text"] for command in does)
    return f"(the CSR goes to the authority: {does['authority']})"


def _undo(undo: Mapping[str, Any]) -> str:
    texts = [_text(pipeline) for pipeline in undo.get("pipelines", ())]
    note = undo.get("note") or undo.get("reason") or ""
    if undo["kind"] == "irreversible":
        return f"not possible: {note}"
    return "; ".join(texts) + (f" ({note})" if note else "") if texts else note
