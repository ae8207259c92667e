"""What outlives a notebook in its kernel: the session with the server, for the next notebook of the same server.

Only the engine asks for that, by the variable ``TLSRUNBOOK_KEEP_SESSION``; a person, or plain papermill, has a session
that ends with the notebook.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from tlsrunbook.ports import Shell
from tlsrunbook.run.kernels.words import KEEP_SESSION

_kept: list[tuple[Any, Shell]] = []


def keeping() -> bool:
    """Whether the engine takes care of the session's end."""
    return os.environ.get(KEEP_SESSION) == "1"


def kept_shell(key: Any, make: Callable[[], Shell]) -> Shell:
    """Give the shell that was kept, or a new one to keep.

    Args:
        key: What the shell was opened for. Another key ends the one that was kept: there is one at a time.
        make: Makes a shell, not yet opened.
    """
    if _kept and _kept[0][0] != key:
        close_kept()
    if not _kept:
        _kept.append((key, make()))
    return _kept[0][1]


def close_kept() -> None:
    """End the session that was kept. Harmless when there is none."""
    while _kept:
        _kept.pop()[1].close()
