"""The first card: which server, what is known of it, and what belongs to the change as a whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import ipywidgets as widgets

from tlsrunbook.ui.cards import paragraph
from tlsrunbook.ui.model import Position
from tlsrunbook.ui.own_keys import own_keys

_WIDE = {"width": "min(100%, 36em)"}
_LABEL = {"description_width": "6em"}


class Chooser(widgets.VBox):  # type: ignore[misc]
    """Chooses the server.

    Args:
        servers: Names, in the site file's order.
        chosen: Takes a server's name.
        act: Takes what was pressed: ``look``, ``plan-all`` or ``new``.
    """

    def __init__(self, servers: Sequence[str], chosen: Callable[[str], None], act: Callable[[str], None]) -> None:
        self.server = widgets.Dropdown(
            options=[("choose a server", ""), *((name, name) for name in servers)],
            description="Server",
            tooltip="The server that all cards below are about",
            style=_LABEL,
            layout=_WIDE,
        )
        self.ticket = widgets.Text(description="Ticket", placeholder="CHG-4711", style=_LABEL, layout=_WIDE)
        self.reason = widgets.Text(description="Reason", placeholder="renewal", style=_LABEL, layout=_WIDE)
        self.why = widgets.VBox([self.ticket, self.reason])
        self.look = _button("Look at it now", "Read the server and look at its endpoints; changes nothing", "look", act)
        self.all = _button("Plan all steps", "Plan every step that is not done; nothing is changed", "plan-all", act)
        self.new = _button("Start a new change", "The next step begins a new change on this server", "new", act)
        buttons = widgets.HBox([self.look, self.all, self.new], layout={"flex_flow": "row wrap"})
        self.note, self.going, self.trouble = widgets.HTML(), widgets.HTML(), widgets.HTML()
        super().__init__(
            [
                self.server,
                own_keys(),
                self.note,
                self.trouble,
                self.why,
                buttons,
                self.going,
            ]
        )
        self.add_class("tlsrunbook-chooser")
        self.server.observe(lambda change: chosen(str(change["new"])), "value")

    def draw(self, now: Position | None, *, busy: bool) -> None:
        """Show where the change on the chosen server stands; None while no server is chosen."""
        over = (
            now is not None and bool(now.change) and (bool(now.closed) or all(s.state == "done" for s in now.standings))
        )
        self.server.disabled = busy
        self.look.disabled = busy or now is None
        self.all.disabled = busy or now is None or bool(now.closed or now.holder) or over
        self.new.disabled = busy or not over
        self.new.layout.display = None if over else "none"
        self.why.layout.display = None if now is not None and not now.change else "none"
        self.note.value = paragraph(_sentence(now, over=over))

    def tell(self, line: str, role: str = "status") -> None:
        """Say what goes on, or what went wrong (role ``alert``)."""
        self.going.value = paragraph(line, "", role)

    def warn(self, troubles: Sequence[str]) -> None:
        """Show what the Jupyter server could not archive or seal."""
        self.trouble.value = "".join(paragraph(one, "Not archived or sealed:", "alert") for one in troubles)

    def freeze(self) -> None:
        """Let nothing be pressed, at once."""
        for control in (self.server, self.look, self.all, self.new):
            control.disabled = True


def _button(label: str, tip: str, action: str, act: Callable[[str], None]) -> widgets.Button:
    button = widgets.Button(description=label, tooltip=tip, layout={"width": "auto", "min_width": "8em"})
    button.add_class(f"tlsrunbook-{action}")
    button.on_click(lambda _: act(action))
    return button


def _sentence(now: Position | None, *, over: bool) -> str:
    if now is None:
        return "Choose the server first: the cards below are about it."
    if not now.change:
        return f"No change is under way on {now.server}. The first button that you press on a card begins one."
    if now.closed:
        return f"Change {now.change} on {now.server}: {now.closed}"
    if over:
        return f"Change {now.change} on {now.server} is finished: every step is done."
    return f"Change {now.change} on {now.server} is under way; it goes on where its records end."
