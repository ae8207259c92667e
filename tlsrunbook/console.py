"""What the command line shows when it has ended: tables, and what somebody has to look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tlsrunbook.evidence.display import SIGNS, shown
from tlsrunbook.evidence.record import Record, Status

if TYPE_CHECKING:
    from tlsrunbook.run.check import CheckRow
    from tlsrunbook.run.now import ServerNow

#: How a status looks.
STYLES = {
    Status.PLANNED: "cyan",
    Status.UNCHANGED: "green",
    Status.CHANGED: "bold green",
    Status.WAITING: "yellow",
    Status.BLOCKED: "bold yellow",
    Status.FAILED: "bold red",
    Status.UNKNOWN: "bold magenta",
    Status.SKIPPED: "dim",
}


def status_text(status: Status) -> Text:
    """Give a status with its sign and colour."""
    return Text(f"{SIGNS[status]} {status.value}", style=STYLES[status])


def results(console: Console, records: Iterable[Record]) -> None:
    """Print what was found and done, a row per server, and every message of a step that stopped."""
    records = tuple(records)
    servers: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        servers.setdefault((record.site, record.server), []).append(record)
    table = Table(title="Results", title_justify="left", title_style="bold", box=None, pad_edge=False)
    for head in ("server", "last step", "FQDN", "Exchange", "valid until", "endpoints"):
        table.add_column(head, overflow="fold")
    for (site, server), own in servers.items():
        ended = Text(f"{own[-1].step} ") + status_text(own[-1].status)
        table.add_row(f"{site} / {server}", ended, *_row(own))
    console.print(table)
    for record in records:
        if not record.status.done and record.status is not Status.PLANNED:
            console.print(_line_of(record), highlight=False, markup=False, soft_wrap=True)
        for finding in record.findings:
            if finding["severity"] == "warning":
                text = f"! {record.site} / {record.server} / {record.step}: {finding['message']}"
                console.print(text, highlight=False, markup=False, soft_wrap=True)


#: The facts that a row is made of.
_SHOWN = ("names on the certificate", "names", "valid until", "endpoints")


def as_shown(record: Record) -> Record:
    """Keep of a record what :func:`results` shows; a run over very many servers would keep all else in memory."""
    return replace(
        record,
        plan={},
        commands=(),
        files=(),
        facts={name: record.facts[name] for name in _SHOWN if name in record.facts},
        findings=tuple(finding for finding in record.findings if finding["severity"] == "warning"),
    )


def _row(records: Sequence[Record]) -> tuple[str, str, str, str]:
    facts = {key: value for record in records for key, value in record.facts.items()}
    version = next((f"{r.server_facts['product']} {r.server_facts['role']}" for r in records if r.server_facts), "-")
    names = facts.get("names on the certificate") or facts.get("names") or []
    until = str(facts.get("valid until", "-"))[:10]
    seen = [_endpoint(row) for row in facts.get("endpoints", [])]
    return ", ".join(names) or "-", version, until, ", ".join(seen) or "-"


def _endpoint(row: Mapping[str, Any]) -> str:
    thumbprint = str(row.get("thumbprint", ""))
    if thumbprint:
        return f"{row['endpoint']} {row['protocol']} {thumbprint[:8]}…"
    return f"{row['endpoint']} {row.get('result') or row.get('EHLO', '')}"


def _line_of(record: Record) -> str:
    todo = f"\n    What to do: {record.todo}" if record.todo else ""
    place = f"{record.site} / {record.server} / {record.step}"
    return f"{SIGNS[record.status]} {place} {record.status.value}: {record.summary}{todo}"


def way_back(console: Console, records: Iterable[Record]) -> None:
    """Print per server what a rollback put back, or would, and who stands in its way."""
    for record in records:
        lines = [f"{record.site} / {record.server}: {record.status.value}: {record.summary}"]
        lines += [
            f"  {one['target']}: {one['property']}: {shown(one['have'])} -> {shown(one['want'])}"
            for item in record.plan.get("items", ())
            for one in item["changes"]
        ]
        rows = record.facts.get("changed by somebody since", ())
        lines += [
            f"  changed since: {row['what']}: {row['property']}: as the change left it: "
            f"{shown(row['as the change left it'])}; as it is now: {shown(row['as it is now'])}"
            for row in rows
        ]
        for line in lines:
            console.print(line, highlight=False, markup=False, soft_wrap=True)


def status_table(console: Console, rows: Iterable[tuple[str, ServerNow]], steps: Sequence[str]) -> None:
    """Print the matrix of recorded statuses, with what is at work or broke off.

    Args:
        rows: Site, and where the server stands.
    """
    table = Table(box=None, pad_edge=False)
    for head in ("server", "change", *steps):
        table.add_column(head, no_wrap=True)
    rows = tuple(rows)
    for site, now in rows:
        open_ = {one.step: Text("▸ at work", style="blue") if now.held_by else _BROKEN for one in now.open}
        ended = {step: status_text(record.status) for step, record in now.last.items()}
        cells = [open_.get(step) or ended.get(step) or Text("·", style="dim") for step in steps]
        table.add_row(f"{site} / {now.server}", now.change or "-", *cells)
    console.print(table)
    lines = [line for site, now in rows for line in _said_of(site, now)]
    lines += [_line_of(record) for _, now in rows for record in _stopped(now.last)]
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


_BROKEN = Text("? broke off", style="bold magenta")


def _said_of(site: str, now: ServerNow) -> list[str]:
    """Say who works on a server, what broke off on it, and that its change was rolled back."""
    said = []
    who = now.held_by
    if who:
        at = "; ".join(f"{one.step} since {one.since or '-'}" for one in now.open) or "between two steps"
        said.append(
            f"{site} / {now.server}: {who['user']} on {who['host']} works on it ({who['what']}, since {who['since']}, "
            f"holds it until {who['until']} at least): {at}"
        )
    for one in now.open if not who else ():
        unsure = ", with a change sent and not answered" if one.unsure else ""
        said.append(
            f"{site} / {now.server} / {one.step}: broke off without a record (begun {one.since or '-'}){unsure}"
            "\n    What to do: run the same change again; it looks at the server first"
        )
    back = now.last.get("rollback")
    if back and back.mode == "apply" and back.status.done:
        said.append(
            f"{site} / {now.server}: the change {now.change} was rolled back ({back.finished}); a run starts a new one"
        )
    return said


def _stopped(last: Mapping[str, Record]) -> list[Record]:
    """Give the records that somebody has to look at; a change that was rolled back has no others than that one."""
    back = last.get("rollback")
    looked_at = [back] if back and back.mode == "apply" else last.values()
    return [record for record in looked_at if not record.status.done]


def check_table(console: Console, rows: Iterable[tuple[str, CheckRow]]) -> None:
    """Print what ``check`` saw.

    Args:
        rows: Site name and row.
    """
    table = Table(box=None, pad_edge=False)
    for head in ("site", "subject", "what", "", "seen"):
        table.add_column(head, overflow="fold")
    for site, row in rows:
        sign = Text("✓ ok", style="green") if row.ok else Text("✗ not ok", style="bold red")
        text = row.text + (f"\n-> {row.todo}" if row.todo else "")
        table.add_row(site, row.subject, row.what, sign, Text(text))
    console.print(table)


def fail(console: Console, message: str) -> None:
    """Print one clear message on standard error."""
    console.print(message, style="bold red", highlight=False, markup=False, soft_wrap=True)
