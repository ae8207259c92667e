"""Looks now and then whether the records have changed: a batch, another kernel or another person works on them too."""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Callable
from typing import Any

#: So often it looks, in seconds.
EVERY = 3.0


def watch(owner: Any, stamp: Callable[[Any], object], changed: Callable[[Any], None]) -> threading.Event:
    """Call ``changed(owner)`` when ``stamp(owner)`` gives another value than before, and once soon, until it is gone.

    Args:
        owner: Not kept alive by this.
        stamp: Cheap; what it raises is as good as no change.
        changed: Called from another thread.

    Returns:
        Ends it when it is set.
    """
    end, weak = threading.Event(), weakref.ref(owner)
    threading.Thread(target=_watch, args=(end, weak, stamp, changed), name="watch", daemon=True).start()
    return end


def _watch(
    end: threading.Event, weak: Callable[[], Any], stamp: Callable[[Any], object], changed: Callable[[Any], None]
) -> None:
    before: object = None
    while not end.wait(EVERY):
        owner = weak()
        if owner is None:
            return
        now = before
        with contextlib.suppress(Exception):  # whoever presses a button is told
            now = stamp(owner)
        if now != before:  # so the first time, too: something may have happened since the page was drawn
            changed(owner)
        before = now
        del owner
