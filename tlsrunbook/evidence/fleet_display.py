"""The fleet as an ordinary output of a notebook: HTML that needs no script, text, and the picture as an image.

It reads in JupyterLab, in a saved file without a kernel, in an HTML export, and where style and script are taken out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any

from tlsrunbook.evidence.fleet_model import Fleet, Verdict
from tlsrunbook.evidence.fleet_overview import in_words, overview, renewal_time
from tlsrunbook.evidence.fleet_table import VERDICTS, Cell, FleetTable, Row, words_of
from tlsrunbook.evidence.fleet_tables import counted, tables
from tlsrunbook.evidence.fleet_timeline import lane_grid

_STYLE = """
.tlsrunbook-fleet { font-size: 12.5px; line-height: 1.4; overflow-wrap: break-word; }
.tlsrunbook-fleet table { border-collapse: collapse; width: 100%; font-size: 12px; margin: 0; table-layout: auto; }
.tlsrunbook-fleet.tlsrunbook-fleet th, .tlsrunbook-fleet.tlsrunbook-fleet td { text-align: left;
  vertical-align: top; padding: 2px 8px 2px 0;
  border-bottom: 1px solid #8884; background: none; white-space: normal; }
.tlsrunbook-fleet small { opacity: .75; font-size: 11px; }
.tlsrunbook-fleet code { font-size: 11px; overflow-wrap: anywhere; white-space: normal; background: none; }
.tlsrunbook-fleet.tlsrunbook-fleet .t { white-space: nowrap; }
.tlsrunbook-fleet h4 { margin: 14px 0 2px; font-size: 14px; }
.tlsrunbook-fleet svg { display: block; max-width: 100%; height: auto; }
.tlsrunbook-fleet .ok { color: #2e8b57; } .tlsrunbook-fleet .wait { color: #b7791f; }
.tlsrunbook-fleet .bad { color: #cf3b3b; } .tlsrunbook-fleet .odd { color: #9b4dca; }
.tlsrunbook-fleet .plan { color: #3b78c3; } .tlsrunbook-fleet .quiet { opacity: .75; }
"""


@dataclass(frozen=True)
class View:
    """What of the fleet is shown, and in which order.

    Args:
        words: Only servers of which the tables say all of them, in any case and order; empty for all.
        verdict: Only servers that stand so; empty for all.
        table: Id of the only table; empty for all.
        sort: Head of a column that the tables which have it are sorted by; empty: as they are best read.
        descending: Whether the greatest comes first.
    """

    words: str = ""
    verdict: str = ""
    table: str = ""
    sort: str = ""
    descending: bool = False

    def fits(self, row: Row, words: Mapping[str, str]) -> bool:
        """Whether a row is about a server that is asked for.

        Args:
            words: See :func:`~tlsrunbook.evidence.fleet_table.words_of`.
        """
        if self.verdict and row.verdict != self.verdict:
            return False
        return all(word in words[row.server] for word in self.words.casefold().split())

    @property
    def narrows(self) -> bool:
        """Whether anything is left out."""
        return bool(self.words.strip() or self.verdict or self.table)


class FleetShown:
    """The fleet, and what of it is shown.

    Args:
        fleet: All of it.
        view: What is shown.
    """

    def __init__(self, fleet: Fleet, view: View = View()) -> None:
        self.fleet = fleet
        self.view = view

    @cached_property
    def tables(self) -> tuple[FleetTable, ...]:
        """The tables with all their rows."""
        return tables(self.fleet)

    @cached_property
    def words(self) -> dict[str, str]:
        """What a filter looks in, by server."""
        return words_of(self.tables)

    def seen(self, view: View) -> FleetShown:
        """Give the same fleet seen in another way."""
        other = FleetShown(self.fleet, view)
        other.__dict__ |= {"tables": self.tables, "words": self.words}
        return other

    def rows(self, one: FleetTable) -> tuple[Row, ...]:
        """Give the rows of a table that are shown."""
        rows = tuple(row for row in one.rows if self.view.fits(row, self.words))
        return one.sorted_by(self.view.sort, rows, descending=self.view.descending) if self._sorts(one) else rows

    def _sorts(self, one: FleetTable) -> bool:
        return self.view.sort in one.heads

    def __repr__(self) -> str:
        return "\n".join(self._text())

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        del include, exclude
        return {"text/html": self.html(), "text/plain": repr(self)}

    def _chosen(self) -> list[FleetTable]:
        return [one for one in self.tables if self.view.table in ("", one.id)]

    def html(self) -> str:
        """Give the tables as HTML."""
        grid = lane_grid(self.fleet.at, renewal_time(self.fleet))
        parts = "".join(self._section(one) for one in self._chosen())
        return f'<div class="tlsrunbook-fleet"><style>{_STYLE}</style>{grid}{_notes(self.fleet)}{parts}</div>'

    def _section(self, one: FleetTable) -> str:
        rows = self.rows(one)
        count = f"{len(rows)} of {len(one.rows)}" if self.view.narrows else str(len(rows))
        head = f"<h4>{escape(one.title)} ({count})</h4>"
        lead = f'<p class="quiet" style="margin:0 0 4px">{escape(one.lead)}</p>'
        if not rows:
            text = one.empty if not one.rows else "nothing here fits the filter"
            return f'{head}<p class="quiet">{escape(text)}</p>'
        if one.folded:
            return f"{head}<details><summary>Show them</summary>{lead}{_table(one, rows)}</details>"
        return f"{head}{lead}{_table(one, rows)}"

    def _text(self) -> list[str]:
        lines = [summary(self.fleet)]
        for one in self._chosen():
            rows = self.rows(one)
            lines += ["", f"{one.title} ({len(rows)} of {len(one.rows)})"]
            if one.folded and not self.view.narrows:
                lines.append("  too many to list here: see the page, or choose this table")
                continue
            heads = [at for at, head in enumerate(one.heads) if head != one.pictured]
            lines += ["  " + " | ".join(_line(row.cells[at]) for at in heads) for row in rows]
            lines += [] if rows else [f"  {one.empty if not one.rows else 'nothing here fits the filter'}"]
        return lines


class FleetPicture:
    """When all certificates end, as an image that needs nothing around it."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet

    def __repr__(self) -> str:
        return in_words(self.fleet)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        del include, exclude
        return {"image/svg+xml": overview(self.fleet, alone=True), "text/plain": repr(self)}


def summary(fleet: Fleet) -> str:
    """Say in a line how many servers stand how."""
    stand = ", ".join(f"{VERDICTS[verdict][0]} {count} {verdict.value}" for verdict, count in counted(fleet).items())
    return f"{len(fleet.servers)} servers of {', '.join(fleet.sites)}, on record at {fleet.at:%Y-%m-%d %H:%M}Z: {stand}"


def summary_html(fleet: Fleet) -> str:
    """Give the same as HTML."""
    colours = {"ok": "#2e8b57", "wait": "#b7791f", "bad": "#cf3b3b", "odd": "#9b4dca", "plan": "#3b78c3"}
    parts = []
    for verdict, count in counted(fleet).items():
        sign, kind = VERDICTS[verdict]
        text = f"{sign} {count} {verdict.value}"
        parts.append(f'<strong style="color:{colours[kind]};white-space:nowrap">{text}</strong>')
    sites = escape(", ".join(fleet.sites))
    head = f"<strong>{len(fleet.servers)} servers</strong> of {sites}, on record at {fleet.at:%Y-%m-%d %H:%M}Z"
    return f'<p style="margin:0">{head}</p><p style="margin:2px 0">{" &nbsp; ".join(parts)}</p>{_notes(fleet)}'


def verdicts_of(fleet: Fleet) -> tuple[Verdict, ...]:
    """Give the verdicts that some server has, the most urgent first."""
    return tuple(counted(fleet))


def _notes(fleet: Fleet) -> str:
    notes = [f"? not known: {text}" for text in fleet.trouble]
    if fleet.elsewhere:
        notes.append(f"On record, and in no site file any more: {', '.join(fleet.elsewhere)}")
    return "".join(f"<p>{escape(note)}</p>" for note in notes)


def _line(cell: Cell) -> str:
    return f"{cell.text} ({cell.more})" if cell.more and cell.text else cell.text or cell.more or "-"


def _table(one: FleetTable, rows: tuple[Row, ...]) -> str:
    heads = "".join(
        f'<th scope="col">{one.picture if head == one.pictured else escape(head)}</th>' for head in one.heads
    )
    body = "".join("<tr>" + "".join(map(_cell, row.cells)) + "</tr>" for row in rows)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def _cell(cell: Cell) -> str:
    if cell.picture:
        return f"<td>{cell.picture}</td>"
    text = escape(cell.text)
    if cell.code:
        text = f"<code>{text}</code>"
    elif cell.strong:
        text = f"<strong>{text}</strong>"
    elif cell.kind:
        # Sign and word stay together where no style sheet says so.
        text = f'<span class="{cell.kind}">{text.replace(" ", "&nbsp;", 1)}</span>'
    more = f"<br><small>{escape(cell.more)}</small>" if cell.more else ""
    mark = ' class="t"' if cell.kind or cell.tight or cell.strong else ""
    return f"<td{mark}>{text}{more}</td>"
