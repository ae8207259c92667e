"""What the steps need of a PowerShell on a server; one of the ports, see :mod:`tlsrunbook.ports`."""

from __future__ import annotations

from typing import Protocol

from tlsrunbook.exchange.command import Greeting, Pipeline, Reply


class Shell(Protocol):
    """One PowerShell on one server, with Exchange's cmdlets loaded. Not for use by two threads at once.

    The first call of :meth:`open` or :meth:`run` connects.
    """

    def open(self) -> Greeting:
        """Connect, load Exchange, and tell what the server can. Repeated calls give the same greeting.

        Raises:
            ConnectionFailed: Or one of its kinds (logon, trust).
            CommandFailed: Exchange's cmdlets could not be loaded.
            DecodeError: The answer was not understood.
        """

    def run(self, pipeline: Pipeline) -> Reply:
        """Run one or two commands, exactly once.

        Raises:
            SessionLost: The session ended while only reading.
            OutcomeUnknown: The session ended after a change was sent.
            DecodeError: The answer was not understood.
        """

    def read(self, *pipelines: Pipeline) -> tuple[Reply, ...]:
        """Run pipelines that only read, in order. They travel together, which saves the way there and back for each.

        Raises:
            SessionLost: The session ended.
            DecodeError: An answer was not understood.
            ValueError: One of them changes something.
        """

    def close(self) -> None:
        """End the PowerShell and the session, whatever state they are in. Never raises."""
