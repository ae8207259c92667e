"""The loop in trouble: what failed, what is unknown, and what must never be sent after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from one_step import READS, SET_A, SET_B, OneStep, decided, run
from shell_answers import failed
from worlds import (
    MemoryWorkspace,
    ScriptedShell,
    make_context,
    make_state,
)

from tlsrunbook.errors import (
    ConnectionFailed,
    DecodeError,
    EvidenceError,
    LogonFailed,
    OutcomeUnknown,
    SessionLost,
)
from tlsrunbook.evidence.record import Status
from tlsrunbook.exchange.command import Command, Reply
from tlsrunbook.plan.model import Plan, Submit
from tlsrunbook.steps.base import run_step


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
