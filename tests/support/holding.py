"""A fault board that can stop a server in the middle of a cmdlet, for as long as a test wants to look around."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tlsrunbook.lab.faults import FaultBoard

#: Nobody looks around for longer, in seconds; then the server goes on by itself.
_AT_MOST = 120.0


class HoldingBoard(FaultBoard):
    """The faults in force, and one cmdlet at most that does not end before it is let go.

    A lab's server asks for its faults in the thread that runs the cmdlet, before anything is changed. So a cmdlet that
    is held back has been sent and received, and is carried out when it is let go, whoever sent it.
    """

    def __init__(self, *texts: str) -> None:
        self._cmdlet = ""
        self._held, self._go = threading.Event(), threading.Event()
        super().__init__(*texts)

    def hits(self, name: str, server: str = "", cmdlet: str = "") -> bool:
        """See :class:`~tlsrunbook.lab.faults.FaultBoard`; does not come back while this cmdlet is held."""
        if name == "exchange-error" and cmdlet and cmdlet == self._cmdlet:
            self._held.set()
            self._go.wait(_AT_MOST)
        return super().hits(name, server, cmdlet)

    @contextmanager
    def holding(self, cmdlet: str) -> Iterator[threading.Event]:
        """Hold a cmdlet back until the end of the block.

        Yields:
            Is set when the server has received the cmdlet.
        """
        self._held.clear()
        self._go.clear()
        self._cmdlet = cmdlet
        try:
            yield self._held
        finally:
            self._cmdlet = ""
            self._go.set()
