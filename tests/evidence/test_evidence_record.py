"""The record: it comes back as it was written, and a stranger's is refused."""

from __future__ import annotations

import json
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from record_samples import MARKER, a_plan, a_record

from tlsrunbook.errors import EXIT_CODES, EvidenceError
from tlsrunbook.evidence.data import readable_json
from tlsrunbook.evidence.record import SCHEMA, Status, plan_data, plan_digest, record_from_data, worst
from tlsrunbook.exchange.command import Command
from tlsrunbook.plan.model import Change, Plan, PlanItem, Reverse


def _read(record: Any) -> Any:
    return record_from_data(json.loads(readable_json(record.data())))


@pytest.mark.parametrize("status", Status)
def test_a_record_comes_back_as_it_was_written(status: Status) -> None:
    record = a_record(status=status)
    assert _read(record) == record


def test_a_record_without_error_plan_and_findings_comes_back_too() -> None:
    record = a_record(error=None, plan={}, plan_digest="", findings=(), commands=(), facts={}, server_facts={})
    assert _read(record) == record


@given(st.text(), st.text())
def test_any_text_comes_back(summary: str, todo: str) -> None:
    record = a_record(summary=summary, todo=todo)
    assert _read(record) == record


def test_the_schema_comes_first() -> None:
    assert next(iter(a_record().data().items())) == ("schema", SCHEMA)


@pytest.mark.parametrize("schema", ["tlsrunbook.record/2", "tlsrunbook.record/1.1", "", None, "else"])
def test_another_schema_is_refused_and_named(schema: str | None) -> None:
    data = {**a_record().data(), "schema": schema}
    with pytest.raises(EvidenceError, match=r"runs/x: the record's schema is") as caught:
        record_from_data(data, where="runs/x")
    assert repr(schema) in str(caught.value)


def test_data_without_a_schema_is_refused() -> None:
    with pytest.raises(EvidenceError):
        record_from_data({})


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data.pop("status"),
        lambda data: data.pop("site"),
        lambda data: data.pop("commands"),
        lambda data: data.update(status="done"),
        lambda data: data.update(unheard_of=1),
        lambda data: data.update(commands=[{"text": "x"}]),
        lambda data: data.update(findings=None),
    ],
)
def test_a_record_that_lacks_a_part_or_has_one_too_many_is_refused(spoil: Any) -> None:
    data = a_record().data()
    spoil(data)
    with pytest.raises(EvidenceError, match="lacks a part"):
        record_from_data(data)


def test_no_secret_is_in_a_record() -> None:
    assert MARKER not in readable_json(a_record().data()).decode()
    assert MARKER not in repr(a_record())


def test_the_plan_is_data_with_what_differs_what_is_sent_and_what_undoes_it() -> None:
    items = plan_data(a_plan())["items"]
    assert [item["undo"]["kind"] for item in items] == ["reverse", "compensate", "irreversible"]
    assert items[0]["does"][0]["text"].startswith("Set-SendConnector -Identity 'TLS'")
    assert items[0]["changes"][0]["want"] == {"later": "later"}
    assert items[1]["undo"]["note"] == "note"
    assert items[2]["does"] == {"authority": "folder", "csr": {"later": "the CSR"}}
    assert items[2]["undo"]["reason"] == "no"


def _plan(command: Command, want: str = "b") -> Plan:
    return Plan((PlanItem("why", (command,), (Change("t", "P", "a", want),), Reverse(())),))


def test_equal_plans_have_equal_digests_and_every_difference_shows() -> None:
    base = plan_digest(_plan(Command.of("Set-X", A="1")))
    assert base == plan_digest(_plan(Command.of("Set-X", A="1")))
    others = [
        _plan(Command.of("Set-X", A="2")),
        _plan(Command.of("Set-X", A=True)),
        _plan(Command.of("Set-X", A="1", B="2")),
        _plan(Command.of("Set-Y", A="1")),
        _plan(Command.of("Set-X", A="1"), want="c"),
        Plan(_plan(Command.of("Set-X", A="1")).items, "the CA"),
        Plan(_plan(Command.of("Set-X", A="1")).items * 2),
        Plan(),
    ]
    digests = [plan_digest(plan) for plan in others]
    assert len({base, *digests}) == len(others) + 1


def test_every_status_has_its_exit_code() -> None:
    assert {status.value: status.exit_code for status in Status} == EXIT_CODES


def test_done_means_that_nothing_is_left_to_do() -> None:
    assert {status for status in Status if status.done} == {Status.UNCHANGED, Status.CHANGED, Status.SKIPPED}


def test_the_worst_status_decides_whatever_the_order() -> None:
    for statuses in permutations([Status.CHANGED, Status.WAITING, Status.FAILED, Status.UNKNOWN]):
        assert worst(statuses) is Status.UNKNOWN
    assert worst((Status.WAITING, Status.BLOCKED)) is Status.BLOCKED
    assert worst((Status.UNCHANGED, Status.PLANNED)) is Status.PLANNED
    assert worst(()) is Status.SKIPPED


def test_a_run_never_exits_0_when_any_step_did_not() -> None:
    for one in Status:
        for other in Status:
            if one.exit_code or other.exit_code:
                assert worst((one, other)).exit_code != 0
