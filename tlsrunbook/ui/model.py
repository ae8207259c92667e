"""What a step card shows and which of its buttons work: pure, from what the records say at one moment."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from tlsrunbook.evidence.display import planned_text
from tlsrunbook.evidence.record import Record, Status
from tlsrunbook.evidence.standing import State, StepStanding
from tlsrunbook.run.approving import ApprovalStanding
from tlsrunbook.steps.base import NOT_AS_READ, WAIT, Step
from tlsrunbook.steps.registry import step_of

#: Rules that block a plan which is itself as it should be: it is on the card, and may be applied from there.
_PLAN_STANDS = frozenset({NOT_AS_READ, "not-approved", "not-as-approved"})

#: What to do on a card while the CA has not answered.
_LOOK = (
    "when the CA has answered, give its answer on the card of step 3 or put it into the inbox, then look for it here"
)

#: A sign and a word per state, so that colour is never the only sign.
WORDS: Mapping[State, tuple[str, str]] = {
    State.DONE: ("✔", "Done"),
    State.READY: ("▸", "Ready"),
    State.PLANNED: ("○", "Planned"),
    State.LOCKED: ("–", "Locked"),
    State.WAITING: ("…", "Waiting"),
    State.BLOCKED: ("⊘", "Blocked"),
    State.FAILED: ("✗", "Failed"),
    State.UNKNOWN: ("?", "Unknown"),
}

#: Colours that read on white and on dark backgrounds alike.
COLOURS: Mapping[State, str] = {
    State.DONE: "#2e8b57",
    State.READY: "#3b78c3",
    State.PLANNED: "#3b78c3",
    State.LOCKED: "#808080",
    State.WAITING: "#b7791f",
    State.BLOCKED: "#c2571a",
    State.FAILED: "#cf3b3b",
    State.UNKNOWN: "#9b4dca",
}


@dataclass(frozen=True)
class Position:
    """Where the work on one server stands, as its records say at one moment.

    Args:
        change: Change id; empty while there is none.
        standings: Of the steps, in order.
        records: Of this change on this server.
        holder: Who works on the server now, when that is somebody else; empty when nobody does.
        closed: Why nothing can go on in this change; empty when it can.
        approvals: By step, of the plan that its card shows.
        undone: The newest record of going back; None when nobody did.
        broken: Steps whose newest attempt was broken off before it left a record: no plan on record is good for them.
    """

    site: str
    server: str
    change: str
    standings: tuple[StepStanding, ...]
    records: tuple[Record, ...] = ()
    holder: Mapping[str, str] = field(default_factory=dict)
    closed: str = ""
    approvals: Mapping[str, ApprovalStanding] = field(default_factory=dict)
    undone: Record | None = None
    broken: Collection[str] = ()

    def standing(self, step: str) -> StepStanding:
        """Give where a step stands."""
        return next(one for one in self.standings if one.step == step)

    def of(self, step: str) -> tuple[Record, ...]:
        """Give the records of a step, the oldest first."""
        return tuple(sorted((one for one in self.records if one.step == step), key=lambda one: one.attempt))


@dataclass(frozen=True)
class Button:
    """A button.

    Args:
        label: What stands on it; empty: it is not shown.
        enabled: Whether it works.
        tip: What it does, or why it does not work; read out by screen readers.
    """

    label: str
    enabled: bool
    tip: str


@dataclass(frozen=True)
class Face:
    """Everything that a card shows.

    Args:
        because: What has to be done first, what ended it, or who holds the server; may be empty.
        todo: What to do about it; may be empty.
        approval: Who approved, or who has to; may be empty.
        record: The newest record, whatever it is of.
        read: Digest of the plan that the card shows and *apply* is about; None when there is none to apply.
        commands: The PowerShell text of that plan.
    """

    step: str
    number: int
    title: str
    state: State
    because: str
    todo: str
    approval: str
    record: Record | None
    read: str | None
    commands: tuple[str, ...]
    plan: Button
    apply: Button
    undo: Button

    @property
    def sign(self) -> str:
        """The state's sign."""
        return WORDS[self.state][0]

    @property
    def word(self) -> str:
        """The state's word."""
        return WORDS[self.state][1]

    @property
    def colour(self) -> str:
        """The state's colour."""
        return COLOURS[self.state]


def shown_plan(records: Sequence[Record]) -> Record | None:
    """Give the record whose plan may be applied from the card: the newest one, if it is a plan that stands.

    Args:
        records: Of one step, the oldest first.
    """
    if not records:
        return None
    newest = records[-1]
    if newest.mode == "plan":
        stands = newest.status in (Status.PLANNED, Status.UNCHANGED, Status.SKIPPED)
        return newest if stands else None
    refused = {one["rule"] for one in newest.findings if one["severity"] == "refuse"}
    stands = newest.status is Status.BLOCKED and bool(refused) and refused <= _PLAN_STANDS
    return newest if stands else None


def face(step: Step, position: Position) -> Face:
    """Give what the card of a step shows."""
    records = position.of(step.id)
    standing = position.standing(step.id)
    read = shown_plan(records) if standing.open and step.id not in position.broken else None
    state = _state(standing, read)
    stopped = _stopped(position, standing)
    approval = position.approvals.get(step.id, ApprovalStanding()) if read else ApprovalStanding()
    newest = records[-1] if records else None
    return Face(
        step=step.id,
        number=step.number,
        title=step.title,
        state=State.LOCKED if position.closed else state,
        because=stopped or _because(standing, state, read),
        todo=newest.todo.replace(WAIT, _LOOK) if newest and standing.open and not stopped else "",
        approval=_approval(approval, position.change) if read else "",
        record=newest,
        read=read.plan_digest if read else None,
        commands=tuple(planned_text(read)) if read else (),
        plan=_plan(step, state, stopped, position),
        apply=_apply(step, state, stopped, read, approval),
        undo=_undo(step, state, records, position),
    )


def _state(standing: StepStanding, read: Record | None) -> State:
    """Give the state; one that stopped, and whose plan has been shown anew since, is planned."""
    if read is None or not read.plan.get("items"):
        return standing.state
    planned = read.status is Status.PLANNED or {f["rule"] for f in read.findings if f["severity"] == "refuse"} == {
        NOT_AS_READ
    }
    return State.PLANNED if planned else standing.state


def _because(standing: StepStanding, state: State, read: Record | None) -> str:
    if state is State.PLANNED and read is not None:
        return read.summary if read.status is Status.BLOCKED else ""
    return standing.because


def _stopped(position: Position, standing: StepStanding) -> str:
    """Give why no button of the card works; empty when some do."""
    if position.holder:
        one = position.holder
        who = f"{one.get('user', 'somebody')} on {one.get('host', '?')}"
        return f"{who} works on {position.server} ({one.get('what', '')}) since {_when(one.get('since', '?'))}"
    if position.closed:
        return position.closed
    return _first(position) if standing.state is State.LOCKED else ""


def _when(text: str) -> str:
    """Give a recorded time as people read it: to the minute."""
    return f"{text[:10]} {text[11:16]} UTC" if text.endswith("Z") else text


def _first(position: Position) -> str:
    """Say which step has to be done before a locked one."""
    step = step_of(next(one.step for one in position.standings if one.open))
    return f"first comes step {step.number}: {step.title}"


def _plan(step: Step, state: State, stopped: str, position: Position) -> Button:
    if step.looks_only:
        return Button("", False, "")
    tip = f"Look at {position.server} and show what step {step.number} would change; nothing is changed"
    if stopped or state is State.DONE:
        return Button("Plan", False, stopped or "this step is done")
    return Button("Plan", True, tip)


def _apply(step: Step, state: State, stopped: str, read: Record | None, approval: ApprovalStanding) -> Button:
    if step.looks_only:
        again = state not in (State.READY, State.PLANNED, State.LOCKED)
        return Button("Check again" if again else "Check", not stopped, stopped or f"{step.title}; changes nothing")
    label = "Approve and apply"
    if stopped or state is State.DONE:
        return Button(label, False, stopped or "this step is done")
    if state is State.WAITING:
        return Button("Look for the answer", True, "Ask whether what this step waits for has come; changes nothing")
    if read is None:
        return Button(label, False, "plan it first, and read what would be changed")
    if not read.plan.get("items"):
        return Button(label, True, f"{step.title}: nothing has to be changed; write that down")
    return _approved(step, label, approval)


def _approved(step: Step, label: str, approval: ApprovalStanding) -> Button:
    tip = f"{step.title}: send exactly what the plan shows"
    if not approval.required:
        return Button(label, True, tip)
    if approval.counts:
        return Button("Apply as approved", True, f"{tip}; approved by {approval.counts['by']}")
    if not approval.refused:
        return Button(label, True, f"{tip}; your approval is signed first")
    if approval.other:
        return Button("Apply as approved", True, f"{tip}, if it is what {approval.other['by']} approved")
    return Button(label, False, f"it has to be approved: {approval.refused}")


def _approval(approval: ApprovalStanding, change: str) -> str:
    if not approval.required:
        return ""
    if approval.counts:
        one = approval.counts
        return f"Approved by {one['by']} at {one['at']}, until {one['expires']}."
    if not approval.refused:
        return "The site file demands an approval, and your key counts: Approve and apply signs the plan shown here."
    call = f"tlsrunbook approve {change} --site SITE"
    if approval.other:
        return (
            f"{approval.other['by']} approved an earlier plan of this step. Where only what was not known then was "
            f"filled in, it covers this one, which is judged when it is applied; else an approver runs: {call}"
        )
    return f"The site file demands an approval: {approval.refused}. An approver runs: {call}"


def _undo(step: Step, state: State, records: Sequence[Record], position: Position) -> Button:
    if step.looks_only:
        return Button("", False, "")
    sent = any(command.changes for one in records for command in one.commands if one.mode == "apply")
    if position.closed or position.holder:
        return Button("Undo", False, position.closed or "somebody else works on this server")
    if not sent and state is not State.UNKNOWN:
        return Button("Undo", False, "this step has changed nothing")
    return Button("Undo", True, f"Show what going back would put back on {position.server}; then it asks")


def may(face: Face, action: str, read: str | None) -> str:
    """Give why an action must not be begun now; empty when it may.

    Args:
        face: From records read while the server's lease is held.
        action: ``plan``, ``apply`` or ``undo``.
        read: Digest of the plan that the user saw when pressing the button, for ``apply``.
    """
    button = {"plan": face.plan, "apply": face.apply, "undo": face.undo}[action]
    if not button.enabled:
        return button.tip or "this cannot be done now"
    if action == "apply" and read is not None and face.read is not None and read != face.read:
        return "there is a newer plan than the one that was on the card; read it, then press again"
    return ""
