"""What the command line shows: a live server x step matrix on a terminal, plain lines elsewhere, tables at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tlsrunbook.evidence.display import SIGNS
from tlsrunbook.evidence.record import Record, Status

if TYPE_CHECKING:
    from tlsrunbook.run.batch import Event
    from tlsrunbook.run.check import CheckRow

_STYLES = {
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
    return Text(f"{SIGNS[status]} {status.value}", style=_STYLES[status])


class Matrix(AbstractContextManager["Matrix"]):
    """Servers down, steps across; refreshed while they run.

    Args:
        rows: Site and server, in order.
        steps: Step ids, in order.
    """

    def __init__(self, console: Console, rows: Sequence[tuple[str, str]], steps: Sequence[str]) -> None:
        from rich.live import Live  # noqa: PLC0415 - only a run needs it

        self._console = console
        self._rows = rows
        self._steps = steps
        self._cells: dict[tuple[str, str, str], Status | float] = {}
        self._lock = threading.Lock()
        self._live = (
            Live(get_renderable=self.table, console=console, refresh_per_second=8) if console.is_terminal else None
        )

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def tell(self, event: Event) -> None:
        """Take an event of the run; safe from any thread."""
        with self._lock:
            key = (event.site, event.server, event.step)
            self._cells[key] = event.record.status if event.record else time.monotonic()
        if not self._live:
            self._console.print(_line(event), highlight=False, markup=False, soft_wrap=True)

    def table(self) -> Table:
        """Give the matrix as it is now."""
        table = Table(box=None, pad_edge=False)
        table.add_column("server", no_wrap=True)
        for step in self._steps:
            table.add_column(step, no_wrap=True)
        with self._lock:
            for site, server in self._rows:
                cells = [self._cell(self._cells.get((site, server, step))) for step in self._steps]
                table.add_row(f"{site} / {server}", *cells)
        return table

    @staticmethod
    def _cell(value: Status | float | None) -> Text:
        if value is None:
            return Text("·", style="dim")
        if isinstance(value, Status):
            return status_text(value)
        return Text(f"▸ {time.monotonic() - value:.0f} s", style="blue")


def _line(event: Event) -> str:
    at = datetime.now(UTC).strftime("%H:%M:%SZ")
    if event.record is None:
        return f"{at} {event.site} / {event.server} / {event.step}: started"
    record = event.record
    todo = f" -> {record.todo}" if record.todo else ""
    return f"{at} {event.site} / {event.server} / {event.step}: {record.status.value}: {record.summary}{todo}"


def results(console: Console, records: Iterable[Record]) -> None:
    """Print what was found and done, a row per server, and every message of a step that stopped."""
    records = tuple(records)
    table = Table(title="Results", title_justify="left", title_style="bold", box=None, pad_edge=False)
    for head in ("server", "last step", "FQDN", "Exchange", "valid until", "endpoints"):
        table.add_column(head, overflow="fold")
    for site, server in dict.fromkeys((record.site, record.server) for record in records):
        own = [record for record in records if (record.site, record.server) == (site, server)]
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


def status_table(
    console: Console, rows: Iterable[tuple[str, str, str, dict[str, Record]]], steps: Sequence[str]
) -> None:
    """Print the matrix of recorded statuses.

    Args:
        rows: Site, server, change id, last record per step.
    """
    table = Table(box=None, pad_edge=False)
    for head in ("server", "change", *steps):
        table.add_column(head, no_wrap=True)
    stopped = []
    for site, server, change, last in rows:
        cells = [status_text(last[step].status) if step in last else Text("·", style="dim") for step in steps]
        table.add_row(f"{site} / {server}", change or "-", *cells)
        stopped += [record for record in last.values() if not record.status.done]
    console.print(table)
    for record in stopped:
        console.print(_line_of(record), highlight=False, markup=False, soft_wrap=True)


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


Tell = Callable[["Event"], None]
