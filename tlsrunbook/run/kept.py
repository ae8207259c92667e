"""What outlives a notebook in its kernel: the session with the server, for the next notebook of the same server.

Only the engine asks for that, by the variable ``TLSRUNBOOK_KEEP_SESSION``; a person, or plain papermill, has a session
that ends with the notebook.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

from tlsrunbook.errors import SessionLost
from tlsrunbook.exchange.command import Greeting, Pipeline, Reply
from tlsrunbook.ports import Shell
from tlsrunbook.run.kernels.words import KEEP_SESSION

_Answer = TypeVar("_Answer")


class KeptShell:
    """A session that one notebook leaves to the next.

    A server may end a session that waits, in an hour or in its next restart. So the first question of a later notebook
    is asked again in a new session when the old one turns out to be gone; a change never is.

    Args:
        inner: The session.
    """

    def __init__(self, inner: Shell) -> None:
        self._inner = inner
        self._inherited = False

    def hand_over(self) -> KeptShell:
        """Give it to the next notebook."""
        self._inherited = True
        return self

    def open(self) -> Greeting:
        """See :class:`~tlsrunbook.ports.Shell`."""
        return self._inner.open()

    def run(self, pipeline: Pipeline) -> Reply:
        """See :class:`~tlsrunbook.ports.Shell`."""
        if any(command.changes for command in pipeline):
            self._inherited = False
        return self._first(lambda: self._inner.run(pipeline))

    def read(self, *pipelines: Pipeline) -> tuple[Reply, ...]:
        """See :class:`~tlsrunbook.ports.Shell`."""
        return self._first(lambda: self._inner.read(*pipelines))

    def _first(self, ask: Callable[[], _Answer]) -> _Answer:
        inherited, self._inherited = self._inherited, False
        try:
            return ask()
        except SessionLost:
            if not inherited:
                raise
        self._inner.close()
        return ask()

    def close(self) -> None:
        """See :class:`~tlsrunbook.ports.Shell`."""
        self._inner.close()


_kept: list[tuple[Any, KeptShell]] = []


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
    if _kept:
        return _kept[0][1].hand_over()
    shell = KeptShell(make())
    _kept.append((key, shell))
    return shell


def close_kept() -> None:
    """End the session that was kept. Harmless when there is none."""
    while _kept:
        _kept.pop()[1].close()
