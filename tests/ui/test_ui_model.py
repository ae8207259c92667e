"""What a card shows and which of its buttons work, from records alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsrunbook.evidence.record import Record, SentCommand, Status
from tlsrunbook.evidence.standing import State, standing
from tlsrunbook.run.approving import ApprovalStanding
from tlsrunbook.steps.base import NOT_AS_READ, WAIT
from tlsrunbook.steps.registry import STEP_IDS, STEPS, step_of
from tlsrunbook.ui.model import WORDS, Face, Position, face, may

BEN = {"user": "ben", "host": "admin2", "what": "JupyterLab", "since": "2026-11-24T12:00:00Z"}
CHANGE = {"target": "send connector A", "property": "RequireTLS", "have": False, "want": True}
TEXT = "Set-SendConnector -Identity 'A' -RequireTLS:$true"
ITEM = {
    "why": "because",
    "does": [{"name": "Set-SendConnector", "parameters": [], "text": TEXT}],
    "changes": [CHANGE],
    "undo": {"kind": "irreversible", "reason": "none"},
}
SENT = SentCommand(TEXT, ("Set-SendConnector",), True, "2026-11-24T12:00:00Z", 0.1, "ok")


def record(
    step: str, status: Status, mode: str = "apply", attempt: int = 1, *, items: bool = False, **more: Any
) -> Record:
    given: dict[str, Any] = {
        "site": "london", "server": "EDGE1", "step": step, "change": "c1", "attempt": attempt, "mode": mode,
        "status": status, "summary": f"{step} is {status.value}", "todo": "do this", "started": "", "finished": "",
        "who": {}, "why": {}, "tool": {}, "plan": {"items": [ITEM] if items else [], "waiting_for": ""},
        "plan_digest": f"d{attempt}",
    }  # fmt: skip
    return Record(**{**given, **more})


def before(step: str) -> list[Record]:
    """The records of all steps before one, done."""
    return [record(one, Status.UNCHANGED) for one in STEP_IDS[: STEP_IDS.index(step)]]


def at(*records: Record, **more: Any) -> Position:
    latest: dict[str, Record] = {}
    for one in records:
        known = latest.get(one.step)
        if known is None or one.mode == "apply" or known.mode == "plan":
            latest[one.step] = one
    return Position("london", "EDGE1", "c1", standing(STEP_IDS, latest), tuple(records), **more)


def of(step: str, *records: Record, **more: Any) -> Face:
    return face(step_of(step), at(*before(step), *records, **more))


def enabled(shown: Face) -> list[str]:
    buttons = {"plan": shown.plan, "apply": shown.apply, "undo": shown.undo}
    return [name for name, button in buttons.items() if button.enabled]


def refused(*rules: str) -> tuple[dict[str, str], ...]:
    return tuple({"rule": rule, "severity": "refuse", "message": "m", "todo": "t", "target": "x"} for rule in rules)


def test_at_first_one_card_works_and_the_others_say_what_comes_first() -> None:
    shown = [face(step, at()) for step in STEPS]
    assert [one.state for one in shown] == [State.READY, *[State.LOCKED] * 5]
    assert [enabled(one) for one in shown] == [["apply"], [], [], [], [], []]
    assert {one.because for one in shown[1:]} == {"first comes step 1: Confirm the FQDN"}
    assert all("first comes step 1" in one.apply.tip for one in shown[1:])


def test_nothing_is_applied_that_was_not_planned_and_read() -> None:
    shown = of("connectors")
    assert (shown.state, enabled(shown), shown.read) == (State.READY, ["plan"], None)
    assert shown.apply.tip == "plan it first, and read what would be changed"


def test_a_plan_can_be_applied_and_its_powershell_copied() -> None:
    shown = of("connectors", record("connectors", Status.PLANNED, "plan", items=True))
    assert (shown.state, enabled(shown), shown.read) == (State.PLANNED, ["plan", "apply"], "d1")
    assert shown.commands == (TEXT,)


def test_a_step_that_only_looks_has_one_button() -> None:
    shown = of("verify")
    assert (shown.plan.label, shown.apply.label, shown.undo.label) == ("", "Check", "")
    assert enabled(shown) == ["apply"]


def test_a_done_step_is_not_done_again_and_can_be_undone() -> None:
    shown = of("connectors", record("connectors", Status.CHANGED, items=True, commands=(SENT,)))
    assert (shown.state, enabled(shown)) == (State.DONE, ["undo"])
    assert may(shown, "apply", "d1") == "this step is done"


def test_a_done_step_that_changed_nothing_has_nothing_to_undo() -> None:
    assert enabled(of("connectors", record("connectors", Status.UNCHANGED))) == []


def test_a_waiting_step_asks_again_without_a_plan() -> None:
    shown = of("install", record("install", Status.WAITING))
    assert (shown.state, shown.apply.label, enabled(shown)) == (State.WAITING, "Look for the answer", ["plan", "apply"])
    assert (shown.because, shown.todo) == ("install is waiting", "do this")
    told = of("install", record("install", Status.WAITING, todo=f"not that file; then {WAIT}"))
    assert told.todo.startswith("not that file; then when the CA has answered, give its answer on the card")


@pytest.mark.parametrize("status", [Status.FAILED, Status.UNKNOWN, Status.BLOCKED])
def test_what_stopped_has_to_be_looked_at_before_anything_is_sent_again(status: Status) -> None:
    shown = of("activate", record("activate", status, items=True, commands=(SENT,), findings=refused("a-rule")))
    assert (shown.state.value, shown.because, shown.todo) == (status.value, f"activate is {status.value}", "do this")
    assert enabled(shown) == ["plan", "undo"]


def test_a_fresh_plan_after_a_failure_can_be_applied() -> None:
    failed = record("activate", Status.FAILED, items=True)
    shown = of("activate", failed, record("activate", Status.PLANNED, "plan", 2, items=True))
    assert (shown.state, shown.read, "apply" in enabled(shown)) == (State.PLANNED, "d2", True)


def test_a_plan_that_changed_since_it_was_read_is_shown_anew_and_may_be_applied() -> None:
    blocked = record("activate", Status.BLOCKED, attempt=2, items=True, findings=refused(NOT_AS_READ))
    shown = of("activate", record("activate", Status.PLANNED, "plan", items=True), blocked)
    assert (shown.state, shown.read, shown.because) == (State.PLANNED, "d2", "activate is blocked")
    assert "apply" in enabled(shown)
    assert may(shown, "apply", "d1") == (
        "there is a newer plan than the one that was on the card; read it, then press again"
    )
    assert may(shown, "apply", "d2") == ""


def test_who_holds_the_server_is_told_and_nothing_works() -> None:
    shown = of("connectors", record("connectors", Status.PLANNED, "plan", items=True), holder=BEN)
    assert shown.because == "ben on admin2 works on EDGE1 (JupyterLab) since 2026-11-24 12:00 UTC"
    assert enabled(shown) == []


def test_after_going_back_nothing_works_in_this_change() -> None:
    done = record("connectors", Status.CHANGED, items=True, commands=(SENT,))
    shown = of("connectors", done, closed="the change c1 was gone back from")
    assert (shown.state, shown.because, enabled(shown)) == (State.LOCKED, "the change c1 was gone back from", [])


COUNTS = {"by": "alice", "at": "yesterday", "expires": "tomorrow"}


@pytest.mark.parametrize(
    ("approval", "label", "works", "told"),
    [
        (ApprovalStanding(True, counts=COUNTS), "Apply as approved", True, "Approved by alice"),
        (ApprovalStanding(True), "Approve and apply", True, "your key counts"),
        (ApprovalStanding(True, refused="it is not yours", other=COUNTS), "Apply as approved", True, "earlier plan"),
        (ApprovalStanding(True, refused="it is not yours"), "Approve and apply", False, "tlsrunbook approve c1"),
    ],
    ids=["approved", "may approve", "approved before", "somebody else has to"],
)
def test_where_approval_is_demanded_the_card_says_whose(
    approval: ApprovalStanding, label: str, works: bool, told: str
) -> None:
    plan = record("activate", Status.PLANNED, "plan", items=True)
    shown = of("activate", plan, approvals={"activate": approval})
    assert (shown.apply.label, shown.apply.enabled) == (label, works)
    assert told in shown.approval


def test_every_state_has_a_sign_and_a_word_of_its_own() -> None:
    assert set(WORDS) == set(State)
    assert len({sign for sign, _ in WORDS.values()}) == len({word for _, word in WORDS.values()}) == len(State)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(STEP_IDS), st.sampled_from(list(Status)), st.sampled_from(["plan", "apply"]), st.booleans()
        ),
        max_size=12,
    )
)
def test_whatever_is_on_record_no_step_is_skipped_or_repeated(tried: list[tuple[str, Status, str, bool]]) -> None:
    records = [
        replace(record(step, status, mode, number, items=items), plan_digest=f"d{number}")
        for number, (step, status, mode, items) in enumerate(tried, start=1)
    ]
    now = at(*records)
    open_ones = [one.step for one in now.standings if one.open]
    for step in STEPS:
        shown = face(step, now)
        if shown.apply.enabled and not step.looks_only:
            assert [step.id] == open_ones[:1]
            assert shown.read is not None or shown.state is State.WAITING
        assert shown.because or shown.state in (State.DONE, State.READY, State.PLANNED)


def test_a_plan_whose_applying_was_broken_off_is_made_anew() -> None:
    planned = record("connectors", Status.PLANNED, "plan", items=True)
    assert enabled(of("connectors", planned)) == ["plan", "apply"]
    shown = of("connectors", planned, broken={"connectors"})
    assert (shown.read, enabled(shown)) == (None, ["plan"])
