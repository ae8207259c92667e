"""What becomes of a run besides its records: whether it was told to stop, what it left undone, what went wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Undone:
    """A step that was asked for and never begun."""

    site: str
    server: str
    step: str


class Course:
    """Shared by the runner, its threads and its signal handlers.

    Args:
        say: Tells people at once what a request to stop leads to.
    """

    def __init__(self, say: Callable[[str], None] = lambda _: None) -> None:
        self.say = say
        self._asked = 0
        self._told = 0
        self._lock = threading.Lock()
        self._undone: list[Undone] = []
        self._wrong: list[str] = []
        self._failed: set[tuple[str, str]] = set()

    def stop(self) -> None:
        """Ask for the end: once, and the steps under way are the last ones; twice, and they are broken off too.

        Only counts, so a signal handler may call it at any moment.
        """
        self._asked += 1

    def announce(self, first: str, again: str) -> None:
        """Tell people what a request to stop leads to, once per request.

        Args:
            first: For the first request.
            again: For the second, which breaks off what is under way.
        """
        if self._asked > self._told:
            self._told = self._asked
            self.say(again if self.breaking_off else first)

    @property
    def asked(self) -> int:
        """How often the end was asked for."""
        return self._asked

    @property
    def stopping(self) -> bool:
        """Whether nothing new shall begin."""
        return self._asked > 0

    @property
    def breaking_off(self) -> bool:
        """Whether what is under way shall be broken off."""
        return self._asked > 1

    def left(self, undone: Undone) -> None:
        """Note a step that was not begun because the run was told to stop."""
        with self._lock:
            self._undone.append(undone)

    def went_wrong(self, what: str, at: tuple[str, str] | None = None) -> None:
        """Note what no record tells: evidence that could not be written, a notebook that ended before its last cell.

        Args:
            what: One line.
            at: Site and server it happened on, which counts as failed.
        """
        with self._lock:
            self._wrong.append(what)
            if at:
                self._failed.add(at)

    def failed(self, at: tuple[str, str]) -> bool:
        """Whether something went wrong on a server that no record tells."""
        with self._lock:
            return at in self._failed

    @property
    def undone(self) -> tuple[Undone, ...]:
        """Steps that were asked for and not begun, because the run was told to stop."""
        with self._lock:
            return tuple(self._undone)

    @property
    def wrong(self) -> tuple[str, ...]:
        """What went wrong and stands in no record, one line each."""
        with self._lock:
            return tuple(self._wrong)

    @property
    def interrupted(self) -> bool:
        """Whether the request to stop kept anything from being done."""
        return self.breaking_off or bool(self.undone)
