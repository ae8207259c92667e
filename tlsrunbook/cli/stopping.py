"""Ctrl-C and SIGTERM while work is under way: it is brought to an end, recorded, reported and sealed."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tlsrunbook.cli.common import say

if TYPE_CHECKING:
    from rich.console import Console

    from tlsrunbook.run.course import Course


@contextlib.contextmanager
def stoppable(console: Console) -> Iterator[Course]:
    """Let a signal ask for the end instead of breaking into whatever happens to be done.

    The first one lets the steps under way end and begins no other. The second one breaks those off too. The third one
    ends this process as it would have without all that.
    """
    from tlsrunbook.run.course import Course

    course = Course(lambda text: say(console, text))

    def asked(*_: object) -> None:
        course.stop()
        if course.asked > 2:
            raise KeyboardInterrupt

    before = {}
    with contextlib.suppress(ValueError):  # not in the main thread: then nobody sends signals here
        for which in (signal.SIGINT, signal.SIGTERM):
            before[which] = signal.signal(which, asked)
    try:
        yield course
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)
