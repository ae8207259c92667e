"""What the buttons do, on a lab: the same evidence as every run, decided from the records, and never twice."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.approval import behind_our_back
from tests.support.change import STEPS, Change
from tlsrunbook.adapters.origin import who
from tlsrunbook.errors import LeaseHeld, UsageError
from tlsrunbook.evidence.record import Record, Status
from tlsrunbook.steps.registry import step_of
from tlsrunbook.ui.bench import Bench
from tlsrunbook.ui.position import faces


@pytest.fixture
def change(change_on: Callable[..., Change]) -> Change:
    return change_on(servers=1)


def bench_of(change: Change, server: str = "EDGE1") -> Bench:
    bench = Bench(change.site_file, change.runs)
    bench.choose(server)
    return bench


def press(bench: Bench, step: str) -> Record:
    """Plan what can be planned, and apply it as it is on the card."""
    if not step_of(step).looks_only:
        bench.plan(step)
    return bench.apply(step, faces(bench.look())[step].read).record


def states(bench: Bench) -> list[str]:
    return [one.state.value for one in faces(bench.look()).values()]


def attempts(change: Change) -> list[str]:
    records = [r for one in change.store.changes() for r in change.store.records(one)]
    told = sorted(records, key=lambda record: record.started)
    return [f"{record.step} {record.attempt} {record.mode} {record.status.value}" for record in told]


def test_the_whole_change_by_buttons_with_each_card_opening_when_its_turn_has_come(change: Change) -> None:
    bench = bench_of(change)
    seen = [states(bench)]
    for step in STEPS:
        press(bench, step)
        seen.append(states(bench))
    assert seen == [["done"] * done + ["ready"] * (done < 6) + ["locked"] * max(0, 5 - done) for done in range(7)]
    assert states(bench_of(change)) == ["done"] * 6, "another kernel, another day"


def test_looking_writes_and_sends_nothing(change: Change) -> None:
    before = change.snapshots()
    assert states(bench_of(change)) == ["ready", *["locked"] * 5]
    assert change.store.changes() == ()
    assert change.snapshots() == before


def evidence(change: Change) -> dict[str, Any]:
    """What a step leaves: files, record's parts, transcript's events, and the digest of the plan."""
    (one,) = change.store.changes()
    left = {}
    for attempt in change.store.attempts(one):
        record = change.store.record(attempt)
        assert record
        if record.mode == "apply":
            lines = (attempt.folder / "transcript.jsonl").read_text(encoding="utf-8").splitlines()
            events = [json.loads(line)["event"] for line in lines]
            left[record.step] = (attempt.files, sorted(record.data()), events, [c.cmdlets for c in record.commands])
    return left


def test_a_person_leaves_the_same_evidence_as_a_run(
    change_on: Callable[..., Change], change: Change, tmp_path: Path
) -> None:
    bench = bench_of(change)
    for step in STEPS:
        press(bench, step)
    by_hand = evidence(change)
    (tmp_path / "second").mkdir()
    other = Change(change_on(servers=1).lab, tmp_path / "second")
    other.apply("EDGE1")
    assert by_hand == evidence(other)


def test_ticket_and_reason_go_into_the_change_that_the_first_button_begins(change: Change) -> None:
    bench = bench_of(change)
    bench.why = {"ticket": "CHG-4711", "reason": "renewal"}
    assert press(bench, "confirm").why == {"ticket": "CHG-4711", "reason": "renewal"}


def test_a_step_that_is_done_is_not_done_again_from_a_page_that_shows_it_as_ready(change: Change) -> None:
    early, late = bench_of(change), bench_of(change)
    press(early, "confirm")
    early.plan("request")
    read = faces(late.look())["request"].read
    early.apply("request", read)
    before = attempts(change)
    with pytest.raises(UsageError, match="this step is done"):
        late.apply("request", read)
    assert attempts(change) == before


def test_of_two_who_press_at_once_one_applies(change: Change) -> None:
    press(bench_of(change), "confirm")
    bench_of(change).plan("request")
    start, told = threading.Barrier(2), list[str]()

    def person() -> None:
        bench = bench_of(change)
        read = faces(bench.look())["request"].read
        start.wait()
        try:
            told.append(bench.apply("request", read).record.status.value)
        except (LeaseHeld, UsageError) as error:
            told.append(error.code)

    people = [threading.Thread(target=person) for _ in range(2)]
    for one in people:
        one.start()
    for one in people:
        one.join()
    assert sorted(told) in (["changed", "lease-held"], ["changed", "usage"])
    assert attempts(change).count("request 2 apply changed") == 1
    assert len(attempts(change)) == 3


def test_the_second_operator_sees_who_holds_the_server(change: Change) -> None:
    lease = change.store.lease("EDGE1", {**who(), "user": "ben"}, "JupyterLab")
    try:
        bench = bench_of(change)
        shown = faces(bench.look())["confirm"]
        assert shown.because.startswith("ben on ")
        assert not shown.apply.enabled
        with pytest.raises(LeaseHeld, match="ben works on this server"):
            bench.apply("confirm", None)
    finally:
        lease.release()
    assert change.store.changes() == ()


def test_what_changed_since_it_was_read_is_shown_anew_and_nothing_is_sent(change: Change) -> None:
    bench, connector = bench_of(change), {"Identity": "TLS required EDGE1"}
    for step in STEPS:
        press(bench, step)
    bench.begin_anew()
    for step in STEPS[:4]:
        assert press(bench, step).status is Status.UNCHANGED
    behind_our_back(change, "EDGE1", "Set-SendConnector", **connector, Fqdn="old.example.net")
    bench.plan("connectors")
    read = faces(bench.look())["connectors"].read
    behind_our_back(change, "EDGE1", "Set-SendConnector", **connector, Fqdn="other.example.net")
    before = change.snapshots()
    record = bench.apply("connectors", read).record
    assert (record.status, record.findings[-1]["rule"]) == (Status.BLOCKED, "not-as-read")
    assert change.snapshots() == before
    shown = faces(bench.look())["connectors"]
    assert (shown.state.value, shown.read) == ("planned", record.plan_digest)
    assert [one["have"] for item in record.plan["items"] for one in item["changes"]] == ["other.example.net"]
    assert bench.apply("connectors", shown.read).record.status is Status.CHANGED


def test_waiting_for_the_ca_is_a_state_and_its_answer_is_shown_before_it_is_used(
    change_on: Callable[..., Change], tmp_path: Path
) -> None:
    change = change_on(servers=1, authority="folder")
    bench = bench_of(change)
    press(bench, "confirm")
    assert press(bench, "request").status is Status.WAITING
    assert states(bench)[:3] == ["done", "waiting", "locked"]
    assert bench.apply("request", None).record.status is Status.WAITING
    (csr,) = (tmp_path / "outbox").glob("*.csr")
    (tmp_path / "inbox").mkdir(exist_ok=True)
    (tmp_path / "inbox" / "answer.p7b").write_bytes(change.lab.ca.reply(change.lab.ca.issue(csr.read_text("ascii"))))
    assert bench.apply("request", None).record.status is Status.UNCHANGED
    assert press(bench, "install").status is Status.CHANGED


def test_a_step_that_was_broken_off_is_unknown_and_is_looked_at_first(change: Change) -> None:
    bench = bench_of(change)
    for step in ("confirm", "request", "install"):
        press(bench, step)
    attempt = change.store.attempt(bench.change, "EDGE1", "activate", 4)
    attempt.append({"seq": 1, "at": "2026-11-24T12:00:00Z", "event": "started", "mode": "apply"}, durable=True)
    sent = {"seq": 2, "at": "2026-11-24T12:00:01Z", "event": "sent", "text": "Enable-X", "changes": True}
    attempt.append({**sent, "commands": [{"name": "Enable-ExchangeCertificate"}]}, durable=True)
    shown = faces(bench_of(change).look())["activate"]
    assert (shown.state.value, shown.apply.enabled, shown.plan.enabled) == ("unknown", False, True)
    assert press(bench, "activate").status is Status.CHANGED
    told = [one for one in attempts(change) if one.startswith("activate")]
    assert sorted(told) == ["activate 1 apply unknown", "activate 2 plan planned", "activate 3 apply changed"]


def test_undo_says_what_it_undoes_then_does_exactly_that_and_the_change_is_closed(change: Change) -> None:
    before = change.snapshots()
    bench = bench_of(change)
    for step in STEPS[:5]:
        press(bench, step)
    done = change.snapshots()
    asked = bench.undo("connectors", None).record
    assert asked.status is Status.PLANNED
    assert change.snapshots() == done
    back = bench.undo("connectors", asked.plan_digest).record
    assert back.status is Status.CHANGED
    connectors = {name: state["send_connectors"] for name, state in change.snapshots().items()}
    assert connectors == {name: state["send_connectors"] for name, state in before.items()}
    assert states(bench) == ["locked"] * 6
    with pytest.raises(UsageError, match="gone back from"):
        bench.plan("request")
    bench.begin_anew()
    assert states(bench) == ["ready", *["locked"] * 5]
    first = bench.apply("confirm", None).record
    assert first.change != asked.change


def test_going_back_by_another_way_than_was_read_is_refused(change: Change) -> None:
    bench = bench_of(change)
    for step in STEPS[:3]:
        press(bench, step)
    before = change.snapshots()
    record = bench.undo("install", "0" * 64).record
    assert (record.status, record.findings[-1]["rule"]) == (Status.BLOCKED, "not-as-read")
    assert change.snapshots() == before


def test_a_new_change_is_not_begun_while_one_is_open(change: Change) -> None:
    bench = bench_of(change)
    press(bench, "confirm")
    with pytest.raises(UsageError, match="is not finished on EDGE1"):
        bench.begin_anew()


def test_finish_names_all_that_was_done_once(change: Change) -> None:
    bench = bench_of(change)
    assert bench.finish() is None
    press(bench, "confirm")
    session = bench.finish()
    assert session
    assert [(one.step, one.status) for one in session.done] == [("confirm", "unchanged")]
    assert bench.finish() is None
    assert bench.newest_session() == (session, 0)
    bench.plan("request")
    assert bench.newest_session() == (session, 1)
