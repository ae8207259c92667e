"""The connectors card's own part: the three side by side, and which one mail to a domain will take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsrunbook.evidence.record import Record
from tlsrunbook.evidence.route_answer import connector_tables, route_answer
from tlsrunbook.ui.cards import paragraph
from tlsrunbook.ui.extras import CardContext

if TYPE_CHECKING:
    import ipywidgets

#: Name of the ordinary output with the answer.
ANSWER = "which-connector"


def extra(context: CardContext) -> ipywidgets.Widget | None:
    """Give a field for a domain and a button; None while no record has the connectors."""
    record = record_of(context)
    if record is None:
        return None
    import ipywidgets  # noqa: PLC0415 - only a notebook has it

    field = ipywidgets.Text(
        description="Which connector will mail to this domain take?",
        placeholder="partner.example",
        continuous_update=False,
        style={"description_width": "initial"},
        layout={"width": "min(100%, 36em)"},
    )
    button = ipywidgets.Button(description="Ask", tooltip="Answer below, for now and for after the step")

    said = ipywidgets.HTML()

    def ask(_: object) -> None:
        answer = route_answer(record, field.value)
        said.value = paragraph(f"{answer.title} {answer.todo}", role="status")  # the output may be off the screen
        context.show(ANSWER, answer)

    field.observe(ask, "value")  # with Enter, or when the field is left
    button.on_click(ask)
    return ipywidgets.VBox([ipywidgets.HBox([field, button], layout={"flex_flow": "row wrap"}), said])


def record_of(context: CardContext) -> Record | None:
    """Give the newest record of the step that has the connectors."""
    return next(
        (record for record in reversed(context.records) if record.step == "connectors" and connector_tables(record)),
        None,
    )
