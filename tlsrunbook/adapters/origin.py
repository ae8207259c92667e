"""Who runs this, where from, and with what."""

from __future__ import annotations

import getpass
import os
import platform
import socket
import time
from datetime import UTC, datetime

from tlsrunbook.about import __version__

#: Names, in a process that works for somebody on another computer, who asked for it.
ASKED_BY_VARIABLE = "TLSRUNBOOK_ASKED_BY"


class SystemClock:
    """The computer's clock, UTC."""

    def now(self) -> datetime:
        """Give the time, UTC, with time zone."""
        return datetime.now(UTC)

    def pause(self, seconds: float) -> None:
        """Let time pass between two looks at something that is awaited."""
        time.sleep(seconds)


def who() -> dict[str, str]:
    """Give user, host and process of this run; ``asked_by`` besides where somebody elsewhere asked for it."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # ImportError: Windows without a user variable, before Python 3.13
        user = "unknown"
    asked_by = os.environ.get(ASKED_BY_VARIABLE, "")
    found = {"user": user, "host": socket.gethostname(), "process": str(os.getpid())}
    return {**found, "asked_by": asked_by} if asked_by else found


def tool() -> dict[str, str]:
    """Give the package's and Python's versions."""
    return {"package": __version__, "python": platform.python_version(), "system": platform.system()}
