"""The controls above the fleet's tables. What they do shows in the output below, which a save keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets

from tlsrunbook.errors import TlsRunbookError
from tlsrunbook.evidence.fleet_display import View
from tlsrunbook.evidence.fleet_model import Verdict
from tlsrunbook.ui.cards import paragraph
from tlsrunbook.ui.own_keys import own_keys

_LABEL = {"description_width": "initial"}
_NOTE = "Filter and sort: run this cell in JupyterLab. What follows is as it was shown last."


class FleetControls(widgets.VBox):  # type: ignore[misc]
    """Filter, sort, and reading again.

    Args:
        verdicts: That some server has.
        titles: Of the tables, by id.
        heads: Of their columns.
    """

    def __init__(self, verdicts: Sequence[Verdict], titles: Mapping[str, str], heads: Sequence[str]) -> None:
        self.words = widgets.Text(
            description="Filter",
            placeholder="server, name, state, issuer …",
            tooltip="Servers of which the tables say all of these words; press Enter",
            continuous_update=False,
            style=_LABEL,
        )
        self.verdict = _choice("Stands", {"all": "", **{one.value: one.value for one in verdicts}}, "How servers stand")
        self.table = _choice("Table", {"all": "", **{title: id_ for id_, title in titles.items()}}, "Which table")
        self.sort = _choice("Sort by", {"as it is best read": "", **{head: head for head in heads}}, "Which column")
        self.descending = widgets.Checkbox(description="greatest first", indent=False, layout={"width": "auto"})
        self.again = widgets.Button(description="Read again", tooltip="Read the evidence again; no server is asked")
        self.told = widgets.HTML()
        row = widgets.HBox(
            [self.words, self.verdict, self.table, self.sort, self.descending, self.again],
            layout={"flex_flow": "row wrap"},
        )
        super().__init__([row, own_keys(), self.told])
        self.add_class("tlsrunbook-fleet-controls")

    @property
    def view(self) -> View:
        """What is to be shown."""
        return View(
            words=str(self.words.value),
            verdict=str(self.verdict.value),
            table=str(self.table.value),
            sort=str(self.sort.value),
            descending=bool(self.descending.value),
        )

    def on_view(self, see: Callable[[View], None]) -> None:
        """Call this whenever another view is asked for."""
        for control in (self.words, self.verdict, self.table, self.sort, self.descending):
            control.observe(lambda _: see(self.view), "value")

    def on_again(self, again: Callable[[], None]) -> None:
        """Call this when the evidence is to be read again; its errors are told here."""

        def pressed(_: object) -> None:
            try:
                again()
            except TlsRunbookError as error:
                self.tell(str(error), "alert")

        self.again.on_click(pressed)

    def tell(self, line: str, role: str = "status") -> None:
        """Say what was done, or what went wrong (role ``alert``)."""
        self.told.value = paragraph(line, "", role)

    def _repr_mimebundle_(self, **arguments: Any) -> dict[str, Any]:
        bundle = dict(super()._repr_mimebundle_(**arguments))
        # A saved notebook has no kernel to show controls from: then this is what is read.
        return {**bundle, "text/html": f"<p><em>{_NOTE}</em></p>", "text/plain": _NOTE}


def _choice(label: str, options: Mapping[str, str], tip: str) -> widgets.Dropdown:
    return widgets.Dropdown(description=label, options=list(options.items()), tooltip=tip, style=_LABEL)
