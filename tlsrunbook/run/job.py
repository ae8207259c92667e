"""The work on one server, and what is told while it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tlsrunbook.evidence.record import Record
from tlsrunbook.ports import EvidenceStore
from tlsrunbook.run.recording import Circumstances
from tlsrunbook.steps.base import Step

#: Hands the lease of a server to a process that works for its holder.
LEASE_VARIABLE = "TLSRUNBOOK_LEASE"


@dataclass(frozen=True)
class ServerJob:
    """The work on one server.

    Args:
        site_file: Absolute path of the site file.
        site: Site name.
        server: Server name.
        steps: In order.
        store: The site's evidence.
        runs: The folder of all evidence, absolute.
        change: Change id.
        mode: ``plan`` or ``apply``.
        about: For a record that the runner has to write itself.
        after: Step id -> pairs of server and step that shall have ended before it begins.
        named: Whether the steps were asked for by name: then they are run even when they are done.
        environment: What a kernel that writes into ``store`` finds in its environment, such as the server's lease. An
            executor that works into another store leaves it out.
    """

    site_file: Path
    site: str
    server: str
    steps: tuple[Step, ...]
    store: EvidenceStore
    runs: Path
    change: str
    mode: str
    about: Circumstances
    after: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    named: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def step_ids(self) -> tuple[str, ...]:
        """The steps' ids, in order."""
        return tuple(step.id for step in self.steps)

    @property
    def what(self) -> str:
        """What the lease says of the work."""
        return f"tlsrunbook, change {self.change}"

    @property
    def place(self) -> tuple[str, str]:
        """Site and server."""
        return self.site, self.server


@dataclass(frozen=True)
class Event:
    """A step starts, or has ended.

    Args:
        record: None when the step starts.
    """

    site: str
    server: str
    step: str
    record: Record | None = None


@dataclass(frozen=True)
class ServerEvent:
    """Something about a server as a whole.

    Args:
        state: ``begun``, ``taken-over`` (the lease of somebody who is gone), ``reconciled`` (a record was written for a
            step that broke off), ``done-before`` (steps that are done already), ``held`` (somebody else works on it),
            ``left`` (not begun), or ``ended``.
        text: For people, one line; may be empty.
        steps: Ids of the steps it is about.
        facts: For programs, such as who holds it.
    """

    site: str
    server: str
    state: str
    text: str = ""
    steps: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class WaveEvent:
    """A wave of a site begins or has ended.

    Args:
        number: From 1.
        of: How many waves the site has.
        servers: The servers of this wave.
        state: ``begun``, ``done``, or ``stopped``: then no further one begins.
        text: For people, one line; may be empty.
    """

    site: str
    number: int
    of: int
    servers: tuple[str, ...]
    state: str
    text: str = ""


#: Anything that a display may want to know.
Told = Event | ServerEvent | WaveEvent
Tell = Callable[[Told], None]
