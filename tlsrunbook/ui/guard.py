"""One thing at a time: what keeps a double click, a second tab and a second cell from running anything twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

#: A click so soon after the end of what the click before it began is that click's second half.
DOUBLE_CLICK = 0.7


@dataclass
class Guard:
    """Lets one piece of work begin at a time, in this kernel. Between kernels, the lease of the server does that.

    Args:
        monotonic: Seconds, for tests.
    """

    monotonic: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _what: str = ""
    _last: str = ""
    _ended: float = float("-inf")

    @property
    def what(self) -> str:
        """What is at work; empty when nothing is."""
        return self._what

    def begin(self, what: str) -> bool:
        """Begin, unless something is at work, or this is the second half of the double click that began the last work.

        Args:
            what: Not empty.

        Returns:
            False when it may not begin.
        """
        with self._lock:
            again = what == self._last and self.monotonic() - self._ended < DOUBLE_CLICK
            if self._what or again:
                return False
            self._what = self._last = what
            return True

    def end(self) -> None:
        """Say that what was begun has ended."""
        with self._lock:
            self._what, self._ended = "", self.monotonic()

    def forget(self) -> None:
        """Say that something else was pressed since: the next click is no second half."""
        with self._lock:
            self._last = ""
