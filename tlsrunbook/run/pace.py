"""How fast servers may be begun: every one is a logon, and a domain controller takes only so many at once."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pace:
    """Lets at most so many begin per minute, evenly, so that none of the minutes has a rush. For one thread.

    Args:
        per_minute: 0 lets all begin at once.
        clock: Gives seconds that never go back.
    """

    def __init__(self, per_minute: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self._between = 60 / per_minute if per_minute else 0.0
        self._clock = clock
        self._next = clock()

    def wait(self) -> float:
        """Give the seconds until the next one may begin; 0 when it may now."""
        return max(0.0, self._next - self._clock()) if self._between else 0.0

    def begin(self) -> None:
        """Count one that begins now."""
        self._next = max(self._next + self._between, self._clock())
