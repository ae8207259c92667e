"""The verify card's own part: what each endpoint shows beside what it should, and how Exchange chose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsrunbook.evidence.cards import card_of
from tlsrunbook.ui.extras import CardContext

if TYPE_CHECKING:
    import ipywidgets


def extra(context: CardContext) -> ipywidgets.Widget | None:
    """There is nothing to press beyond what every card has: the step itself looks."""
    del context
    return None


def extra_html(context: CardContext) -> str:
    """Give the comparison as static HTML."""
    record = context.latest.get("verify")
    return card_of(record).html() if record else ""
