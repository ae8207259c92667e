"""The last card: closes the session, and shows in one output all that was done in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

import ipywidgets as widgets

from tlsrunbook.evidence.display import Shown
from tlsrunbook.ui.cards import paragraph
from tlsrunbook.ui.session import FinishedShown, Session, finished


class FinishCard(widgets.VBox):  # type: ignore[misc]
    """The button that closes the session."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.button = widgets.Button(
            description="Finish",
            tooltip="Close the session: write down what was done, to be archived with this notebook and sealed",
            button_style="primary",
            layout={"width": "max-content", "min_width": "8em"},
        )
        self.button.add_class("tlsrunbook-finish")
        self.button.on_click(lambda _: act())
        self.going = widgets.HTML()
        note = "When you are done, or stop for today: Finish writes down what was done, and closes the cards."
        super().__init__([widgets.HTML(paragraph(note)), self.button, self.going])

    def tell(self, line: str, role: str = "status") -> None:
        """Say what goes on, or what went wrong (role ``alert``)."""
        self.going.value = paragraph(line, "", role)


@dataclass(frozen=True, repr=False)
class Closed:
    """A finished session with the records of everything that was done in it.

    Args:
        runs: Folder of the evidence, as the notebook has it.
        records: Newest record of each step, in order.
    """

    session: Session
    runs: str
    records: tuple[Shown, ...] = ()

    def _head(self) -> FinishedShown:
        return FinishedShown(
            finished(self.session, self.runs),
            self.session,
            tuple(f"{one.step}, try {one.attempt}, {one.mode}: {one.status}" for one in self.session.done),
        )

    def __repr__(self) -> str:
        return "\n\n".join([repr(self._head()), *(repr(shown) for shown in self.records)])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        del include, exclude
        bundle = self._head()._repr_mimebundle_()
        bundle["text/html"] += "".join(_details(shown) for shown in self.records)
        bundle["text/plain"] = repr(self)
        return bundle


def _details(shown: Shown) -> str:
    title = escape(f"{shown.title}: {shown.record.status.value}")
    return f"<details><summary>{title}</summary>{shown._repr_mimebundle_()['text/html']}</details>"
