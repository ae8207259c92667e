"""What a run shows on a terminal: bars for all of it and for the waves under way, and a matrix of servers and steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tlsrunbook.cli.progress import DONE, HELD, LEFT, NEW, STOPPED, Cell, Progress, Row
from tlsrunbook.console import STYLES
from tlsrunbook.evidence.display import SIGNS
from tlsrunbook.evidence.record import Status
from tlsrunbook.run.job import Told

#: Lines that are not servers: what is counted, the matrix's head, the rest, and one to breathe.
_FRAME = 4
_BARS = 5
_NARROW = 96


class LiveView:
    """Refreshes itself while the run goes on.

    Args:
        console: A terminal.
        sites: How many sites there are.
        steps: Step ids, in order.
        progress: Keeps what is told.
    """

    def __init__(self, console: Console, sites: int, steps: Sequence[str], progress: Progress) -> None:
        self._console = console
        self._steps = tuple(steps)
        self._sites = sites
        self._progress = progress
        self._live = Live(get_renderable=self.picture, console=console, refresh_per_second=4, transient=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def tell(self, told: Told) -> None:
        """Take something that was told; safe from any thread."""
        self._progress.take(told)

    def picture(self) -> RenderableType:
        """Give the view as it is now, never higher than the terminal."""
        counts = self._progress.counts()
        bars = self._bars(counts)
        room = max(1, self._console.height - _FRAME - bars.row_count)
        rows = self._progress.rows()
        shown = rows if len(rows) <= room else rows[: room - 1]
        parts: list[RenderableType] = [bars, _counted(counts), self._matrix(shown)]
        if len(shown) < len(rows):
            rest = Counter(row.state for row in rows[len(shown) :])
            parts.append(_counted(rest, f"and {rest.total()} more: "))
        return Group(*parts)

    def _bars(self, counts: Mapping[str, int]) -> Table:
        total, done = sum(counts.values()), counts.get(DONE, 0)
        grid = Table.grid(padding=(0, 2))
        for _ in range(4):
            grid.add_column(no_wrap=True, overflow="ellipsis")
        bad = counts.get(STOPPED, 0) + counts.get(HELD, 0) > 0
        grid.add_row("all", _bar(done, total, bad=bad), f"{done} of {total}", self._time_left())
        waves = [
            bar for bar in self._progress.bars() if bar.state and not (bar.state == "done" and bar.number < bar.of)
        ]
        for bar in waves[-_BARS:]:
            label = f"{bar.site}, wave {bar.number} of {bar.of}"
            grid.add_row(label, _bar(bar.done, bar.total, bad=bar.state == "stopped"), f"{bar.done} of {bar.total}")
        return grid

    def _time_left(self) -> str:
        seconds = self._progress.seconds_left()
        if seconds is None:
            return "time left: known when a server is done"
        return f"about {lasting(seconds)} left" if seconds else ""

    def _matrix(self, rows: Sequence[Row]) -> Table:
        table = Table(box=None, pad_edge=False)
        table.add_column("server", no_wrap=True)
        for step in self._steps:
            table.add_column(step, no_wrap=True)
        words, now = self._console.width >= _NARROW, self._progress.now()
        for row in rows:
            name = f"{row.site} / {row.server}" if self._sites > 1 else row.server
            style = "dim" if row.state in (NEW, LEFT) else ""
            cells = [_cell(row, row.cells.get(step), now, words=words) for step in self._steps]
            table.add_row(Text(name, style=style), *cells)
        return table


def _bar(done: int, total: int, *, bad: bool) -> ProgressBar:
    style = "bold red" if bad else "green"
    return ProgressBar(total=max(1, total), completed=done, width=24, complete_style=style, finished_style=style)


def _cell(row: Row, value: Cell | None, now: float, *, words: bool) -> Text:
    if isinstance(value, Status):
        return Text(f"{SIGNS[value]} {value.value}" if words else SIGNS[value], style=STYLES[value])
    if value is True:
        return Text("✓ before" if words else "✓", style="dim green")
    if value is None or isinstance(value, bool):
        return Text("held" if row.state == HELD else "·", style="dim")
    return Text(f"▸ {lasting(now - value)}", style="blue")


def _counted(counts: Mapping[str, int], before: str = "") -> Text:
    text = ", ".join(f"{count} {state}" for state, count in counts.items())
    return Text(before + text, style="dim", no_wrap=True, overflow="ellipsis")


def lasting(seconds: float) -> str:
    """Give a time as people say it: ``4 s``, ``3 min 20 s``, ``2 h 5 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest and minutes < 10 else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
