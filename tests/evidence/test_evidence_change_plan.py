"""The plan of a change as a file: its digest covers what would be done, and nothing of where and when."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsrunbook.errors import EvidenceError
from tlsrunbook.evidence.change_plan import CSR_KEY, digested, plan_file, read_plan
from tlsrunbook.evidence.data import digest
from tlsrunbook.evidence.record import Record, Status, plan_data, plan_digest
from tlsrunbook.exchange.command import Command
from tlsrunbook.plan.later import THUMBPRINT
from tlsrunbook.plan.model import Change, Irreversible, Plan, PlanItem

ITEM = PlanItem(
    "why",
    (Command.of("Set-A", Value=THUMBPRINT),),
    (Change("thing", "Value", None, THUMBPRINT),),
    Irreversible("a test"),
)
FINDING = {"rule": "a-rule", "severity": "warning", "message": "port 4711", "todo": "", "target": "thing"}
BESIDE = {"made": "2026-11-24T12:00:00.000Z", "who": {"user": "alice"}}


def record(server: str = "EDGE1", step: str = "activate", *items: PlanItem, **more: Any) -> Record:
    plan = Plan(items or (ITEM,))
    given: dict[str, Any] = {
        "site": "london", "server": server, "step": step, "change": "c", "attempt": 1, "mode": "plan",
        "status": Status.PLANNED, "summary": "", "todo": "", "started": "a", "finished": "b", "who": {}, "why": {},
        "tool": {}, "findings": (FINDING,), "plan": plan_data(plan), "plan_digest": plan_digest(plan),
    }  # fmt: skip
    return Record(**{**given, **more})


def test_what_is_written_is_read() -> None:
    content = plan_file("c", 3, (record(), record(step="verify", facts={CSR_KEY: "abc"})), BESIDE)
    plan = read_plan(content)
    assert (plan.site, plan.change, plan.number) == ("london", "c", 3)
    assert plan.digest == digest(json.loads(content)["plan"])
    assert plan.requests == {"EDGE1": "abc"}
    assert plan.beside["who"] == {"user": "alice"}
    step = plan.step("EDGE1", "activate")
    assert step is not None
    assert step.plan["items"][0]["does"][0]["parameters"] == [["Value", {"later": THUMBPRINT.what}]]
    assert step.digest == record().plan_digest
    assert plan.step("MBX1", "activate") is None


SAME: dict[str, dict[str, Any]] = {
    "attempt": {"attempt": 7},
    "times": {"started": "x", "finished": "y"},
    "who and with what": {"who": {"host": "h"}, "tool": {"package": "9"}, "why": {"ticket": "T"}},
    "words": {"summary": "x", "todo": "y"},
    "what a finding says": {"findings": ({**FINDING, "message": "port 4712", "todo": "z"},)},
    "facts": {"facts": {"routes": []}},
}
OTHER: dict[str, dict[str, Any]] = {
    "site": {"site": "paris"},
    "server": {"server": "MBX1"},
    "step": {"step": "connectors"},
    "the request that waits": {"facts": {CSR_KEY: "abc"}},
    "a rule's finding": {"findings": ()},
}


@pytest.mark.parametrize("name", SAME)
def test_the_digest_does_not_depend_on(name: str) -> None:
    assert digest(digested("london", (record(),))) == digest(digested("london", (replace(record(), **SAME[name]),)))
    elsewhere = read_plan(plan_file("d", 2, (record(),), {}))
    assert elsewhere.digest == read_plan(plan_file("c", 1, (record(),), BESIDE)).digest


@pytest.mark.parametrize("name", OTHER)
def test_the_digest_depends_on(name: str) -> None:
    other = replace(record(), **OTHER[name])
    assert digest(digested("london", (record(),))) != digest(digested(other.site, (other,)))


def test_findings_of_a_step_that_changes_nothing_are_shown_and_not_under_the_digest() -> None:
    probing = replace(record(step="verify"), plan=plan_data(Plan()), plan_digest=plan_digest(Plan()))
    quiet = replace(probing, findings=())
    assert digested("london", (probing,)) == digested("london", (quiet,))
    assert json.loads(plan_file("c", 1, (probing,), {}))["results"][0]["findings"] == [FINDING]


@given(st.permutations(["EDGE1", "MBX1", "EDGE2"]))
def test_the_digest_does_not_depend_on_the_order_of_the_servers(servers: list[str]) -> None:
    records = tuple(record(server) for server in servers)
    assert digested("london", records) == digested("london", tuple(record(name) for name in sorted(servers)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Set-A", b"Set-B"),
        (THUMBPRINT.what.encode(), b"thumbprint of another one"),
        (b'"irreversible"', b'"reverse"'),
        (b'"severity": "warning"', b'"severity": "info"'),
        (b'"digest": "', b'"digest": "0'),
    ],
)
def test_an_altered_plan_is_not_read(old: bytes, new: bytes) -> None:
    content = plan_file("c", 1, (record(),), BESIDE)
    assert content.count(old) >= 1
    with pytest.raises(EvidenceError, match="altered"):
        read_plan(content.replace(old, new))


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"schema": "tlsrunbook.plan/1"}', b"\xff"])
def test_what_is_no_plan_is_refused(content: bytes) -> None:
    with pytest.raises(EvidenceError, match="no plan"):
        read_plan(content)


def test_a_newer_schema_is_refused_by_its_name() -> None:
    content = plan_file("c", 1, (record(),), {}).replace(b"tlsrunbook.plan/1", b"tlsrunbook.plan/2")
    with pytest.raises(EvidenceError, match="plan/2"):
        read_plan(content)
