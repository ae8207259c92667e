"""What a card shows besides what all cards show: one module ``ui/cards_<step>.py`` per step that has something.

Such a module has a function ``extra(context: CardContext) -> ipywidgets.Widget | None``: controls, made anew whenever
the card's state changes (a record was added, another server was chosen). None: nothing to show in this state. It must
not block: long work goes through ``context.work``. What is special about a step's record is no control: it is part of
the record's display (:mod:`tlsrunbook.evidence.cards`).
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from tlsrunbook.evidence.record import Record
from tlsrunbook.ports import Authority, EvidenceStore
from tlsrunbook.site import Server, Site

#: Steps whose card has something of its own: ``ui/cards_<step>.py``.
STEPS_WITH_EXTRA: tuple[str, ...] = ("request", "install", "connectors")


def _nothing() -> None:
    return None


def _nowhere(_name: str, _shown: object) -> None:
    return None


def _at_once(_what: str, job: Callable[[], Any]) -> None:
    job()


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
        state: The card's state, such as ``ready`` or ``waiting``.
        make_authority: Gives the site's authority (asking it may take long: use ``work``).
        refresh: Reads the records again and draws all cards anew.
        work: ``work("looking at the file", job)`` runs ``job`` in the runbook's thread, with the buttons disabled and
            live progress; what it raises is shown on the card. It calls back nothing: the job itself ends with
            ``refresh()`` where the cards have to change.
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
    state: str = ""
    make_authority: Callable[[], Authority] | None = None
    refresh: Callable[[], None] = _nothing
    work: Callable[[str, Callable[[], Any]], None] = _at_once
    show: Callable[[str, object], None] = _nowhere

    def folder(self, record: Record) -> Path:
        """Give the folder of a record's attempt, where its files are (``request.csr``, ``before.json``, ...)."""
        for attempt in self.store.attempts(record.change, record.server):
            if (attempt.step, attempt.number) == (record.step, record.attempt):
                return attempt.folder
        raise FileNotFoundError(f"{record.change}/{record.server}/{record.step}")


def extra_of(context: CardContext) -> Any:
    """Give the card's own controls, an ``ipywidgets.Widget``; None where the step has none."""
    module = _module(context.step)
    make = module.extra if module else None
    return make(context) if make else None


def _module(step: str) -> ModuleType | None:
    name = f"tlsrunbook.ui.cards_{step}"
    return importlib.import_module(name) if step in STEPS_WITH_EXTRA and importlib.util.find_spec(name) else None
