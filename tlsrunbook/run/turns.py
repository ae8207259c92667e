"""Which server's next step may begin: its own steps come in order, and some wait for a step of another server."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Protocol


class Turn(Protocol):
    """The work on one server, as far as the order goes."""

    @property
    def site(self) -> str:
        """Site name."""

    @property
    def server(self) -> str:
        """Server name."""

    @property
    def step_ids(self) -> tuple[str, ...]:
        """In order."""

    @property
    def after(self) -> Mapping[str, tuple[tuple[str, str], ...]]:
        """Step id -> pairs of server and step that shall have ended before."""


class Turns:
    """All work of a run. Safe from any thread.

    Args:
        turns: One per server. What waits for a step that is not among theirs waits for nothing.
    """

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._lock = threading.Lock()
        self._open = {(one.site, one.server, step) for one in turns for step in one.step_ids}

    def ready(self, turn: Turn, step: str) -> bool:
        """Whether a step may begin, as far as other servers go."""
        with self._lock:
            return not any((turn.site, *other) in self._open for other in turn.after.get(step, ()))

    def ended(self, turn: Turn, *steps: str) -> None:
        """Tell that steps have ended, or will not be run any more."""
        with self._lock:
            self._open.difference_update((turn.site, turn.server, step) for step in steps)
