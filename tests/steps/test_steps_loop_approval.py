"""The loop asks for an approval just before it would change something, and only then."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import pytest
from worlds import MemoryWorkspace, ScriptedShell, make_context, make_site, make_state, make_wanted

from tlsrunbook.evidence.record import Status
from tlsrunbook.exchange.command import Command, Reply
from tlsrunbook.plan.later import THUMBPRINT, Known
from tlsrunbook.plan.model import Change, Irreversible, Plan, PlanItem
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.steps.base import Step, StepResult, run_step
from tlsrunbook.steps.model import Decision, Seen, Verdict, Wanted
from tlsrunbook.steps.registry import STEPS

SET_A = PlanItem("a", (Command.of("Set-A", Value="1"),), (Change("thing A", "Value", "0", "1"),), Irreversible("test"))
REFUSED = Verdict(
    tuple(Finding("not-as-approved", Severity.REFUSE, f"it differs {n}", "plan anew") for n in (1, 2)), {"by": "alice"}
)


@dataclass
class OneStep(Step):
    id: ClassVar[str] = "one"
    number: ClassVar[int] = 1
    slug: ClassVar[str] = "one-step"
    title: ClassVar[str] = "One"
    decisions: list[Decision]

    def decide(self, wanted: Wanted, seen: Seen) -> Decision:
        return self.decisions.pop(0)


class Undoing(OneStep):
    needs_approval: ClassVar[bool] = False


@dataclass
class Given:
    """Approvals that give one verdict and remember what they were asked."""

    verdict: Verdict
    asked: list[tuple[str, Plan, Known]] = field(default_factory=list)

    def judge(self, step: str, plan: Plan, known: Known) -> Verdict:
        self.asked.append((step, plan, known))
        return self.verdict


def decision() -> Decision:
    return Decision(Plan((SET_A,)), (), {}, "done", Known({THUMBPRINT: "A" * 40}))


def run(
    approvals: Any, *, policy: str = "required", mode: str = "apply", kind: type[OneStep] = OneStep, empty: bool = False
) -> tuple[StepResult, list[str], list[str]]:
    shell, workspace = ScriptedShell(make_state(), {"Set-A": Reply()}), MemoryWorkspace()
    wanted = make_wanted(mode, site=make_site(policy={"approval": policy}))
    context = replace(make_context(shell, wanted, workspace=workspace), approvals=approvals)
    decisions = [Decision(summary="fine")] if empty else [decision(), Decision(summary="done")]
    return run_step(kind(decisions), context), shell.changing, workspace.events


def test_what_was_approved_is_applied_and_says_by_whom() -> None:
    given = Given(Verdict((), {"by": "alice"}))
    result, changing, events = run(given)
    assert (result.status, changing, result.approval) == (Status.CHANGED, ["Set-A"], {"by": "alice"})
    assert given.asked == [("one", decision().plan, decision().known)]
    assert events == ["before", "looked for an approval", "planned", "after"]


def test_a_refusal_blocks_before_anything_is_sent() -> None:
    result, changing, events = run(Given(REFUSED))
    assert (result.status, changing) == (Status.BLOCKED, [])
    assert (result.summary, result.todo) == ("it differs 1 (and 1 more)", "plan anew")
    assert result.decision is not None
    assert [finding.rule for finding in result.decision.findings] == ["not-as-approved"] * 2
    assert result.approval == {"by": "alice"}
    assert "planned" not in events


def test_where_nobody_can_look_approvals_up_nothing_is_applied() -> None:
    result, changing, _ = run(None)
    assert (result.status, changing) == (Status.BLOCKED, [])


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"policy": "none"}, Status.CHANGED),
        ({"kind": Undoing}, Status.CHANGED),
        ({"mode": "plan"}, Status.PLANNED),
        ({"empty": True}, Status.UNCHANGED),
    ],
    ids=["not required", "an undo", "planning", "nothing to change"],
)
def test_nobody_is_asked_when(more: dict[str, Any], status: Status) -> None:
    given = Given(REFUSED)
    result, _, _ = run(given, **more)
    assert (result.status, given.asked, result.approval) == (status, [], {})


def test_all_six_steps_need_an_approval() -> None:
    assert [step.id for step in STEPS if not step.needs_approval] == []
