"""What a card shows besides what all cards show: one module ``ui/cards_<step>.py`` per step that has something.

Such a module has a function ``extra(context: CardContext) -> ipywidgets.Widget | None``: controls, made anew whenever
the card's state changes (a record was added, another server was chosen). None: nothing to show in this state. It must
not block: it is called while all cards are drawn. What is special about a step's record is no control: it is part of
the record's display (:mod:`tlsrunbook.evidence.cards`).
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from tlsrunbook.evidence.record import Record
from tlsrunbook.ports import Authority, EvidenceStore
from tlsrunbook.site import Server, Site

#: Steps whose card has something of its own: ``ui/cards_<step>.py``.
STEPS_WITH_EXTRA: tuple[str, ...] = ("request", "install", "connectors")


def _nowhere(_name: str, _shown: object) -> None:
    return None


@dataclass(frozen=True)
class CardContext:
    """What a card's own part may use.

    Args:
        step: Step id.
        change: Change id; empty while there is none yet.
        store: The site's evidence, to read.
        latest: Newest record of each step of this change on this server; one that applied goes before one that
            only planned.
        records: All records of this change on this server, oldest first.
        make_authority: Gives the site's authority.
        show: ``show(name, object)`` puts an object with ``_repr_mimebundle_`` (HTML and text) into an ordinary output
            below the card, which survives saving; the same name replaces what it showed before.
    """

    step: str
    site: Site
    server: Server
    change: str
    store: EvidenceStore
    latest: Mapping[str, Record] = field(default_factory=dict)
    records: tuple[Record, ...] = ()
    make_authority: Callable[[], Authority] | None = None
    show: Callable[[str, object], None] = _nowhere


def extra_of(context: CardContext) -> Any:
    """Give the card's own controls, an ``ipywidgets.Widget``; None where the step has none."""
    module = _module(context.step)
    make = module.extra if module else None
    return make(context) if make else None


def _module(step: str) -> ModuleType | None:
    name = f"tlsrunbook.ui.cards_{step}"
    return importlib.import_module(name) if step in STEPS_WITH_EXTRA and importlib.util.find_spec(name) else None
