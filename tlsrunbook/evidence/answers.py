"""What a card answers to somebody who gave or asked something: an ordinary output that survives saving."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from tlsrunbook.evidence.cards import Section
from tlsrunbook.evidence.parts import html_note

_SIGNS = {"good": ("✓", "#2e8b57"), "bad": ("✗", "#cf3b3b"), "plain": ("i", "#3b78c3")}


@dataclass(frozen=True, repr=False)
class Answer:
    """One answer.

    Args:
        kind: ``good``, ``bad`` or ``plain``.
        title: One sentence.
        seen: What was seen, one sentence; may be empty.
        todo: What to do; may be empty.
        sections: More of it.
    """

    kind: str
    title: str
    seen: str = ""
    todo: str = ""
    sections: Sequence[Section] = ()

    def __repr__(self) -> str:
        lines = [f"{_SIGNS[self.kind][0]} {self.title}", *([f"  {self.seen}"] if self.seen else [])]
        lines += [f"  What to do: {self.todo}"] if self.todo else []
        return "\n".join([*lines, *(f"  {line}" for section in self.sections for line in section.lines())])

    def html(self) -> str:
        """Give it as HTML that needs no script and no style sheet."""
        sign, colour = _SIGNS[self.kind]
        frame = f"border-left:5px solid {colour};padding:2px 0 2px 12px;font-size:13px;line-height:1.45"
        title = f'<span style="color:{colour}">{sign}</span> {escape(self.title)}'
        head = f'<p style="margin:0;font-size:15px;font-weight:bold">{title}</p>'
        parts = [f'<div role="status" style="{frame}">{head}', html_note(self.seen) if self.seen else ""]
        parts += [html_note(self.todo, "What to do:")] if self.todo else []
        return "".join([*parts, *(section.html() for section in self.sections), "</div>"])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        del include, exclude
        return {"text/html": self.html(), "text/plain": repr(self)}
