"""A cell's two outputs: controls, and below them the ordinary output that a save keeps."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import ipywidgets as widgets
from IPython.display import display

from tlsrunbook.ui.cards import paragraph

Controls = TypeVar("Controls", bound=widgets.VBox)

_STALE = (
    "This page was opened after the card was made. It shows here what is new; run the cell again (Shift+Enter) to have "
    "it written into the notebook."
)


class Place(Generic[Controls]):
    """Where controls and their output stand in the notebook.

    Args:
        controls: The widget; one more part is put at its end, for pages that were opened later.
    """

    def __init__(self, controls: Controls) -> None:
        self.controls = controls
        self._shown: object = None
        self._output: Any = None
        self._view: Any = None
        self._later = False
        self._here = widgets.HTML()
        controls.children = (*controls.children, self._here)

    def show(self) -> None:
        """Show both in the cell that runs now."""
        self._view = display(self.controls, display_id=True)  # type: ignore[no-untyped-call]
        self._output = display(self._shown, display_id=True)  # type: ignore[no-untyped-call]

    def put(self, shown: object) -> None:
        """Put something into the output, in place of what was there. May be called from any thread."""
        if shown == self._shown:
            return
        self._shown = shown
        if self._output is not None:
            self._output.update(shown)
        if self._later:
            self._show_here()

    def page_opened(self) -> None:
        """A page was opened that does not know the output: show it among the controls, too."""
        if self._output is not None:
            self._later = True
            self._show_here()

    def replace(self, shown: object) -> None:
        """Put something that needs no kernel in place of the controls."""
        if self._view is not None:
            self._view.update(shown)

    def _show_here(self) -> None:
        page = self._shown._repr_mimebundle_()["text/html"]  # type: ignore[attr-defined]
        self._here.value = f"<hr>{paragraph(_STALE)}{page}"
