"""What the steps need of the world, as small protocols. Adapters implement them; ``wiring`` connects them."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from tlsrunbook.exchange.command import Greeting, Pipeline, Reply
from tlsrunbook.secret import Credential
from tlsrunbook.smtp.facts import ProbeFacts


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

    def close(self) -> None:
        """End the PowerShell and the session, whatever state they are in. Never raises."""


class Prober(Protocol):
    """Looks at a mail server from outside."""

    def probe(self, endpoint: str, server_name: str) -> tuple[ProbeFacts, ...]:
        """Do one STARTTLS dialogue per address of ``host:port``. Failures are facts, not exceptions.

        Args:
            endpoint: ``host:port``.
            server_name: Sent as SNI.
        """


class Resolver(Protocol):
    """Asks DNS."""

    def addresses(self, name: str) -> tuple[str, ...] | None:
        """Give all A and AAAA addresses; empty when the name has none; None when DNS did not answer."""

    def exchangers(self, domain: str) -> tuple[str, ...] | None:
        """Give the MX hosts by preference; empty when there are none; None when DNS did not answer."""


class Authority(Protocol):
    """Who issues certificates. Keyed by the CSR's public key, so that asking twice is harmless."""

    @property
    def name(self) -> str:
        """What people call it, such as ``folder ca/outbox``."""

    def submit(self, csr_pem: str, label: str) -> str:
        """Hand a CSR over and give a receipt for the record (an order's URL, a file name).

        Args:
            csr_pem: PEM, ASCII.
            label: Site and server, for file names people read; letters, digits, ``.``, ``-`` and ``_``.

        Raises:
            AuthorityFailed: It could not be reached, or refused.
        """

    def collect(self, csr_pem: str, label: str) -> bytes | None:
        """Give the reply for this CSR's key as it came, or None while there is none.

        Raises:
            AuthorityFailed: It could not be reached, or refused.
        """


class Vault(Protocol):
    """Where credentials are."""

    def credential(self, name: str) -> Credential:
        """Look a credential up by name.

        Raises:
            CredentialError: There is none of this name, or the store is unsafe.
        """


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """Give the time, UTC, with time zone."""
