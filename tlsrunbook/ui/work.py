"""One server while its lease is held: the one place from which the cards run steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from tlsrunbook.errors import StepStopped
from tlsrunbook.evidence.display import Shown
from tlsrunbook.ports import EvidenceStore, Lease
from tlsrunbook.site import Server, Site
from tlsrunbook.ui.model import Position
from tlsrunbook.ui.position import position
from tlsrunbook.ui.progress import Tell, watched
from tlsrunbook.wiring import run_on


class Borrowed:
    """A lease that is given back by whoever took it, and not by each step."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self.token, self.taken_over, self.check = lease.token, lease.taken_over, lease.check

    def release(self) -> None:
        """Keep it."""


@dataclass(frozen=True)
class Work:
    """One server while its lease is held."""

    site: Site
    server: Server
    store: EvidenceStore
    change: str
    lease: Lease

    def position(self) -> Position:
        """Read where the work stands."""
        return position(self.site, self.server, self.store, self.change)

    def steps(self, mode: str, steps: Sequence[str], tell: Tell, read: str | None = None) -> list[Shown]:
        """Run steps as every notebook does, until one stops: how it ended is in what it shows, and no exception."""
        found: list[Shown] = []
        run = run_on(
            self.site,
            self.server,
            self.store,
            self.change,
            mode,
            show=found.append,
            lease=lambda: self.lease,
            around=partial(watched, tell=tell),
        )
        try:
            for step in steps:
                found.append(run.step(step, read))  # noqa: PERF401 - what stops in between has to be kept
        except StepStopped:
            pass  # what it had to show is there
        finally:
            run.close()
        return found
