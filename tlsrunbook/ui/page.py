"""A card as an ordinary output: HTML without script, text, and the record itself. It is what a save keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

from tlsrunbook.evidence.display import Shown
from tlsrunbook.evidence.record import MEDIA_TYPE
from tlsrunbook.ui.model import Face

#: Name of what going back would do, or did.
WAY_BACK = "way back"
_LINE = "margin:2px 0;overflow-wrap:anywhere"


@dataclass(frozen=True, repr=False)
class CardShown:
    """The state of a step, what was recorded last, and whatever else was asked for on its card.

    Args:
        face: What the card shows.
        server: Server name.
        shown: The newest record; None while there is none.
        beside: Further things by name, each with ``_repr_mimebundle_``.
    """

    face: Face
    server: str
    shown: Shown | None = None
    beside: Mapping[str, object] = field(default_factory=dict)

    def __repr__(self) -> str:
        parts = [self._head(), *(f"  {line}" for line in self._lines())]
        parts += [_bundle(one).get("text/plain", "") for one in self._parts()]
        return "\n".join(filter(None, parts))

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        del include, exclude
        bundle: dict[str, Any] = {"text/html": self._html(), "text/plain": repr(self)}
        for one in self._parts():
            bundle |= {kind: data for kind, data in _bundle(one).items() if kind not in bundle}
        return bundle

    def _parts(self) -> list[object]:
        """Give what is shown below the state: the way back first, while that is what is asked about."""
        beside = dict(self.beside)
        first = beside.pop(WAY_BACK, None)
        return [one for one in (first, self.shown, *beside.values()) if one is not None]

    def _head(self) -> str:
        face = self.face
        return f"{face.sign} {face.word}: step {face.number}, {face.title}, on {self.server}"

    def _lines(self) -> list[str]:
        told = self.shown.record.summary if self.shown else ""  # stands in the record, just below
        because = "" if self.face.because == told else self.face.because
        return [line for line in (because, self.face.approval) if line]

    def _html(self) -> str:
        face = self.face
        lines = "".join(f'<p style="{_LINE}">{escape(line)}</p>' for line in self._lines())
        where = f"step {face.number}, {face.title}, on {self.server}"
        head = f'<p style="{_LINE};opacity:.75">{badge(face)} {escape(where)}</p>'
        parts = [f'<div style="margin:0 0 8px 0">{_bundle(one).get("text/html", "")}</div>' for one in self._parts()]
        return f"<div>{head}{lines}{''.join(parts)}</div>"


@dataclass(frozen=True, repr=False)
class Still:
    """One sentence that needs no kernel."""

    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        del include, exclude
        return {"text/html": f'<p style="{_LINE};opacity:.7">{escape(self.text)}</p>', "text/plain": self.text}


def badge(face: Face) -> str:
    """Give sign and word of a card's state; the sign is coloured, the word reads in every theme."""
    return f'<strong><span style="color:{face.colour}">{face.sign}</span> {escape(face.word)}</strong>'


def _bundle(shown: object) -> dict[str, Any]:
    make = getattr(shown, "_repr_mimebundle_", None)
    bundle = make() if make else {}
    return dict(bundle[0] if isinstance(bundle, tuple) else bundle)


def shown_of(face: Face, folder: str) -> Shown | None:
    """Give the newest record of a card as it is shown.

    Args:
        folder: Where its evidence is, for people.
    """
    return Shown(face.record, face.title, folder) if face.record else None


__all__ = ["MEDIA_TYPE", "WAY_BACK", "CardShown", "Still", "badge", "shown_of"]
