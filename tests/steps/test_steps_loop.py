"""The loop: observe, decide, gate, apply, observe again. Every status, and what must never be sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import pytest
from shell_answers import failed
from worlds import (
    MemoryWorkspace,
    ScriptedShell,
    becomes,
    make_context,
    make_state,
    make_wanted,
    receive,
)

from tlsrunbook.errors import (
    ConnectionFailed,
    DecodeError,
    EvidenceError,
    LogonFailed,
    OutcomeUnknown,
    SessionLost,
    UsageError,
)
from tlsrunbook.evidence.record import Status
from tlsrunbook.exchange.command import Command, Reply
from tlsrunbook.plan.model import Change, Irreversible, Plan, PlanItem, Submit
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.steps.base import Step, StepResult, run_step
from tlsrunbook.steps.model import Decision, Seen, Wanted

SET_A = PlanItem(
    "a", (Command.of("Set-A", Value="1"),), (Change("thing A", "Value", "0", "1"),), Irreversible("a test")
)
SET_B = PlanItem(
    "b", (Command.of("Set-B", Value="1"),), (Change("thing B", "Value", "0", "1"),), Irreversible("a test")
)
READS = ["Get-ExchangeServer", "Get-EdgeSubscription", "Get-ExchangeCertificate", "Get-TransportService",
         "Get-ReceiveConnector", "Get-SendConnector", "Get-StoreCertificate"]  # fmt: skip


@dataclass
class OneStep(Step):
    """A step that decides what it is told, one decision per look."""

    id: ClassVar[str] = "one"
    number: ClassVar[int] = 1
    slug: ClassVar[str] = "one-step"
    title: ClassVar[str] = "One"
    decisions: list[Decision | Exception]
    verifies: bool = False  # type: ignore[misc]
    reason: str = ""
    proof: tuple[Finding, ...] = ()
    looks: list[Seen] = field(default_factory=list)

    def applies(self, wanted: Wanted) -> str:
        return self.reason

    def decide(self, wanted: Wanted, seen: Seen) -> Decision:
        self.looks.append(seen)
        decision = self.decisions[len(self.looks) - 1]
        if isinstance(decision, Exception):
            raise decision
        return decision

    def prove(self, before: Decision, after: Seen) -> tuple[Finding, ...]:
        return self.proof


def finding(severity: Severity, message: str = "seen", rule: str = "a-rule") -> Finding:
    return Finding(rule, severity, message, "do this")


def decided(*items: PlanItem, waiting: str = "", findings: tuple[Finding, ...] = (), summary: str = "fine") -> Decision:
    return Decision(Plan(items, waiting), findings, {"a": 1}, summary)


def run(
    *decisions: Decision | Exception, mode: str = "apply", shell: ScriptedShell | None = None, **step: Any
) -> tuple[StepResult, ScriptedShell, MemoryWorkspace]:
    shell = shell or ScriptedShell(make_state(), {"Set-A": Reply(), "Set-B": Reply()})
    workspace = MemoryWorkspace()
    context = make_context(shell, make_wanted(mode), workspace=workspace)
    return run_step(OneStep(list(decisions), **step), context), shell, workspace


REFUSE, ERROR = finding(Severity.REFUSE, "refused"), finding(Severity.ERROR, "wrong")

#: mode, decisions, further step fields, status, whether anything was sent that changes, summary
STATUSES: dict[str, tuple[str, list[Any], dict[str, Any], Status, bool, str]] = {
    "skipped": ("apply", [], {"reason": "not for this server"}, Status.SKIPPED, False, "not for this server"),
    "unchanged": ("apply", [decided()], {}, Status.UNCHANGED, False, "fine"),
    "unchanged when planned": ("plan", [decided()], {}, Status.UNCHANGED, False, "fine"),
    "changed": ("apply", [decided(SET_A), decided(summary="done")], {}, Status.CHANGED, True, "done"),
    "planned": ("plan", [decided(SET_A)], {}, Status.PLANNED, False, "1 change planned; nothing was changed"),
    "planned, more": ("plan", [decided(SET_A, SET_B)], {}, Status.PLANNED, False, "2 changes planned"),
    "planned, waiting": ("plan", [decided(waiting="the CA")], {}, Status.PLANNED, False, "would wait for the CA"),
    "planned verification": (
        "plan", [decided(findings=(ERROR,))], {"verifies": True}, Status.PLANNED, False, "as things are now: wrong"),
    "waiting": ("apply", [decided(waiting="the CA")], {}, Status.WAITING, False, "waiting for the CA"),
    "waiting afterwards": (
        "apply", [decided(SET_A), decided(waiting="the CA")], {}, Status.WAITING, True, "waiting for the CA"),
    "blocked": ("apply", [decided(SET_A, findings=(REFUSE,))], {}, Status.BLOCKED, False, "refused"),
    "blocked in planning": ("plan", [decided(SET_A, findings=(REFUSE,))], {}, Status.BLOCKED, False, "refused"),
    "blocked without a plan": ("apply", [decided(findings=(REFUSE,))], {}, Status.BLOCKED, False, "refused"),
    "blocked while waiting": ("apply", [decided(waiting="x", findings=(REFUSE,))], {}, Status.BLOCKED, False, "refused"),
    "failed verification": (
        "apply", [decided(findings=(ERROR,))], {"verifies": True}, Status.FAILED, False, "wrong"),
    "failed verification, more": (
        "apply", [decided(findings=(ERROR, ERROR, ERROR))], {"verifies": True}, Status.FAILED, False,
        "wrong (and 2 more)"),
    "a warning stops nothing": (
        "apply", [decided(SET_A, findings=(finding(Severity.WARNING),)), decided()], {}, Status.CHANGED, True, "fine"),
    "read again and not as wanted": (
        "apply", [decided(SET_A), decided(SET_A)], {}, Status.FAILED, True,
        "applied, and thing A still has Value = '0'"),
    "read again and refused": (
        "apply", [decided(SET_A), decided(findings=(REFUSE,))], {}, Status.FAILED, True, "refused"),
    "read again and in error": (
        "apply", [decided(SET_A), decided(findings=(ERROR,))], {}, Status.FAILED, True, "wrong"),
    "not proven": ("apply", [decided(SET_A), decided()], {"proof": (ERROR,)}, Status.FAILED, True, "wrong"),
    "a proof speaks before the second look": (
        "apply", [decided(SET_A), decided(findings=(REFUSE,))], {"proof": (ERROR,)}, Status.FAILED, True, "wrong"),
    "a parameter that the server does not have": (
        "apply", [UsageError("no -X here", where="EDGE1", todo="give a role")], {}, Status.FAILED, False,
        "EDGE1: no -X here"),
}  # fmt: skip


@pytest.mark.parametrize("name", STATUSES)
def test_status(name: str) -> None:
    mode, decisions, step, status, changed, summary = STATUSES[name]
    result, shell, _ = run(*decisions, mode=mode, **step)
    assert result.status is status
    assert result.summary.startswith(summary)
    assert bool(shell.changing) is changed


def test_every_status_but_unknown_is_in_the_table_and_unknown_has_its_own_tests() -> None:
    assert {case[3] for case in STATUSES.values()} == set(Status) - {Status.UNKNOWN}


def test_what_a_refusal_or_error_says_to_do_is_what_the_result_says() -> None:
    for findings, more in (((REFUSE,), {}), ((ERROR,), {"verifies": True})):
        assert run(decided(findings=findings), **more)[0].todo == "do this"


def test_a_skipped_step_does_not_even_look() -> None:
    _, shell, workspace = run(reason="no")
    assert (shell.sent, workspace.events) == ([], [])


def test_state_and_plan_are_written_down_before_anything_is_sent() -> None:
    seen: list[list[str]] = []
    workspace = MemoryWorkspace()

    def answer(shell: ScriptedShell, pipeline: Any) -> Reply:
        seen.append(workspace.events.copy())
        return Reply()

    shell = ScriptedShell(make_state(), {"Set-A": answer, "Set-B": answer})
    result = run_step(OneStep([decided(SET_A, SET_B), decided()]), make_context(shell, workspace=workspace))
    assert seen == [["before", "planned"]] * 2
    assert workspace.events == ["before", "planned", "after"]
    assert workspace.plans == [Plan((SET_A, SET_B))]
    assert result.status is Status.CHANGED


def test_what_is_applied_is_what_was_planned_in_that_order_between_two_whole_reads() -> None:
    _, shell, _ = run(decided(SET_A, SET_B), decided())
    names = [pipeline[0].name for pipeline in shell.sent]
    first, changes, second = names[: len(READS)], names[len(READS) : -len(READS)], names[-len(READS) :]
    assert (sorted(first), changes, sorted(second)) == (sorted(READS), ["Set-A", "Set-B"], sorted(READS))


def test_the_second_look_is_a_new_look() -> None:
    other = (receive("Another"),)
    shell = ScriptedShell(make_state(), {"Set-A": becomes(receive_connectors=other)})
    step = OneStep([decided(SET_A), decided()])
    workspace = MemoryWorkspace()
    result = run_step(step, make_context(shell, workspace=workspace))
    assert [seen.state.receive_connectors for seen in step.looks] == [(receive(),), other]
    assert [state.receive_connectors for state in workspace.states] == [(receive(),), other]
    assert result.after is not None
    assert result.before is step.looks[0]


def test_the_result_tells_the_plan_that_was_made_and_the_facts_as_they_are_now() -> None:
    later = replace(decided(), facts={"b": 2}, findings=(finding(Severity.INFO, "new"),))
    result, _, _ = run(decided(SET_A, findings=(finding(Severity.WARNING, "old"),)), later)
    assert result.decision is not None
    assert result.decision.plan == Plan((SET_A,))
    assert result.decision.facts == {"a": 1, "b": 2}
    assert [one.message for one in result.decision.findings] == ["old", "new"]


def test_a_finding_that_is_still_there_is_told_once() -> None:
    same = (finding(Severity.WARNING),)
    result, _, _ = run(decided(SET_A, findings=same), decided(findings=same))
    assert result.decision is not None
    assert result.decision.findings == same


@pytest.mark.parametrize("name", READS)
def test_a_read_that_is_answered_with_an_error_fails_and_nothing_is_sent(name: str) -> None:
    shell = ScriptedShell(make_state(), {name: failed("The operation couldn't be performed."), "Set-A": Reply()})
    result, _, workspace = run(decided(SET_A), decided(), shell=shell)
    assert result.status is Status.FAILED
    assert result.summary == f"{name}: The operation couldn't be performed."
    assert result.error is not None
    assert result.error.code == "command-failed"
    assert (shell.changing, workspace.events) == ([], [])


@pytest.mark.parametrize("name", READS)
def test_a_read_of_an_unknown_shape_fails_and_is_never_taken_for_nothing(name: str) -> None:
    shell = ScriptedShell(make_state(), {name: Reply(({"Strange": "x"},)), "Set-A": Reply()})
    result, _, _ = run(decided(SET_A), decided(), shell=shell)
    assert (result.status, result.decision, shell.changing) == (Status.FAILED, None, [])
    assert result.error is not None
    assert result.error.code == "unknown-shape"


@pytest.mark.parametrize("kind", [ConnectionFailed, LogonFailed, SessionLost, DecodeError])
def test_a_server_that_cannot_be_read_is_failed(kind: Callable[..., Exception]) -> None:
    shell = ScriptedShell(make_state(), {"open": kind("no way in", where="london / EDGE1", todo="knock")})
    result, _, _ = run(shell=shell)
    assert (result.status, result.summary, result.todo) == (Status.FAILED, "london / EDGE1: no way in", "knock")


def test_an_unknown_outcome_is_unknown_and_nothing_is_sent_after_it_not_even_a_read() -> None:
    lost = OutcomeUnknown("Set-A was sent and not answered", where="london / EDGE1", todo="look first")
    shell = ScriptedShell(make_state(), {"Set-A": lost})
    result, _, workspace = run(decided(SET_A, SET_B), shell=shell)
    assert (result.status, result.todo, result.error) == (Status.UNKNOWN, "look first", lost)
    assert shell.sent[-1][0].name == "Set-A"
    assert workspace.events == ["before", "planned"]
    assert result.decision is not None


def test_an_error_in_the_second_item_stops_there_and_the_plan_stays_in_the_result() -> None:
    shell = ScriptedShell(make_state(), {"Set-A": Reply(), "Set-B": failed("Set-B says no")})
    result, _, _ = run(decided(SET_A, SET_B), shell=shell)
    assert (result.status, result.summary) == (Status.FAILED, "Set-B: Set-B says no")
    assert shell.changing == ["Set-A", "Set-B"]
    assert shell.sent[-1][0].name == "Set-B"
    assert result.decision is not None
    assert result.decision.plan.items == (SET_A, SET_B)


def test_a_session_lost_between_two_changes_fails_and_stops() -> None:
    shell = ScriptedShell(make_state(), {"Set-A": Reply(), "Set-B": SessionLost("gone before it was sent")})
    assert run(decided(SET_A, SET_B), shell=shell)[0].status is Status.FAILED


def test_a_second_look_that_fails_is_failed_with_the_plan_in_the_result() -> None:
    reads = [Reply(({"Name": "EDGE1", "InternalTransportCertificateThumbprint": None},)), SessionLost("gone")]
    shell = ScriptedShell(make_state(), {"Set-A": Reply(), "Get-TransportService": reads})
    result, _, workspace = run(decided(SET_A), shell=shell)
    assert (result.status, result.summary, result.after) == (Status.FAILED, "gone", None)
    assert result.decision is not None
    assert workspace.events == ["before", "planned"]


def test_preflight_stops_before_the_first_of_several_is_sent() -> None:
    missing = Command.of("Set-ReceiveConnector", Identity="EDGE1\\Nobody", Fqdn="mx1.example.com")
    bad = replace(SET_B, does=(missing,))
    shell = ScriptedShell(make_state(), {"Set-A": Reply(), "Set-ReceiveConnector": Reply()})
    for mode in ("apply", "plan"):
        result, _, _ = run(decided(SET_A, bad), mode=mode, shell=shell)
        assert result.status is Status.BLOCKED
        assert result.decision is not None
        assert [one.rule for one in result.decision.findings] == ["rc-unknown"]
    assert shell.changing == []


def test_another_server_at_the_address_is_refused_by_every_step() -> None:
    shell = ScriptedShell(make_state(name="EDGE2"), {"Set-A": Reply()})
    result, _, _ = run(decided(SET_A), shell=shell)
    assert (result.status, shell.changing) == (Status.BLOCKED, [])
    assert "calls itself EDGE2, and the site file means EDGE1" in result.summary


def test_a_bug_passes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        run(ZeroDivisionError())


def test_a_step_that_cannot_submit_does_not() -> None:
    with pytest.raises(TypeError, match="one cannot submit"):
        run(decided(replace(SET_A, does=Submit("folder", "csr"))))


def test_a_plan_that_cannot_be_written_down_is_not_applied() -> None:
    class FullDisk(MemoryWorkspace):
        def planned(self, plan: Plan) -> None:
            raise EvidenceError("no space left on device")

    shell = ScriptedShell(make_state(), {"Set-A": Reply()})
    with pytest.raises(EvidenceError):
        run_step(OneStep([decided(SET_A)]), make_context(shell, workspace=FullDisk()))
    assert shell.changing == []


def test_the_notebook_of_a_step_is_named_by_number_and_slug() -> None:
    assert OneStep([]).notebook == "1-one-step.ipynb"
