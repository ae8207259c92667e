"""The fleet as one page: filter and sort where script runs, and the same page to read where it does not."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from html import escape
from importlib.resources import files

from tlsrunbook.evidence.fleet_model import Fleet, Verdict
from tlsrunbook.evidence.fleet_overview import Week, in_words, overview, renewal_time, weeks
from tlsrunbook.evidence.fleet_scale import DAY, limit_text, limits
from tlsrunbook.evidence.fleet_table import VERDICTS, Cell, FleetTable, Row
from tlsrunbook.evidence.fleet_tables import counted, tables
from tlsrunbook.evidence.fleet_timeline import lane_grid
from tlsrunbook.evidence.page import page, table

#: What the script shows and uses: without it nothing is shown that does not work.
_FILTER = (
    '<div id="filter" role="search" hidden><label for="words">Filter</label>'
    '<input id="words" type="search" autocomplete="off" placeholder="server, name, state, issuer …">'
    '<button type="button" id="clear">Show all</button><span id="told" role="status"></span></div>'
)


@cache
def _ours(name: str) -> str:
    return files("tlsrunbook.evidence").joinpath(name).read_text(encoding="utf-8")


def fleet_html(fleet: Fleet) -> str:
    """Give the whole page."""
    found = tables(fleet)
    body = "".join(
        (
            _head(fleet, found),
            _FILTER,
            *(_section(fleet, one) for one in found),
            _elsewhere(fleet),
        )
    )
    title = f"Certificates of {', '.join(fleet.sites)}" if len(fleet.sites) < 4 else f"{len(fleet.sites)} sites"
    return page(title, body, kind="fleet", style=_ours("fleet.css"), script=_ours("fleet.js"))


def _head(fleet: Fleet, found: Sequence[FleetTable]) -> str:
    count = len(fleet.servers)
    where = f"{len(fleet.sites)} sites" if len(fleet.sites) > 3 else ", ".join(fleet.sites)
    title = f"{count} server{'s' if count != 1 else ''} of {where}"
    tiles = "".join(f"<li>{_tile(verdict, number)}</li>" for verdict, number in counted(fleet).items())
    links = "".join(f'<a href="#{one.id}">{escape(one.title)} ({len(one.rows)})</a>' for one in found)
    made = f"{fleet.at:%Y-%m-%d %H:%M}Z" + (f", tlsrunbook {fleet.package}" if fleet.package else "")
    trouble = "".join(
        f'<p class="note"><span class="status odd">? not known</span> {escape(text)}</p>' for text in fleet.trouble
    )
    return (
        f'<p class="quiet">Public TLS certificates for SMTP, from what is on record; {escape(made)}</p>'
        f'<h1>{escape(title)}</h1><ul class="tiles" aria-label="how they stand">{tiles}</ul>{trouble}'
        f'<nav aria-label="on this page">{links}</nav>'
    )


def _tile(verdict: Verdict, number: int) -> str:
    sign, kind = VERDICTS[verdict]
    return (
        f'<span class="status tile {kind}" data-verdict="{verdict.value}">'
        f'<span aria-hidden="true">{sign}</span> {number} {verdict.value}</span>'
    )


def _section(fleet: Fleet, one: FleetTable) -> str:
    picture = _pictures(fleet) if one.id == "ends" else ""
    inner = f'<p class="quiet">{escape(one.lead)}</p>{picture}{_table(one)}'
    head = f'<h2 id="{one.id}">{escape(one.title)}</h2>'
    if one.folded:
        inner = f"<details><summary>Show {len(one.rows)} rows</summary>{inner}</details>"
    return f'<section data-count aria-labelledby="{one.id}">{head}{inner}</section>'


def _table(one: FleetTable) -> str:
    """Give a table with what the script needs to filter and to sort it."""
    if not one.rows:
        return f'<p class="quiet">{escape(one.empty)}</p><p class="nothing" hidden></p>'
    heads = "".join(
        f'<th scope="col" class="picture">{one.picture}</th>'
        if head == one.pictured
        else f'<th scope="col">{escape(head)}</th>'
        for head in one.heads
    )
    first = one.heads.index("server")
    labels = tuple(f' data-head="{escape(head)}"' for head in one.heads)
    body = "".join(_row(row, first, labels) for row in one.rows)
    return (
        f'<table class="sortable cards"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'
        '<p class="quiet nothing" hidden>nothing here fits the filter</p>'
    )


def _row(row: Row, first: int, labels: tuple[str, ...]) -> str:
    cells = "".join(
        f'<th scope="row"{_sort(cell)}{labels[at]}>{_inner(cell)}</th>'
        if at == first
        else f"<td{_class(cell)}{_sort(cell)}{labels[at]}>{_inner(cell)}</td>"
        for at, cell in enumerate(row.cells)
    )
    return f'<tr data-server="{escape(row.server)}" data-verdict="{row.verdict.value}">{cells}</tr>'


def _class(cell: Cell) -> str:
    if cell.picture:
        return ' class="picture"'
    if cell.wide:
        return ' class="wide-text"'
    return ' class="state"' if cell.kind or cell.tight else ""


def _sort(cell: Cell) -> str:
    return f' data-sort="{escape(cell.sort)}"' if cell.sort else ""


def _inner(cell: Cell) -> str:
    if cell.picture:
        return cell.picture
    text = escape(cell.text)
    if cell.code:
        text = f'<span class="code">{text}</span>'
    elif cell.strong:
        text = f"<strong>{text}</strong>"
    elif cell.kind:
        text = f'<span class="status {"tile " if cell.tile else ""}{cell.kind}">{text}</span>'
    mark = ' class="code"' if cell.code and cell.text.startswith("<I>") else ""
    return f"{text}<small{mark}>{escape(cell.more)}</small>" if cell.more else text


def _pictures(fleet: Fleet) -> str:
    """Give the picture of all certificates, the same as a table, and what the lanes share."""
    told = "".join(f"<li>{escape(limit_text(limit))}</li>" for limit in limits(fleet.at))
    rows = [_week(week) for week in weeks(fleet) if week.all]
    heads = ("days", "in use", "installed besides", "self-signed")
    numbers = table(heads, rows, tight=(0,), empty="no certificate is known", cards=False)
    return (
        f"{overview(fleet)}<details><summary>This picture as a table</summary><p>{escape(in_words(fleet))}</p>{numbers}"
        f"<p>How long a public certificate may live:</p><ul>{told}</ul></details>"
        f"{lane_grid(fleet.at, renewal_time(fleet))}"
    )


def _week(week: Week) -> tuple[str, ...]:
    if week.begins is None:
        days = f"before {week.until:%Y-%m-%d}"
    else:
        days = f"{week.begins:%Y-%m-%d} {f'to {week.until - DAY:%Y-%m-%d}' if week.until else 'or later'}"
    return days, str(week.in_use), str(week.others), str(week.self_signed)


def _elsewhere(fleet: Fleet) -> str:
    if not fleet.elsewhere:
        return ""
    listed = ", ".join(fleet.elsewhere)
    return f'<p class="note">On record, and in no site file any more: {escape(listed)}. They are not in the tables.</p>'
