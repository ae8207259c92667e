"""Writes the evidence while a step works: transcript, state and plan before the first change, the record at the end."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tlsrunbook.errors import CommandFailed, OutcomeUnknown, TlsRunbookError
from tlsrunbook.evidence.data import readable_json, to_data, utc_text
from tlsrunbook.evidence.layout import AFTER, BEFORE, PLAN, RECORD
from tlsrunbook.evidence.record import Record, Status, plan_data, plan_digest
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.plan.history import History
from tlsrunbook.plan.model import Plan
from tlsrunbook.ports import Attempt, Clock, EvidenceStore, Lease
from tlsrunbook.run.approvals import FiledApprovals
from tlsrunbook.run.history import read_history
from tlsrunbook.run.saving import verified_on_wire
from tlsrunbook.run.transcript import GuardedAuthority, RecordingPeers, RecordingShell, Transcript
from tlsrunbook.steps.base import Step, StepResult, run_step
from tlsrunbook.steps.model import StepContext, Wanted


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
    step: Step,
    context: StepContext,
    store: EvidenceStore,
    change: str,
    about: Circumstances,
    lease: Lease | None = None,
) -> tuple[Record, Attempt]:
    """Run a step and write its record, whatever happens.

    A step that ends by an exception that is no :class:`TlsRunbookError` (a bug, Ctrl-C, a full disk) leaves a record
    too, and the exception goes on.

    Args:
        lease: Of the server; nothing that changes something is sent once it is lost. None where nobody else can come.
    """
    wanted = context.wanted
    attempt = store.attempt(change, wanted.server.name, step.id, step.number)
    transcript = Transcript(attempt, context.clock)
    guard = lease.check if lease else _nobody_else
    shell = RecordingShell(context.shell, transcript, context.clock, guard=guard)
    started = context.clock.now()
    transcript.add("started", {"step": step.id, "mode": wanted.mode, "who": about.who}, durable=True)
    taken = {"taken_over_from": dict(lease.taken_over)} if lease and lease.taken_over else {}
    if taken:
        transcript.add("lease", taken, durable=True)
    workspace = AttemptWorkspace(store, attempt, transcript, context.clock)
    result = None
    approvals = FiledApprovals(store, change, wanted.site, wanted.server.name, context.clock)
    try:
        peers = RecordingPeers(context.peers, shell)
        authority = GuardedAuthority(context.authority, guard)
        ready = replace(
            context, shell=shell, workspace=workspace, approvals=approvals, peers=peers, authority=authority
        )
        result = run_step(step, ready)
    finally:
        ended = _broken(shell) if result is None else result
        record = _record(step, wanted, ended, shell, attempt, about, started, context.clock)
        record = replace(record, lease=taken)
        try:
            transcript.add("ended", {"status": record.status, "summary": record.summary}, durable=True)
        finally:  # where the transcript cannot be written any more, the record perhaps can
            record = record.with_files(tuple(sorted({*attempt.files, RECORD})))
            attempt.write(RECORD, readable_json(record.data()))
    return record, attempt


def _nobody_else() -> None:
    """There is no lease to look at."""


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
