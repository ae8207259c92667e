"""Every call to a server is in the transcript before it is sent, and after it was answered."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tlsrunbook.errors import ConnectionFailed, OutcomeUnknown, TlsRunbookError
from tlsrunbook.evidence.data import to_data, utc_text
from tlsrunbook.evidence.record import SentCommand
from tlsrunbook.exchange.command import Greeting, Pipeline, Reply
from tlsrunbook.exchange.render import render_pipeline
from tlsrunbook.ports import Attempt, Authority, Clock, Note, Peers, Shell
from tlsrunbook.secret import Secret


class Transcript:
    """What was sent and answered, one JSON line per event."""

    def __init__(self, attempt: Attempt, clock: Clock) -> None:
        self._attempt = attempt
        self._clock = clock
        self._seq = 0

    def add(self, event: str, facts: Mapping[str, Any], *, durable: bool = False) -> None:
        """Write one event. ``durable`` makes sure it is on disk before anything else happens."""
        self._seq += 1
        line = {"seq": self._seq, "at": utc_text(self._clock.now()), "event": event, **to_data(facts)}
        self._attempt.append(line, durable=durable)


@dataclass
class RecordingShell:
    """A shell whose every call is in the transcript before it is sent, and after it was answered.

    Args:
        inner: Sends it.
        server: The server's name where it is not the one that the record is about.
        guard: Called before a command that changes something; raises when it must not be sent.
    """

    inner: Shell
    transcript: Transcript
    clock: Clock
    sent: list[SentCommand] = field(default_factory=list)
    server: str = ""
    guard: Callable[[], None] = lambda: None

    def open(self) -> Greeting:
        """See :class:`~tlsrunbook.ports.Shell`."""
        greeting = self.inner.open()
        facts = {"computer": greeting.computer, "powershell": greeting.powershell, "exchange": greeting.exchange}
        self.transcript.add("opened", {**self._where, **facts})
        return greeting

    def run(self, pipeline: Pipeline) -> Reply:
        """See :class:`~tlsrunbook.ports.Shell`."""
        text = render_pipeline(pipeline, shorten=True)
        changes = any(command.changes for command in pipeline)
        if changes:
            self.guard()
        started, clock = utc_text(self.clock.now()), time.monotonic()
        facts = {"text": text, "changes": changes, "commands": pipeline}
        self.transcript.add("sent", {**self._where, **facts}, durable=changes)
        outcome = "unknown"
        messages: tuple[str, ...] = ("no answer came",)
        try:
            try:
                reply = self.inner.run(pipeline)
            except TlsRunbookError as error:
                messages = (error.what,)
                # By contract of the port nothing was changed when the connection failed.
                outcome = "unknown" if changes and not isinstance(error, ConnectionFailed) else "error"
                facts = {"outcome": outcome, "error": error.code, "what": error.what}
                self.transcript.add("lost", facts, durable=changes)
                if outcome == "unknown" and not isinstance(error, OutcomeUnknown):
                    raise _uncertain(error) from error
                raise
            outcome = "error" if reply.failed else "ok"
            messages = tuple(fault.message for fault in reply.errors) + reply.warnings
            self.transcript.add(
                "answered",
                {"outcome": outcome, "objects": reply.objects, "warnings": reply.warnings, "errors": reply.errors},
                durable=changes,
            )
            return reply
        finally:
            seconds = round(time.monotonic() - clock, 3)
            names = tuple(command.name for command in pipeline)
            self.sent.append(SentCommand(text, names, changes, started, seconds, outcome, messages, self.server))

    def close(self) -> None:
        """See :class:`~tlsrunbook.ports.Shell`."""
        self.inner.close()

    @property
    def _where(self) -> dict[str, str]:
        """The server, when it is not the one that the record is about."""
        return {"server": self.server} if self.server else {}


@dataclass
class RecordingPeers:
    """The other servers, with all that is sent to them in the same transcript and record."""

    inner: Peers
    here: RecordingShell

    def shell(self, server: str) -> Shell:
        """See :class:`~tlsrunbook.ports.Peers`."""
        here = self.here
        return RecordingShell(self.inner.shell(server), here.transcript, here.clock, here.sent, server, here.guard)

    def one_time_password(self) -> Secret:
        """See :class:`~tlsrunbook.ports.Peers`. It is written down nowhere."""
        return self.inner.one_time_password()

    def close(self) -> None:
        """See :class:`~tlsrunbook.ports.Peers`."""
        self.inner.close()


def _uncertain(error: TlsRunbookError) -> OutcomeUnknown:
    """A change whose answer was not understood is as uncertain as one without an answer."""
    what = f"a change was sent and its outcome is not known: {error.what}"
    todo = "look at the server before anything is sent again; running the step again does that"
    return OutcomeUnknown(what, where=error.where, todo=todo)


@dataclass
class GuardedAuthority:
    """The authority, to which nothing is handed over any more once the lease is lost."""

    inner: Authority
    guard: Callable[[], None]

    @property
    def name(self) -> str:
        """See :class:`~tlsrunbook.ports.Authority`."""
        return self.inner.name

    @property
    def notes(self) -> tuple[Note, ...]:
        """See :class:`~tlsrunbook.ports.Authority`."""
        return self.inner.notes

    def submit(self, csr_pem: str, label: str) -> str:
        """See :class:`~tlsrunbook.ports.Authority`."""
        self.guard()
        return self.inner.submit(csr_pem, label)

    def holds(self, csr_pem: str, label: str) -> bool:
        """See :class:`~tlsrunbook.ports.Authority`."""
        return self.inner.holds(csr_pem, label)

    def collect(self, csr_pem: str, label: str) -> bytes | None:
        """See :class:`~tlsrunbook.ports.Authority`."""
        return self.inner.collect(csr_pem, label)
