"""Every call to a server is in the transcript before it is sent, and after it was answered."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
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
class _Call:
    """What becomes of one pipeline that is sent."""

    pipeline: Pipeline
    text: str
    server: str
    outcome: str = "unknown"
    messages: tuple[str, ...] = ("no answer came",)

    @property
    def changes(self) -> bool:
        return any(command.changes for command in self.pipeline)

    def took(self, reply: Reply) -> None:
        self.outcome = "error" if reply.failed else "ok"
        self.messages = tuple(fault.message for fault in reply.errors) + reply.warnings

    def answered(self, reply: Reply) -> dict[str, Any]:
        seen = {"objects": reply.objects, "warnings": reply.warnings, "errors": reply.errors}
        return {"outcome": self.outcome, **seen}

    def sent(self, started: str, seconds: float) -> SentCommand:
        names = tuple(command.name for command in self.pipeline)
        return SentCommand(self.text, names, self.changes, started, seconds, self.outcome, self.messages, self.server)


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
        (reply,) = self._carry_out(lambda: (self.inner.run(pipeline),), pipeline)
        return reply

    def read(self, *pipelines: Pipeline) -> tuple[Reply, ...]:
        """See :class:`~tlsrunbook.ports.Shell`. Each takes as long as all, because they travel together."""
        return self._carry_out(lambda: self.inner.read(*pipelines), *pipelines)

    def _carry_out(self, send: Callable[[], Sequence[Reply]], *pipelines: Pipeline) -> tuple[Reply, ...]:
        calls = [_Call(pipeline, render_pipeline(pipeline, shorten=True), self.server) for pipeline in pipelines]
        if any(call.changes for call in calls):
            self.guard()
        started, clock = utc_text(self.clock.now()), time.monotonic()
        for call in calls:
            facts = {"text": call.text, "changes": call.changes, "commands": call.pipeline}
            self.transcript.add("sent", {**self._where, **facts}, durable=call.changes)
        try:
            try:
                replies = tuple(send())
            except TlsRunbookError as error:
                self._lost(calls, error)
                raise
            for call, reply in zip(calls, replies, strict=True):
                call.took(reply)
                self.transcript.add("answered", call.answered(reply), durable=call.changes)
            return replies
        finally:
            seconds = round(time.monotonic() - clock, 3)
            self.sent.extend(call.sent(started, seconds) for call in calls)

    def _lost(self, calls: Sequence[_Call], error: TlsRunbookError) -> None:
        for call in calls:
            call.messages = (error.what,)
            # By contract of the port nothing was changed when the connection failed.
            call.outcome = "unknown" if call.changes and not isinstance(error, ConnectionFailed) else "error"
            facts = {"outcome": call.outcome, "error": error.code, "what": error.what}
            self.transcript.add("lost", facts, durable=call.changes)
        if any(call.outcome == "unknown" for call in calls) and not isinstance(error, OutcomeUnknown):
            raise _uncertain(error) from error

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
class AroundAuthority:
    """The authority, with something done around some of its calls."""

    inner: Authority

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
        return self.inner.submit(csr_pem, label)

    def holds(self, csr_pem: str, label: str) -> bool:
        """See :class:`~tlsrunbook.ports.Authority`."""
        return self.inner.holds(csr_pem, label)

    def collect(self, csr_pem: str, label: str) -> bytes | None:
        """See :class:`~tlsrunbook.ports.Authority`."""
        return self.inner.collect(csr_pem, label)


@dataclass
class GuardedAuthority(AroundAuthority):
    """The authority, to which nothing is handed over any more once the lease is lost."""

    guard: Callable[[], None]

    def submit(self, csr_pem: str, label: str) -> str:
        """See :class:`~tlsrunbook.ports.Authority`."""
        self.guard()
        return super().submit(csr_pem, label)
