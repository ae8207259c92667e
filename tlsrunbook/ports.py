"""What the steps need of the world, as small protocols. Adapters implement them; ``wiring`` connects them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from tlsrunbook.evidence.record import Record
from tlsrunbook.exchange.shell import Shell
from tlsrunbook.exchange.state_data import Memory
from tlsrunbook.secret import Credential, Secret
from tlsrunbook.smtp.facts import ProbeFacts

__all__ = [
    "Attempt",
    "Authority",
    "Clock",
    "EvidenceStore",
    "Lease",
    "Note",
    "Peers",
    "Prober",
    "Resolver",
    "Shell",
    "Vault",
]


class Peers(Protocol):
    """The other servers of the site, for a step that takes something over from one of them."""

    def shell(self, server: str) -> Shell:
        """Give a PowerShell on another server. It stays the same one, and ends with :meth:`close`.

        Args:
            server: Its name in the site file.
        """

    def one_time_password(self) -> Secret:
        """Make a new random password, which exists in memory only."""

    def close(self) -> None:
        """End every PowerShell that was given. Never raises."""


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

    def tlsa(self, owner: str) -> tuple[str, ...] | None:
        """Give the TLSA records of ``_25._tcp.host`` as in a zone file; empty: none; None: DNS did not answer."""


@dataclass(frozen=True)
class Note:
    """Something that an authority has and that is not the reply.

    Args:
        text: What it is and why it was passed over, one sentence that begins with the file's name.
        todo: What to do about it; may be empty.
        concerns: Whether somebody may have meant it as the reply to this CSR.
    """

    text: str
    todo: str = ""
    concerns: bool = True


class Authority(Protocol):
    """Who issues certificates. Keyed by the CSR's public key, so that asking twice is harmless."""

    @property
    def name(self) -> str:
        """What people call it, such as ``folder ca/outbox``."""

    @property
    def notes(self) -> tuple[Note, ...]:
        """What the last :meth:`collect` passed over, and why; empty when nothing."""

    def submit(self, csr_pem: str, label: str) -> str:
        """Hand a CSR over and give a receipt for the record (an order's URL, a file name).

        Args:
            csr_pem: PEM, ASCII.
            label: Site and server, for file names people read; letters, digits, ``.``, ``-`` and ``_``.

        Raises:
            AuthorityFailed: It could not be reached, or refused.
        """

    def holds(self, csr_pem: str, label: str) -> bool:
        """Whether a CSR with this key was handed over already.

        Raises:
            AuthorityFailed: It could not be reached.
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


class Attempt(Protocol):
    """The folder of one try of one step: files that are written once."""

    @property
    def folder(self) -> Path:
        """Where it is."""

    @property
    def change(self) -> str:
        """The change id."""

    @property
    def server(self) -> str:
        """The server's name."""

    @property
    def step(self) -> str:
        """The step id."""

    @property
    def number(self) -> int:
        """1 for the first try."""

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files in it, sorted."""

    @property
    def record_path(self) -> Path:
        """Where its record is or will be."""

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole, never over another content.

        Raises:
            EvidenceError: Another content is there, or the disk refuses.
        """

    def append(self, line: Mapping[str, Any], *, durable: bool) -> None:
        """Add a line to the transcript; ``durable`` waits until it is on disk.

        Raises:
            EvidenceError: The disk refuses.
        """


class Lease(Protocol):
    """The right to work on one server, which one runner or one person has at a time."""

    @property
    def token(self) -> str:
        """Names it to a process that works for the same holder."""

    @property
    def taken_over(self) -> Mapping[str, str]:
        """Who held the server before and never gave it back; empty when it was free."""

    def check(self) -> None:
        """Look whether it is still held.

        Raises:
            LeaseLost: It ran out, or somebody took it over.
        """

    def release(self) -> None:
        """Give it back. Harmless when it is lost. Never raises."""


class EvidenceStore(Protocol):
    """The evidence of one site: changes, attempts, records."""

    @property
    def folder(self) -> Path:
        """The site's folder."""

    def new_change(self, at: datetime, asked: Mapping[str, Any]) -> str:
        """Start a change and give its id."""

    def changes(self) -> tuple[str, ...]:
        """Give all change ids, oldest first."""

    def asked(self, change: str) -> dict[str, Any]:
        """Give what was asked for.

        Raises:
            UsageError: There is no such change.
        """

    def open_change(self, server: str) -> str:
        """Give the newest change in which this server is not finished; empty when there is none."""

    def rolled_back(self, change: str, server: str) -> bool:
        """Whether going back was begun on this server: such a change is never gone on with."""

    def lease(self, server: str, who: Mapping[str, str], what: str) -> Lease:
        """Take the lease of a server, for this process (``who``) and a purpose such as ``run`` or ``JupyterLab``.

        Raises:
            LeaseHeld: Somebody else has it.
            EvidenceError: The disk refuses.
        """

    def joined_lease(self, server: str, token: str) -> Lease:
        """Give the lease that the holder of this token has taken, to work for them; see :meth:`Lease.check`."""

    def lease_holder(self, server: str) -> Mapping[str, str]:
        """Give who works on a server, as in :class:`~tlsrunbook.errors.LeaseHeld`; empty when nobody does."""

    def unfinished(self, change: str, server: str) -> tuple[Attempt, ...]:
        """Give the attempts that have no record: at work, where somebody holds the lease, else broken off."""

    def attempt(self, change: str, server: str, step: str, number: int) -> Attempt:
        """Make the folder of the next attempt."""

    def attempts(self, change: str, server: str = "*") -> Iterator[Attempt]:
        """Give the attempts of a change, by server, step and number."""

    def sweep(self, change: str, server: str) -> None:
        """Remove what writers left half written that were killed. Call it only while holding the server's lease."""

    def record(self, attempt: Attempt) -> Record | None:
        """Read an attempt's record; None while it has none."""

    def records(self, change: str, server: str = "*") -> tuple[Record, ...]:
        """Give all records of a change."""

    def latest(self, change: str, server: str) -> dict[str, Record]:
        """Give the last record of each step; one that applied goes before one that only planned."""

    def file(self, change: str, name: str, content: bytes) -> bool:
        """Write a file of a change once; False when it is there already.

        Args:
            name: Path below the change's folder, as in ``evidence.layout``.

        Raises:
            EvidenceError: The disk refuses.
        """

    def filed(self, change: str, pattern: str) -> tuple[Path, ...]:
        """Give the files of a change whose name is ``pattern`` with something in place of ``{}``, in order."""

    def certificate_names(self, server: str) -> dict[str, tuple[str, ...]]:
        """Give TLS certificate name -> DNS names of every certificate a server had in any state on disk."""

    def newest(self, server: str, step: str) -> Record | None:
        """Give the record of a server's step that was applied and finished last, over all changes; None without one."""

    def remembered(self, server: str) -> Memory:
        """Give what was known of a server before this evidence began; nothing but in a rehearsal from saved state."""

    def first_before(self, change: str, server: str) -> dict[str, Any] | None:
        """Give the earliest state of a server that this change has on disk, or None."""


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """Give the time, UTC, with time zone."""

    def pause(self, seconds: float) -> None:
        """Let time pass between two looks at something that is awaited."""
