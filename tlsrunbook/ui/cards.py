"""The step card in JupyterLab: buttons and what goes on right now. What was recorded is an ordinary output below it."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from tlsrunbook.evidence.display import Shown
from tlsrunbook.ui.copying import copy_of
from tlsrunbook.ui.extras import CardContext, extra_of
from tlsrunbook.ui.model import Button, Face
from tlsrunbook.ui.page import CardShown, Still, badge

#: JupyterLab's own colours, so that a card is right in the light and in the dark theme.
_FRAME = {
    "border": "1px solid var(--jp-border-color2, #8886)",
    "border_left": "5px solid {colour}",
    "padding": "6px 10px",
    "margin": "4px 0",
    "width": "auto",
    "overflow": "hidden",
}
_TEXT = "margin:2px 0;overflow-wrap:anywhere;line-height:1.4;color:var(--jp-ui-font-color1, inherit)"
_CODE = (
    "white-space:pre-wrap;overflow-wrap:anywhere;margin:0;padding:4px 8px;user-select:all;"
    "background:var(--jp-layout-color2, transparent);color:var(--jp-ui-font-color1, inherit)"
)


def paragraph(text: str, lead: str = "", role: str = "") -> str:
    """Give a paragraph that follows JupyterLab's theme.

    Args:
        role: ARIA role: ``status`` and ``alert`` are read out when they change.
    """
    head = f"<strong>{html.escape(lead)}</strong> " if lead else ""
    return f'<p style="{_TEXT}"{f" role={role}" if role else ""}>{head}{html.escape(text)}</p>' if text else ""


class Card(widgets.VBox):  # type: ignore[misc]
    """One step's controls.

    Args:
        act: Takes the step's id and what was pressed: ``plan``, ``apply``, ``undo``, ``back`` or ``keep``.
    """

    def __init__(self, step: str, act: Callable[[str, str], None]) -> None:
        self.step = step
        self._act = act
        self._drawn: tuple[Any, ...] = ()
        self.static: CardShown | None = None
        self.head, self.note, self.going = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.commands, self.own = widgets.HTML(), widgets.VBox()
        self.plan, self.apply = self._button("plan"), self._button("apply", "primary")
        self.undo, self.back = self._button("undo"), self._button("back", "danger")
        self.keep = self._button("keep")
        self.back.description, self.back.tooltip = "Yes, go back", "Put back what the list shows; the change is closed"
        self.keep.description, self.keep.tooltip = "No, leave it", "Change nothing"
        self.buttons = widgets.HBox([self.plan, self.apply, self.undo], layout={"flex_flow": "row wrap"})
        self.asking = widgets.HBox([self.back, self.keep], layout={"flex_flow": "row wrap", "display": "none"})
        parts = [self.head, self.note, self.own, self.commands, self.buttons, self.asking, self.going]
        super().__init__(parts, layout={name: value for name, value in _FRAME.items() if name != "border_left"})
        self.add_class("tlsrunbook-card")
        self.add_class(f"tlsrunbook-{step}")

    def _button(self, action: str, style: str = "") -> widgets.Button:
        button = widgets.Button(button_style=style, layout={"width": "auto", "min_width": "8em"})
        button.add_class(f"tlsrunbook-{action}")
        button.on_click(lambda _: self._act(self.step, action))
        return button

    def draw(self, face: Face, context: CardContext, *, busy: bool, way_back: Shown | None) -> None:
        """Show where the step stands.

        Args:
            busy: Whether anything is at work in this kernel: no button works then.
            way_back: What going back would do, where that was asked for and has to be confirmed.
        """
        self.head.value = (
            f'<p style="{_TEXT};font-size:15px">{badge(face)} &nbsp; {html.escape(_where(face, context))}</p>'
        )
        self.note.value = (
            paragraph(face.because)
            + paragraph(face.todo, "What to do:")
            + paragraph(face.approval, "Approval:")
            + (paragraph(asked(way_back), "Go back?", "alert") if way_back else "")
        )
        self.layout.border_left = _FRAME["border_left"].format(colour=face.colour)
        self.commands.value = commands(face)
        for button, has in ((self.plan, face.plan), (self.apply, face.apply), (self.undo, face.undo)):
            _set(button, has, busy=busy)
        self.apply.button_style = "primary" if face.apply.enabled else ""  # a pale blue button still invites a click
        self.asking.layout.display, self.buttons.layout.display = ("flex", "none") if way_back else ("none", "flex")
        self.back.disabled = self.keep.disabled = busy
        key = (context.change, context.server.name, face.state, len(context.records))
        if key != self._drawn:
            self._drawn = key
            own = extra_of(context)
            self.own.children = (own,) if own is not None else ()

    def idle(self) -> None:
        """Show that no server is chosen."""
        self.head.value = paragraph("Choose a server above: this card is about it.")
        self.freeze()

    def tell(self, line: str, role: str = "status") -> None:
        """Say what goes on, or what went wrong (role ``alert``)."""
        self.going.value = paragraph(line, "", role)

    def freeze(self) -> None:
        """Let no button work any more, at once: something has been begun."""
        for button in (self.plan, self.apply, self.undo, self.back, self.keep):
            button.disabled = True
        self.apply.button_style = ""

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        own: dict[str, Any] = super()._repr_mimebundle_(**kwargs) or {}
        return {**own, **self.summary()._repr_mimebundle_()}

    def summary(self) -> Still:
        """Give what stands in the place of the buttons where they cannot work."""
        return Still("The buttons of this card work where a kernel runs; what was recorded stands below.")


def _where(face: Face, context: CardContext) -> str:
    return f"step {face.number} on {context.server.name}" + (f", change {context.change}" if context.change else "")


def asked(way_back: Shown) -> str:
    """Say what going back is about; empty where nothing has to be put back."""
    record = way_back.record
    targets = [change["target"] for item in record.plan.get("items", ()) for change in item["changes"]]
    listed = ", ".join(dict.fromkeys(targets))
    text = f"This is about everything that the change {record.change} did on {record.server}, and closes the change."
    return f"{text} It puts back: {listed}. Before and after stand below." if listed else text


def commands(face: Face) -> str:
    """Give the PowerShell text of the plan with a button that copies it; empty where there is none."""
    if not face.commands:
        return ""
    text = "\n".join(face.commands)
    button = copy_of("Copy the PowerShell", f"Copy the PowerShell text of step {face.number}", text)
    summary = f"<summary>PowerShell that <em>{html.escape(face.apply.label)}</em> sends</summary>"
    return f'<details style="{_TEXT}">{summary}<pre style="{_CODE}">{html.escape(text)}</pre></details>{button}'


def _set(button: widgets.Button, has: Button, *, busy: bool) -> None:
    button.layout.display = None if has.label else "none"
    button.description, button.tooltip = has.label, has.tip
    button.disabled = busy or not has.enabled
