"""Writes the evidence while a step works: transcript, state and plan before the first change, the record at the end."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from tlsrunbook.errors import CommandFailed, ConnectionFailed, OutcomeUnknown, TlsRunbookError
from tlsrunbook.evidence.data import readable_json, to_data, utc_text
from tlsrunbook.evidence.layout import AFTER, BEFORE, PLAN, RECORD
from tlsrunbook.evidence.record import Record, SentCommand, Status, plan_data, plan_digest
from tlsrunbook.exchange.command import Greeting, Pipeline, Reply
from tlsrunbook.exchange.render import render_pipeline
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.plan.history import History
from tlsrunbook.plan.model import Plan
from tlsrunbook.ports import Attempt, Clock, EvidenceStore, Peers, Shell
from tlsrunbook.run.approvals import FiledApprovals
from tlsrunbook.run.history import read_history
from tlsrunbook.run.saving import verified_on_wire
from tlsrunbook.secret import Secret
from tlsrunbook.steps.base import Step, StepResult, run_step
from tlsrunbook.steps.model import StepContext, Wanted


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
    """A shell whose every call is in the transcript before it is sent, and after it was answered."""

    inner: Shell
    transcript: Transcript
    clock: Clock
    sent: list[SentCommand] = field(default_factory=list)
    server: str = ""

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
        started, clock = utc_text(self.clock.now()), time.monotonic()
        calls = [_Call(pipeline, render_pipeline(pipeline, shorten=True), self.server) for pipeline in pipelines]
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
        return RecordingShell(self.inner.shell(server), here.transcript, here.clock, here.sent, server)

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
class AttemptWorkspace:
    """The step's view of its attempt folder."""

    store: EvidenceStore
    made: Attempt
    transcript: Transcript
    clock: Clock

    def keep(self, name: str, content: bytes) -> None:
        """Write a file beside the record, once."""
        self.made.write(name, content)

    def remembered_default(self) -> str:
        """Give the default SMTP certificate as this change first saw it; may be empty."""
        first = self.store.first_before(self.made.change, self.made.server)
        before = self.store.remembered(self.made.server).default
        return before or (str(first["state"]["internal_transport_thumbprint"]) if first else "")

    def remembered_names(self) -> dict[str, tuple[str, ...]]:
        """Give what this server's certificates were called when it was read before."""
        return {**self.store.remembered(self.made.server).names, **self.store.certificate_names(self.made.server)}

    def verified(self) -> dict[str, str]:
        """Give the thumbprints that ``verify`` has seen on the wire of this server, with where its record is."""
        before = self.store.remembered(self.made.server).verified
        return {**before, **verified_on_wire(self.store, self.made.server)}

    def recalled(self, server: str, step: str) -> Mapping[str, Any]:
        """Give the facts of the record of another server's step that was applied and finished last; may be empty."""
        record = self.store.newest(server, step)
        return record.facts if record else {}

    def history(self) -> History:
        """Give what this change did on the server before this attempt."""
        return read_history(self.store, self.made.change, self.made.server, self.made.folder)

    def before(self, state: ServerState) -> None:
        """Write down the state as it was found."""
        self._state(BEFORE, state)

    def after(self, state: ServerState) -> None:
        """Write down the state as it is left."""
        self._state(AFTER, state)

    def _state(self, name: str, state: ServerState) -> None:
        content = readable_json({"at": utc_text(self.clock.now()), "state": to_data(state)})
        self.made.write(name, content)
        self.transcript.add("state", {"file": name, "sha256": hashlib.sha256(content).hexdigest()})

    def planned(self, plan: Plan) -> None:
        """Write down what will be sent and how it is undone, before the first command is sent."""
        self.made.write(PLAN, readable_json({"digest": plan_digest(plan), **plan_data(plan)}))

    def note(self, event: str, facts: Mapping[str, Any]) -> None:
        """Write a line into the transcript."""
        self.transcript.add(event, facts)


@dataclass(frozen=True)
class Circumstances:
    """What a record says besides what the step did: who, why, with which tool, and whether it is a rehearsal."""

    who: Mapping[str, str]
    why: Mapping[str, str]
    tool: Mapping[str, str]
    rehearsal: str = ""


def record_step(
    step: Step, context: StepContext, store: EvidenceStore, change: str, about: Circumstances
) -> tuple[Record, Attempt]:
    """Run a step and write its record, whatever happens.

    A step that ends by an exception that is no :class:`TlsRunbookError` (a bug, Ctrl-C, a full disk) leaves a record
    too, and the exception goes on.
    """
    wanted = context.wanted
    attempt = store.attempt(change, wanted.server.name, step.id, step.number)
    transcript = Transcript(attempt, context.clock)
    shell = RecordingShell(context.shell, transcript, context.clock)
    started = context.clock.now()
    transcript.add("started", {"step": step.id, "mode": wanted.mode, "who": about.who}, durable=True)
    workspace = AttemptWorkspace(store, attempt, transcript, context.clock)
    result = None
    approvals = FiledApprovals(store, change, wanted.site, wanted.server.name, context.clock)
    try:
        peers = RecordingPeers(context.peers, shell)
        ready = replace(context, shell=shell, workspace=workspace, approvals=approvals, peers=peers)
        result = run_step(step, ready)
    finally:
        ended = _broken(shell) if result is None else result
        record = _record(step, wanted, ended, shell, attempt, about, started, context.clock)
        try:
            transcript.add("ended", {"status": record.status, "summary": record.summary}, durable=True)
        finally:  # where the transcript cannot be written any more, the record perhaps can
            record = record.with_files(tuple(sorted({*attempt.files, RECORD})))
            attempt.write(RECORD, readable_json(record.data()))
    return record, attempt


def _broken(shell: RecordingShell) -> StepResult:
    """Give the result of a step that an unforeseen exception ended."""
    problem = sys.exc_info()[1]
    name = type(problem).__name__ if problem else "an unknown problem"
    name += f" ({problem})" if isinstance(problem, TlsRunbookError) else ""  # those hold no secret
    uncertain = any(command.outcome == "unknown" and command.changes for command in shell.sent)
    told = f" ({problem})" if isinstance(problem, TlsRunbookError) else ""
    what = f"the step was ended by {name}{told}" + (" while a change was under way" if uncertain else "")
    todo = "run the step again: it looks at the server first"
    error = OutcomeUnknown(what, todo=todo) if uncertain else TlsRunbookError(what, todo=todo)
    return StepResult(Status.UNKNOWN if uncertain else Status.FAILED, what, todo, error=error)


def _record(
    step: Step,
    wanted: Wanted,
    result: StepResult,
    shell: RecordingShell,
    attempt: Attempt,
    about: Circumstances,
    started: datetime,
    clock: Clock,
) -> Record:
    decision = result.decision
    plan = decision.plan if decision else Plan()
    return Record(
        site=wanted.site.name,
        server=wanted.server.name,
        step=step.id,
        change=attempt.change,
        attempt=attempt.number,
        mode=wanted.mode,
        status=result.status,
        summary=result.summary,
        todo=result.todo,
        started=utc_text(started),
        finished=utc_text(clock.now()),
        who=about.who,
        why=about.why,
        tool=about.tool,
        server_facts=_server_facts(result),
        findings=tuple(to_data(finding) for finding in decision.findings) if decision else (),
        plan=plan_data(plan),
        plan_digest=plan_digest(plan),
        commands=tuple(shell.sent),
        facts=to_data(decision.facts) if decision else {},
        error=_error(result.error),
        approval=result.approval,
        rehearsal=wanted.site.rehearsal_of,
    )


def _server_facts(result: StepResult) -> dict[str, str]:
    if result.before is None:
        return {}
    state, greeting = result.before.state, result.before.greeting
    return {
        "name": state.name,
        "fqdn": state.fqdn,
        "version": str(state.version),
        "product": state.version.product,
        "role": state.role,
        "powershell": greeting.powershell,
    }


def _error(error: TlsRunbookError | None) -> dict[str, str] | None:
    if error is None:
        return None
    data = {"code": error.code, "what": error.what, "where": error.where, "todo": error.todo}
    if isinstance(error, CommandFailed):
        data |= {"category": error.category, "error_id": error.error_id}
    return data
