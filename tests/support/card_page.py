"""What a card shows and does, without a browser."""

from __future__ import annotations

from typing import Any

from tests.support.change import Change
from tlsrunbook.site import load_site
from tlsrunbook.ui.extras import CardContext, extra_of
from tlsrunbook.wiring_ports import authority_of


class CardPage:
    """One card of a change's newest change.

    Args:
        change: It has begun.
        step: Whose card.
    """

    def __init__(self, change: Change, step: str, server: str = "EDGE1") -> None:
        self.shown: dict[str, Any] = {}
        site, store = load_site(change.site_file), change.store
        number = store.changes()[-1]
        self.context = CardContext(
            step=step,
            site=site,
            server=site.server(server),
            change=number,
            store=store,
            latest=store.latest(number, server),
            records=store.records(number, server),
            make_authority=lambda: authority_of(site),
            show=self.shown.__setitem__,
        )

    def controls(self) -> Any:
        """Give the card's own controls, as they are made for what is on record now."""
        return extra_of(self.context)
