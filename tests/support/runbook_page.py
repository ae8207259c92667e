"""A page of JupyterLab with the runbook on it, without a browser: what is shown, and what a save would keep."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets

from tests.support.change import STEPS
from tlsrunbook.ui.cards import Card
from tlsrunbook.ui.runbook import Runbook


class Output:
    """One output of a cell, as the page has it."""

    def __init__(self, shown: object) -> None:
        self.shown: Any = shown

    def update(self, shown: object) -> None:
        self.shown = shown

    @property
    def bundle(self) -> dict[str, Any]:
        return dict(self.shown._repr_mimebundle_())

    @property
    def text(self) -> str:
        return str(self.bundle["text/plain"])


class Page:
    """A page with the runbook's cells run, in order.

    Args:
        book: The runbook.
    """

    def __init__(self, book: Runbook, outputs: list[Output]) -> None:
        self.book, self.outputs = book, outputs
        book._ipython_display_()
        for step in STEPS:
            getattr(book, step)()
        book.finish()

    def card(self, step: str) -> Card:
        return self.book.cards[step].controls

    def below(self, step: str) -> Output:
        """The ordinary output below a card."""
        return self.outputs[2 * STEPS.index(step) + 3]

    def press(self, step: str, button: str) -> None:
        """Click, and wait until what it began has ended."""
        clicked(getattr(self.card(step), button))
        assert self.book.works.wait(60)

    def do(self, *steps: str) -> None:
        """Plan and apply steps."""
        for step in steps:
            if step not in ("confirm", "verify"):
                self.press(step, "plan")
            self.press(step, "apply")

    def saved(self) -> dict[str, Any]:
        """The notebook as a save keeps it: its ordinary outputs."""
        data = [output.bundle for output in self.outputs if not isinstance(output.shown, widgets.Widget)]
        return {"cells": [{"outputs": [{"output_type": "display_data", "data": one} for one in data]}]}


def clicked(button: widgets.Button) -> None:
    """Click a button as a page does, which sends nothing for one that does not work."""
    assert not button.disabled, button.tooltip
    button.click()
