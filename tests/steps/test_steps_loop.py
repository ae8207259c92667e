"""The loop: observe, decide, gate, apply, observe again. Every status, and what is written down when."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from one_step import READS, SET_A, SET_B, OneStep, decided, finding, run
from worlds import (
    MemoryWorkspace,
    ScriptedShell,
    becomes,
    make_context,
    make_state,
    receive,
)

from tlsrunbook.errors import (
    UsageError,
)
from tlsrunbook.evidence.record import Status
from tlsrunbook.exchange.command import Later, Reply
from tlsrunbook.plan.model import Plan
from tlsrunbook.policy.finding import Severity
from tlsrunbook.steps.base import run_step

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
    "blocked while waiting": (
        "apply", [decided(waiting="x", findings=(REFUSE,))], {}, Status.BLOCKED, False, "refused"),
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


def test_the_result_tells_the_plan_that_was_made_with_facts_as_found_and_what_became_known_since() -> None:
    first = replace(
        decided(SET_A, findings=(finding(Severity.WARNING, "old"),)), facts={"a": 1, "thumbprint": Later("thumbprint")}
    )
    later = replace(decided(), facts={"a": 2, "b": 2, "thumbprint": "AA"}, findings=(finding(Severity.INFO, "new"),))
    result, _, _ = run(first, later)
    assert result.decision is not None
    assert result.decision.plan == Plan((SET_A,))
    assert result.decision.facts == {"a": 1, "b": 2, "thumbprint": "AA"}
    assert [one.message for one in result.decision.findings] == ["old", "new"]


def test_a_finding_that_is_still_there_is_told_once() -> None:
    same = (finding(Severity.WARNING),)
    result, _, _ = run(decided(SET_A, findings=same), decided(findings=same))
    assert result.decision is not None
    assert result.decision.findings == same
