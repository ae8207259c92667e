"""What a card shows and does, without a browser."""

from __future__ import annotations

from collections.abc import Callable
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
        self.jobs: list[str] = []
        self.busy = False
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
            work=self._work,
            show=self.shown.__setitem__,
        )

    def _work(self, what: str, job: Callable[[], Any]) -> None:
        if not self.busy:  # as the runbook does it: only one thing is at work
            self.jobs.append(what)
            job()

    def controls(self) -> Any:
        """Give the card's own controls, as they are made for what is on record now."""
        return extra_of(self.context)
