"""Runs one piece of work in a thread of its own, and says each second what goes on. Callbacks never wait."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tlsrunbook.errors import TlsRunbookError
from tlsrunbook.ui.guard import Guard
from tlsrunbook.ui.progress import Progress, Tell

_LOG = logging.getLogger(__name__)
#: How often what goes on is shown, in seconds.
TICK = 0.5


@dataclass
class Works:
    """The one thing that may be at work in a runbook.

    Args:
        guard: Keeps a second one from beginning.
        progress: What goes on.
    """

    guard: Guard = field(default_factory=Guard)
    progress: Progress = field(default_factory=Progress)
    _idle: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._idle.set()

    @property
    def busy(self) -> bool:
        """Whether something is at work."""
        return bool(self.guard.what)

    def begin(self, what: str, job: Callable[[Tell], Any], show: Tell, ended: Callable[[str], None]) -> bool:
        """Begin a piece of work, unless another one is under way.

        Args:
            what: What it is, for people.
            job: The work; is given what takes its progress.
            show: Gets a line now and then while it works, called from another thread; or why it was not begun.
            ended: Gets what went wrong, empty when nothing did; called from another thread, when the next may begin.

        Returns:
            False when nothing was begun.
        """
        at_work = self.guard.what
        if not self.guard.begin(what):
            if at_work not in ("", what):  # else it is the second half of a double click: nothing to say
                show(f"{at_work} is still under way; press again when it has ended")
            return False
        self._idle.clear()
        self.progress.start(what)
        threading.Thread(target=self._run, args=(job, show, ended), name=what, daemon=True).start()
        return True

    def wait(self, seconds: float) -> bool:
        """Wait until nothing is at work any more; False when that takes longer."""
        return self._idle.wait(seconds)

    def _run(self, job: Callable[[Tell], Any], show: Tell, ended: Callable[[str], None]) -> None:
        done = threading.Event()
        threading.Thread(target=self._tick, args=(done, show), daemon=True).start()
        trouble = ""
        try:
            job(self.progress.tell)
        except TlsRunbookError as error:
            trouble = str(error)
        except Exception as error:  # noqa: BLE001 - a bug: the record of the step says so too
            _LOG.exception("the work was ended by an unforeseen exception")
            trouble = f"this was ended by {type(error).__name__}, which is a fault of tlsrunbook; see the record"
        finally:
            done.set()
            self.guard.end()
            try:
                ended(trouble)
            finally:
                self._idle.set()

    def _tick(self, done: threading.Event, show: Tell) -> None:
        while not done.wait(TICK):
            if not done.is_set():
                show(self.progress.line())
