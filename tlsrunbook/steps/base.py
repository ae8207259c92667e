"""The one loop of every step: observe, decide, gate, apply, observe again. Recording wraps it (``run.recording``)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from tlsrunbook.errors import OutcomeUnknown, TlsRunbookError
from tlsrunbook.evidence.record import Status, plan_digest
from tlsrunbook.exchange.command import Later, Pipeline
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.plan.model import Plan, PlanItem, Submit, Transfer
from tlsrunbook.policy.confirm import confirm_server
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.policy.preflight import preflight_all
from tlsrunbook.policy.untold import untold_findings
from tlsrunbook.steps.model import Decision, Seen, StepContext, Verdict, Wanted
from tlsrunbook.steps.observe import ask, observe_server

#: What to do while the CA has not answered.
WAIT = "run the same change again when the CA has answered"

#: Rule of the finding that a plan is no more the one that was read.
NOT_AS_READ = "not-as-read"


class Step(ABC):
    """One step of the runbook. Subclasses say what to look at and what to decide; the loop is the same for all."""

    #: Step id: the CLI's word, the notebook's cell id.
    id: ClassVar[str]
    #: Its place in the order: 1 to 6, and 7 and on for what runs only when it is named.
    number: ClassVar[int]
    #: What people call it.
    title: ClassVar[str]
    #: Whether its gate is a refusal (``blocked``) or a verification (``failed``).
    verifies: ClassVar[bool] = False
    #: Whether it may change something only as approved, where the site file asks for approvals. An undo needs none: it
    #: stands in the plan that was approved.
    needs_approval: ClassVar[bool] = True
    #: Whether it looks and never changes anything.
    looks_only: ClassVar[bool] = False
    #: What it means that the server told too little of a certificate: a change must not assume anything.
    untold: ClassVar[Severity] = Severity.REFUSE

    @property
    def notebook(self) -> str:
        """File name of its notebook, without folder."""
        return f"{self.number}-{self.slug}.ipynb"

    #: The notebook's name after the number.
    slug: ClassVar[str]

    def applies(self, wanted: Wanted) -> str:
        """Give the reason why this step has nothing to do with this server, or an empty text."""
        del wanted
        return ""

    def observe(self, context: StepContext) -> Seen:
        """Look at the server, and at whatever else the decision needs."""
        return observe_server(context.shell)

    @abstractmethod
    def decide(self, wanted: Wanted, seen: Seen) -> Decision:
        """Compare what is wanted with what was seen. Pure: no I/O, no clock."""

    def preflight(self, decision: Decision, seen: Seen) -> tuple[Finding, ...]:
        """Say what of the plan the server would refuse, before any of it is sent. Pure."""
        return preflight_all(pipelines(decision.plan), seen.state)

    def perform(self, context: StepContext, item: PlanItem) -> None:
        """Apply one item. Steps that submit to an authority, or take a certificate over, override this."""
        if isinstance(item.does, Submit | Transfer):
            raise TypeError(f"{self.id} cannot {type(item.does).__name__.lower()}")
        ask(context.shell, *item.does)

    def prove(self, before: Decision, after: Seen) -> tuple[Finding, ...]:
        """Check after applying what the second decision cannot see; an error fails the step."""
        del before, after
        return ()


@dataclass(frozen=True)
class StepResult:
    """How the loop ended.

    Args:
        decision: The last one taken, with the plan that was made first; None when observing failed.
        before: State at the first look; None when it could not be read.
        after: State at the second look; None when there was none.
        error: What ended it early; None when nothing did.
        approval: The approval under which it was applied, for the record; empty when it took none.
    """

    status: Status
    summary: str
    todo: str = ""
    decision: Decision | None = None
    before: Seen | None = None
    after: ServerState | None = None
    error: TlsRunbookError | None = None
    approval: Mapping[str, str] = field(default_factory=dict)


def run_step(step: Step, context: StepContext) -> StepResult:
    """Run one step. Every :class:`TlsRunbookError` becomes a result; anything else is a bug and passes through."""
    reason = step.applies(context.wanted)
    if reason:
        return StepResult(Status.SKIPPED, reason)
    try:
        seen = step.observe(context)
    except TlsRunbookError as error:
        return _ended(error, StepResult(Status.FAILED, ""))
    context.workspace.before(seen.state)
    try:
        decision = step.decide(context.wanted, seen)
    except TlsRunbookError as error:  # such as a parameter that this server, or the account's role, does not have
        return _ended(error, StepResult(Status.FAILED, "", before=seen))
    server = context.wanted.server
    checks = confirm_server(seen.state, server) + untold_findings(seen.state, server, step.untold)
    checks += step.preflight(decision, seen)
    decision = replace(decision, findings=checks + decision.findings)
    here = StepResult(Status.UNCHANGED, decision.summary, decision=decision, before=seen)
    closed = _gate(step, context.wanted, here, decision)
    if closed:
        return closed
    here = _as_read(context, here, decision)
    if here.status is not Status.BLOCKED:
        here = _approved(step, context, here, decision)
    return here if here.status is Status.BLOCKED else _apply(step, context, here, decision)


def pipelines(plan: Plan) -> tuple[Pipeline, ...]:
    """Give what a plan sends to the server itself, in order."""
    here = [item.does.bring if isinstance(item.does, Transfer) else item.does for item in plan.items]
    return tuple(does for does in here if not isinstance(does, Submit))


def _gate(step: Step, wanted: Wanted, here: StepResult, decision: Decision) -> StepResult | None:
    """Give the result when nothing is to be applied, or None when the way is open."""
    refusals = decision.of(Severity.REFUSE)
    if refusals:
        return replace(here, status=Status.BLOCKED, summary=refusals[0].message, todo=refusals[0].todo)
    errors = decision.of(Severity.ERROR)
    if errors and step.verifies and not wanted.planning:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        return replace(here, status=Status.FAILED, summary=errors[0].message + more, todo=errors[0].todo)
    plan = decision.plan
    if wanted.planning and (plan.items or plan.waiting_for or errors):
        return replace(here, status=Status.PLANNED, summary=_planned(plan, errors))
    if not plan.items and plan.waiting_for:
        return _waiting(here, plan.waiting_for)
    return here if not plan.items else None


def _as_read(context: StepContext, here: StepResult, decision: Decision) -> StepResult:
    """Give the result, blocked where somebody said yes to another plan than the one that was made just now."""
    if context.seen_plan is None or context.seen_plan == plan_digest(decision.plan):
        return here
    message = "what would be done now is not what was shown: the server, the CA's answer or the site file has changed"
    finding = Finding(NOT_AS_READ, Severity.REFUSE, message, "read the plan as it is now, then apply it", "the plan")
    seen = replace(decision, findings=(*decision.findings, finding))
    return replace(here, status=Status.BLOCKED, summary=message, todo=finding.todo, decision=seen)


def _approved(step: Step, context: StepContext, here: StepResult, decision: Decision) -> StepResult:
    """Give the result with its approval, blocked where the plan is not what was approved."""
    if not step.needs_approval or context.wanted.site.policy.approval != "required":
        return here
    verdict = _NOBODY if context.approvals is None else context.approvals.judge(step.id, decision.plan, decision.known)
    here = replace(here, approval=verdict.approval)
    context.workspace.note("looked for an approval", {"counts": dict(verdict.approval), "refused": verdict.findings})
    if not verdict.findings:
        return here
    first, *others = verdict.findings
    more = f" (and {len(others)} more)" if others else ""
    seen = replace(decision, findings=decision.findings + verdict.findings)
    return replace(here, status=Status.BLOCKED, summary=first.message + more, todo=first.todo, decision=seen)


_NOBODY = Verdict((Finding("not-approved", Severity.REFUSE, "not approved: no approval can be looked up here"),))


def _planned(plan: Plan, errors: tuple[Finding, ...]) -> str:
    if plan.items:
        count = "1 change" if len(plan.items) == 1 else f"{len(plan.items)} changes"
        return f"{count} planned; nothing was changed"
    if errors:
        return f"as things are now: {errors[0].message}"
    return f"would wait for {plan.waiting_for}"


def _waiting(here: StepResult, waiting_for: str) -> StepResult:
    if here.decision and here.decision.todo:
        return replace(here, status=Status.WAITING, summary=f"waiting for {waiting_for}", todo=here.decision.todo)
    todo = WAIT
    warnings = here.decision.of(Severity.WARNING) if here.decision else ()
    instead = [finding for finding in warnings if finding.rule == "passed-over"]
    if instead:
        # Somebody thinks that the answer is there: say what it is instead, before another day of waiting goes by.
        seen = "; ".join(finding.message for finding in instead)
        todo = f"what lies there is not the answer: {seen} -> {instead[0].todo or 'take it away'}; then {todo}"
    return replace(here, status=Status.WAITING, summary=f"waiting for {waiting_for}", todo=todo)


def _apply(step: Step, context: StepContext, here: StepResult, decision: Decision) -> StepResult:
    context.workspace.planned(decision.plan)
    for item in decision.plan.items:
        try:
            step.perform(context, item)
        except TlsRunbookError as error:
            return _ended(error, here, item.if_fails)
    try:
        seen = step.observe(context)
        again = step.decide(context.wanted, seen)
    except TlsRunbookError as error:
        return _ended(error, here)
    context.workspace.after(seen.state)
    done = replace(
        here,
        after=seen.state,
        decision=replace(decision, facts=_both(decision.facts, again.facts)),
    )
    return _judge_applied(done, decision, again, step.prove(decision, seen))


def _both(first: Mapping[str, Any], again: Mapping[str, Any]) -> dict[str, Any]:
    """Give the facts as they were found, with what only became known by applying."""
    known = {name: value for name, value in first.items() if not isinstance(value, Later)}
    return {**again, **known}


def _judge_applied(done: StepResult, decision: Decision, again: Decision, proof: tuple[Finding, ...]) -> StepResult:
    wrong = [f for f in (*proof, *again.findings) if f.severity in (Severity.REFUSE, Severity.ERROR)]
    findings = decision.findings + tuple(f for f in (*proof, *again.findings) if f not in decision.findings)
    if done.decision:
        done = replace(done, decision=replace(done.decision, findings=findings))
    if wrong:
        return replace(done, status=Status.FAILED, summary=wrong[0].message, todo=wrong[0].todo)
    if again.plan.items:
        left = again.plan.items[0].changes[0]
        return replace(
            done,
            status=Status.FAILED,
            summary=f"applied, and {left.target} still has {left.property} = {left.have!r}",
            todo="see the state after in the record; another administrator or Exchange itself put it back",
        )
    if again.plan.waiting_for:
        return _waiting(done, again.plan.waiting_for)
    return replace(done, status=Status.CHANGED, summary=again.summary)


def _ended(error: TlsRunbookError, here: StepResult, meaning: str = "") -> StepResult:
    """Give the result of a step that an error ended.

    Args:
        meaning: What it means for the server that this part failed; may be empty.
    """
    status = Status.UNKNOWN if isinstance(error, OutcomeUnknown) else Status.FAILED
    summary = f"{error.where}: {error.what}" if error.where else error.what
    todo = "; ".join(text for text in (meaning, error.todo) if text)
    return replace(here, status=status, summary=summary, todo=todo, error=error)
