"""What is going on right now: the ports of a step, each telling what it is asked for before it asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from tlsrunbook.exchange.command import Greeting, Pipeline, Reply
from tlsrunbook.ports import Peers, Prober, Shell
from tlsrunbook.run.transcript import AroundAuthority
from tlsrunbook.secret import Secret
from tlsrunbook.smtp.facts import ProbeFacts
from tlsrunbook.steps.model import StepContext

#: Takes what is begun now, as one line for people.
Tell: TypeAlias = "Callable[[str], None]"


@dataclass
class Progress:
    """What is being done now and since when. Written by the thread at work, read by the one that shows it."""

    monotonic: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _what: str = ""
    _begun: float = 0.0
    _since: float = 0.0

    def start(self, what: str) -> None:
        """Begin something new."""
        with self._lock:
            self._begun = self.monotonic()
        self.tell(what)

    def tell(self, what: str) -> None:
        """Say what is begun now."""
        with self._lock:
            self._what, self._since = what, self.monotonic()

    def line(self) -> str:
        """Give one line: what, for how many seconds, and in all."""
        with self._lock:
            now = self.monotonic()
            here, whole = int(now - self._since), int(now - self._begun)
            return f"{self._what} … {here} s" + (f" ({whole} s in all)" if whole > here else "")


@dataclass
class WatchedShell:
    """A shell that tells what is sent."""

    inner: Shell
    tell: Tell
    server: str

    def open(self) -> Greeting:
        """See :class:`~tlsrunbook.ports.Shell`."""
        self.tell(f"Opening PowerShell on {self.server}")
        return self.inner.open()

    def run(self, pipeline: Pipeline) -> Reply:
        """See :class:`~tlsrunbook.ports.Shell`."""
        names = " | ".join(command.name for command in pipeline)
        changes = any(command.changes for command in pipeline)
        self.tell(f"{'Changing' if changes else 'Asking'} {self.server}: {names}")
        return self.inner.run(pipeline)

    def read(self, *pipelines: Pipeline) -> tuple[Reply, ...]:
        """See :class:`~tlsrunbook.ports.Shell`."""
        names = ", ".join(command.name for pipeline in pipelines for command in pipeline)
        self.tell(f"Asking {self.server}: {names}")
        return self.inner.read(*pipelines)

    def close(self) -> None:
        """See :class:`~tlsrunbook.ports.Shell`."""
        self.inner.close()


@dataclass
class WatchedPeers:
    """The other servers, watched like the one that the step is for."""

    inner: Peers
    tell: Tell

    def shell(self, server: str) -> Shell:
        """See :class:`~tlsrunbook.ports.Peers`."""
        return WatchedShell(self.inner.shell(server), self.tell, server)

    def one_time_password(self) -> Secret:
        """See :class:`~tlsrunbook.ports.Peers`."""
        return self.inner.one_time_password()

    def close(self) -> None:
        """See :class:`~tlsrunbook.ports.Peers`."""
        self.inner.close()


@dataclass
class WatchedProber:
    """A prober that tells which endpoint it looks at."""

    inner: Prober
    tell: Tell

    def probe(self, endpoint: str, server_name: str) -> tuple[ProbeFacts, ...]:
        """See :class:`~tlsrunbook.ports.Prober`."""
        self.tell(f"Looking at {endpoint} from outside (STARTTLS)")
        return self.inner.probe(endpoint, server_name)


@dataclass
class WatchedAuthority(AroundAuthority):
    """An authority that tells what it is asked."""

    tell: Tell

    def submit(self, csr_pem: str, label: str) -> str:
        """See :class:`~tlsrunbook.ports.Authority`."""
        self.tell(f"Handing the CSR to the authority: {self.name}")
        return super().submit(csr_pem, label)

    def holds(self, csr_pem: str, label: str) -> bool:
        """See :class:`~tlsrunbook.ports.Authority`."""
        self.tell(f"Asking the authority whether it has the CSR: {self.name}")
        return super().holds(csr_pem, label)

    def collect(self, csr_pem: str, label: str) -> bytes | None:
        """See :class:`~tlsrunbook.ports.Authority`."""
        self.tell(f"Asking the authority for its answer: {self.name}")
        return super().collect(csr_pem, label)


def watched(context: StepContext, tell: Tell) -> StepContext:
    """Give the same context with every port telling what it does."""
    return replace(
        context,
        shell=WatchedShell(context.shell, tell, context.wanted.server.name),
        peers=WatchedPeers(context.peers, tell),
        prober=WatchedProber(context.prober, tell),
        authority=WatchedAuthority(context.authority, tell),
    )
