"""Where the site file demands an approval: the button signs where the user's key counts, else it says whose has to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.approval import approved, require_approval
from tests.support.change import Change
from tlsrunbook.adapters.keys import load_signer
from tlsrunbook.errors import UsageError
from tlsrunbook.evidence.layout import APPROVAL, CHANGE_PLAN
from tlsrunbook.evidence.record import Status
from tlsrunbook.run.approving import plan_to_approve
from tlsrunbook.run.change_plans import newest_plan
from tlsrunbook.ui.bench import Bench
from tlsrunbook.ui.model import Face
from tlsrunbook.ui.position import faces


@pytest.fixture
def change(change_on: Callable[..., Change]) -> Change:
    return change_on(servers=1)


def bench_of(change: Change) -> Bench:
    bench = Bench(change.site_file, change.runs)
    bench.choose("EDGE1")
    bench.apply("confirm", None)
    return bench


def card(bench: Bench, step: str = "request") -> Face:
    return faces(bench.look())[step]


def own_key_approves(change: Change) -> str:
    """List the key of whoever runs the tests as an approver's, and give its id."""
    require_approval(change, "alice")
    signer = load_signer()
    path = change.site_file.parent / "keys" / "alice.pem"
    path.write_bytes(signer.public.pem)
    return signer.keyid


def test_the_button_signs_what_is_on_the_card_and_applies_it(change: Change) -> None:
    keyid = own_key_approves(change)
    bench = bench_of(change)
    bench.plan("request")
    shown = card(bench)
    assert (shown.apply.label, shown.apply.enabled) == ("Approve and apply", True)
    record = bench.apply("request", shown.read).record
    assert (record.status, record.approval["keyid"]) == (Status.CHANGED, keyid)
    plan = newest_plan(change.store, bench.change)
    assert plan
    assert [(one.step, one.digest) for one in plan.steps] == [("request", shown.read)]
    assert len(change.store.filed(bench.change, APPROVAL)) == 1


def test_the_key_never_comes_into_this_process(change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    own_key_approves(change)
    bench = bench_of(change)
    bench.plan("request")

    def no_key(*_: object) -> None:
        raise AssertionError("the signing key was asked for in the kernel")

    monkeypatch.setattr("tlsrunbook.adapters.keys.load_signer", no_key)
    assert bench.apply("request", card(bench).read).record.status is Status.CHANGED


def test_who_may_not_approve_is_told_who_has_to_and_how(change: Change) -> None:
    require_approval(change, "alice")
    bench = bench_of(change)
    bench.plan("request")
    shown = card(bench)
    assert not shown.apply.enabled
    assert "among the approvers of site london" in shown.apply.tip
    assert f"tlsrunbook approve {bench.change}" in shown.approval
    before = change.snapshots()
    with pytest.raises(UsageError, match="it has to be approved"):
        bench.apply("request", shown.read)
    assert change.snapshots() == before


def test_what_somebody_else_approved_is_applied(change: Change) -> None:
    require_approval(change, "alice")
    bench = bench_of(change)
    bench.plan("request")
    plan = newest_plan(change.store, bench.change)
    assert plan, "planning left a plan for the approver"
    approved(change, plan, "alice")
    shown = card(bench)
    assert (shown.apply.label, shown.apply.enabled) == ("Apply as approved", True)
    assert shown.approval.startswith("Approved by alice at ")
    record = bench.apply("request", shown.read).record
    assert (record.status, record.approval["by"]) == (Status.CHANGED, "alice")


def test_all_steps_are_planned_at_once_and_approved_at_once(change: Change) -> None:
    require_approval(change, "alice")
    bench = bench_of(change)
    bench.plan_all()
    plan = newest_plan(change.store, bench.change)
    assert plan
    assert [one.step for one in plan.steps] == ["request", "install", "activate", "connectors"]
    approved(change, plan, "alice")
    for step in ("request", "install", "activate", "connectors"):
        bench.plan(step)
        shown = card(bench, step)
        assert shown.apply.label == "Apply as approved", shown.apply
        record = bench.apply(step, shown.read).record
        assert (record.status, record.approval["by"]) == (Status.CHANGED, "alice")


def test_whoever_presses_the_button_is_no_separate_approver(change: Change) -> None:
    own_key_approves(change)
    change.edit(r"\[policy\]", "[policy]\nseparate_approver = true")
    bench = bench_of(change)
    bench.plan("request")
    assert "wants a separate approver" in card(bench).apply.tip


def test_a_plan_that_is_not_the_one_that_was_read_is_not_approved(change: Change) -> None:
    require_approval(change, "alice")
    bench = bench_of(change)
    bench.plan("request")
    plan = newest_plan(change.store, bench.change)
    assert plan
    assert plan_to_approve(change.store, bench.change, {}, plan.digest) == plan
    with pytest.raises(UsageError, match="not the one that was read"):
        plan_to_approve(change.store, bench.change, {}, "0" * 64)


def test_nothing_is_left_to_approve_where_the_site_file_demands_none(change: Change, tmp_path: Path) -> None:
    bench = bench_of(change)
    bench.plan("request")
    assert change.store.filed(bench.change, CHANGE_PLAN) == ()
    assert card(bench).approval == ""
    assert not (tmp_path / ".config").exists()
