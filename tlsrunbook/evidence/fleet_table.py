"""The fleet's tables as plain values: a page, a notebook and a terminal render the same ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tlsrunbook.evidence.fleet_model import Verdict

#: A sign per verdict, and the class of its colour: colour is never the only sign.
VERDICTS: dict[Verdict, tuple[str, str]] = {
    Verdict.EXPIRED: ("✗", "bad"),
    Verdict.FAILED: ("✗", "bad"),
    Verdict.UNKNOWN: ("?", "odd"),
    Verdict.ENDS_SOON: ("!", "wait"),
    Verdict.NOT_KNOWN: ("?", "odd"),
    Verdict.BLOCKED: ("⊘", "wait"),
    Verdict.STALE: ("!", "wait"),
    Verdict.WAITING: ("…", "wait"),
    Verdict.UNDER_WAY: ("▸", "plan"),
    Verdict.FINE: ("✓", "ok"),
}


@dataclass(frozen=True)
class Cell:
    """One cell.

    Args:
        text: For people.
        more: A second, quieter line; may be empty.
        kind: ``ok``, ``wait``, ``bad``, ``odd``, ``plan``, ``quiet`` or empty: its colour.
        tile: Whether it is a state, shown as a tile.
        strong: Whether it names what the row is about.
        code: Whether every character counts.
        wide: Whether it is a text that needs room.
        tight: Whether it is never broken.
        sort: What it is sorted by; its text when empty. Numbers are compared as such.
        picture: SVG of ours that stands in place of the text.
    """

    text: str = ""
    more: str = ""
    kind: str = ""
    tile: bool = False
    strong: bool = False
    code: bool = False
    wide: bool = False
    tight: bool = False
    sort: str = ""
    picture: str = ""

    @property
    def key(self) -> tuple[int, float, str]:
        """What it is sorted by: numbers first, by their size, then texts; what is empty comes last."""
        text = self.sort or self.text
        try:
            return 0, float(text), ""
        except ValueError:
            return (1 if text else 2), 0.0, text.casefold()


@dataclass(frozen=True)
class Row:
    """One row.

    Args:
        server: ``site / server`` it is about.
        verdict: How that server stands.
        cells: As many as the table has heads.
    """

    server: str
    verdict: Verdict
    cells: tuple[Cell, ...]

    @property
    def text(self) -> str:
        """All of it that people read, in small letters."""
        return " ".join(f"{cell.text} {cell.more}" for cell in self.cells).casefold()


@dataclass(frozen=True)
class FleetTable:
    """One table.

    Args:
        id: For addresses and programs.
        title: Of its section.
        lead: A sentence or two on what it shows and where that comes from.
        heads: Of its columns.
        rows: In the order in which they are best read.
        empty: What to say when there are none.
        picture: SVG of ours in the head of the column of this name.
        pictured: That column; empty for none.
        folded: Whether it is shown only when somebody asks for it.
    """

    id: str
    title: str
    lead: str
    heads: tuple[str, ...]
    rows: tuple[Row, ...]
    empty: str
    picture: str = ""
    pictured: str = ""
    folded: bool = False

    def sorted_by(self, head: str, rows: tuple[Row, ...], *, descending: bool = False) -> tuple[Row, ...]:
        """Give rows by one column; rows that are equal in it stay in their order."""
        at = self.heads.index(head)
        return tuple(sorted(rows, key=lambda row: row.cells[at].key, reverse=descending))


def words_of(found: Iterable[FleetTable]) -> dict[str, str]:
    """Give by ``site / server`` all that any table says of it, in small letters: what a filter looks in."""
    texts: dict[str, list[str]] = {}
    for one in found:
        for row in one.rows:
            texts.setdefault(row.server, [row.server.casefold()]).append(row.text)
    return {server: " ".join(own) for server, own in texts.items()}
