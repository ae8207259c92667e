"""What a step's display has of its own: request, install, connectors and verify, from the record's facts alone.

The cards of the interactive runbook and the six step notebooks show the same. A fact of another shape than the step
gives today (an older record) is left to the general display.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tlsrunbook.evidence.parts import AGREEMENT, html_code, html_download, html_note, html_table
from tlsrunbook.evidence.record import Record, Status

_Row = Mapping[str, Any]

TLSA_NOTE = (
    "Only for zones that are signed with DNSSEC. Publish these beside the present records, at least two TTLs before "
    "the step activate: the key is known already. Keep the old ones until the step verify has seen the new "
    "certificate at every endpoint; then take the old ones away."
)
CSR_NOTE = "Give the CA all of it, with its first and last line. It holds no secret: the private key is on the server."


#: More certificates than these do not fit beside each other.
_SIDE_BY_SIDE = 3


@dataclass(frozen=True)
class Section:
    """One part of a card.

    Args:
        title: What it is.
        heads: Of the table; empty when there is none.
        rows: As long as ``heads``.
        code: Lines to copy.
        file: Name under which ``code`` can be downloaded; empty when it cannot.
        note: A sentence for people.
        narrow: Columns that are never broken.
    """

    title: str
    heads: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    code: str = ""
    file: str = ""
    note: str = ""
    narrow: Sequence[int] = ()

    def html(self) -> str:
        """Give it as HTML."""
        parts = []
        if self.code or not self.rows:
            parts.append(html_note(self.note if not self.code else "", self.title))
        if self.code:
            parts += [html_code(self.code), html_download(self.file, self.code) if self.file else ""]
        parts.append(html_table(self.heads, self.rows, self.title, self.narrow))
        if self.note and (self.code or self.rows):
            parts.append(html_note(self.note))
        return "".join(parts)

    def lines(self) -> list[str]:
        """Give it as lines of text."""
        told = [*self.code.splitlines(), *(self._line(row) for row in self.rows), self.note]
        return [f"{self.title}:", *(f"  {line}" for line in told if line)]

    def _line(self, row: Sequence[str]) -> str:
        first, *rest = row
        cells = [f"{head} {cell}" for head, cell in zip(self.heads[1:], rest, strict=True) if cell]
        told = rest[0] if len(rest) == 1 and self.heads[0] else "; ".join(cells)
        return f"{first}: {told}" if first else told


@dataclass(frozen=True)
class Card:
    """What a step's display has of its own.

    Args:
        facts: Names of the record's facts that stand in it.
    """

    sections: tuple[Section, ...] = ()
    facts: frozenset[str] = frozenset()

    def html(self) -> str:
        """Give it as HTML; empty without a section."""
        return "".join(section.html() for section in self.sections)

    def lines(self) -> list[str]:
        """Give it as lines of text."""
        return [line for section in self.sections for line in section.lines()]


def card_of(record: Record) -> Card:
    """Give what is special about a record's step; an empty card for a step that has nothing special."""
    make = _CARDS.get(record.step)
    found = tuple(make(record)) if make else ()
    return Card(tuple(section for section, _ in found), frozenset(name for _, names in found for name in names))


_Part = tuple[Section, tuple[str, ...]]


def _request(record: Record) -> Iterator[_Part]:
    csr, lines = record.facts.get("CSR"), _texts(record, "TLSA records to publish early")
    if isinstance(csr, str):
        name = f"{record.site}-{record.server.lower()}.csr"
        yield Section("Certificate request (CSR)", code=csr, file=name, note=CSR_NOTE), ("CSR",)
    advice = _rows(record, "what to tell the CA", "what", "tell the CA")
    if advice:
        yield _table("What to tell the CA", advice, ("what", "tell the CA"), narrow=(0,)), ("what to tell the CA",)
    if lines:
        title = "TLSA records to publish early (DANE)"
        yield Section(title, code="\n".join(lines), note=TLSA_NOTE), ("TLSA records to publish early",)


def _install(record: Record) -> Iterator[_Part]:
    name, order, chain = "the CA's answer", "order in it", "chain to a root"
    rows = _rows(record, name, "place", "what it is", "thumbprint")
    if rows:
        told = [f"Order: {record.facts.get(order)}", f"Chain: {record.facts.get(chain) or 'none'}"]
        yield certificate_table("The CA's answer", rows, ". ".join(told)), (name, order, chain)


def certificate_table(title: str, rows: Sequence[_Row], note: str) -> Section:
    """Give certificates side by side, or one below the other when there are many.

    Args:
        rows: As of :func:`tlsrunbook.policy.reply_contents.reply_rows`.
    """
    kinds = tuple(rows[0])
    if len(rows) > _SIDE_BY_SIDE:
        return _table(title, rows, kinds, note, narrow=(0,))
    first, *others = kinds
    cells = [[kind, *(str(row.get(kind, "")) for row in rows)] for kind in others]
    heads = ("", *(f"{first} {row.get(first, '')}" for row in rows))
    return Section(title, heads, [row for row in cells if any(row[1:])], note=note, narrow=(0,))


def _connectors(record: Record) -> Iterator[_Part]:
    for name in record.facts:
        whose = name.removeprefix("send connectors")
        rows = _rows(record, name, "connector", "meant for", "now", "then") if whose != name else ()
        if not rows:
            continue
        arrow = _arrow(record)
        three = [row for row in rows if row["meant for"]]
        if three:
            yield _side_by_side(f"The three send connectors{whose}", three, arrow), (name,)
        others = [row for row in rows if not row["meant for"]]
        if others:
            server = whose.removeprefix(" of ") or record.server
            shown = others if len(others) <= _MANY else [row for row in others if _concerns(row, server)]
            lines = [[str(row["connector"]), *_sides(row)] for row in shown]
            left = len(others) - len(shown)
            note = (
                f"{left} more send from other servers only and stay as they are; record.json lists them."
                if left
                else ""
            )
            yield Section(f"Other send connectors{whose}", ("connector", *_KINDS), lines, note=note), (name,)


#: So many other connectors are shown whatever they are.
_MANY = 20


def _concerns(row: _Row, server: str) -> bool:
    """Whether a connector changes, or sends from a server, then or now."""
    sides = [side for side in (row["now"], row["then"]) if isinstance(side, Mapping)]
    sources = [{str(name).upper() for name in side.get("servers", ())} for side in sides]
    return row["now"] != row["then"] or any(not names or server.upper() in names for names in sources)


def _arrow(record: Record) -> str:
    return "before → now" if record.status is Status.CHANGED else "now → after this step"


_KINDS = ("domains", "TLS", "enabled", "sends from")


def _side_by_side(title: str, three: Sequence[_Row], arrow: str) -> Section:
    columns = [_sides(row) for row in three]
    rows = [["meant for", *(_MEANT.get(str(row["meant for"]), str(row["meant for"])) for row in three)]]
    cells = [[column[at] for column in columns] for at in range(len(_KINDS))]
    rows += [[kind, *row] for kind, row in zip(_KINDS, cells, strict=True) if any(row)]
    return Section(f"{title} ({arrow})", ("", *(str(row["connector"]) for row in three)), rows, narrow=(0,))


_MEANT = {
    "required": "partners: TLS is required",
    "never": "broken TLS: never uses TLS",
    "opportunistic": "everybody else: TLS where it is offered",
}


def _sides(row: _Row) -> list[str]:
    """Give what a connector was and will be, in the order of :data:`_KINDS`; once where both are the same."""
    now, then = _side(row["now"]), _side(row["then"])
    if not now or not then:
        first, *rest = then or now or [""] * len(_KINDS)
        return [f"not there → {first}" if then else f"{first} → not there", *rest]
    return [one if one == other else f"{one} → {other}" for one, other in zip(now, then, strict=True)]


def _side(side: Any) -> list[str]:
    """Give a connector's cells; none where it is not there."""
    if not isinstance(side, Mapping):
        return []
    return [
        ", ".join(_space(str(space)) for space in side.get("spaces", ())) or "none",
        str(side.get("tls", "")),
        ("yes" if side.get("enabled") else "no") + (", for its own servers only" if side.get("scoped") else ""),
        ", ".join(map(str, side.get("servers", ()))),
    ]


def _space(space: str) -> str:
    """Give an address space as people read it: a cost of 1 is what nearly all have."""
    domain, _, cost = space.removeprefix("SMTP:").rpartition(";")
    return domain if cost == "1" else f"{domain} (cost {cost})"


def _verify(record: Record) -> Iterator[_Part]:
    name = "what the wire shows"
    rows = _rows(record, name, "endpoint", "point", "should be", "wire shows", "agree")
    for endpoint in dict.fromkeys(str(row["endpoint"]) for row in rows):
        own = [row for row in rows if row["endpoint"] == endpoint]
        heads = ("point", "agree", "should be", "wire shows")
        yield _table(f"Endpoint {endpoint}", own, heads, narrow=(0, 1)), (name, "endpoints")
    chosen = "certificate by Exchange's rules, and on the wire"
    rows = _rows(record, chosen, "receive connector", "agree")
    if rows:
        title = "Which certificate Exchange takes by its rules, and which the wire shows"
        yield _table(title, rows, tuple(rows[0]), narrow=(3, 5)), (chosen,)
    trace = _rows(record, "how Exchange chooses", "receive connector", "asked", "seen")
    if trace:
        yield _table("How Exchange chose, rule by rule", trace, tuple(trace[0]), narrow=(1,)), ("how Exchange chooses",)


_CARDS: Mapping[str, Callable[[Record], Iterator[_Part]]] = {
    "request": _request,
    "install": _install,
    "connectors": _connectors,
    "verify": _verify,
}


def _table(
    title: str, rows: Sequence[_Row], heads: Sequence[str], note: str = "", narrow: Sequence[int] = ()
) -> Section:
    cells = [[_text(head, row.get(head, "")) for head in heads] for row in rows]
    return Section(title, heads, cells, note=note, narrow=narrow)


def _text(head: str, value: object) -> str:
    return AGREEMENT.get(str(value), str(value)) if head == "agree" else str(value)


def _rows(record: Record, name: str, *keys: str) -> Sequence[_Row]:
    """Give a fact's rows; none when it is not a list of rows with these keys."""
    value = record.facts.get(name)
    good = isinstance(value, list) and all(isinstance(row, Mapping) and row.keys() >= set(keys) for row in value)
    return value if good and isinstance(value, list) else ()


def _texts(record: Record, name: str) -> Sequence[str]:
    value = record.facts.get(name)
    return value if isinstance(value, list) and all(isinstance(line, str) for line in value) else ()
