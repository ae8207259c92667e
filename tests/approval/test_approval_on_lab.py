"""Where approvals are required, the lab's servers are changed as approved, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.approval import approved, behind_our_back, planned, require_approval, signer
from tests.support.change import Change, statuses
from tlsrunbook.errors import UsageError
from tlsrunbook.evidence.record import Record, Status
from tlsrunbook.run.approvals import add_operator

MakeChange = Callable[..., Change]
DONE = ["confirm: unchanged", "request: changed", "install: changed", "activate: changed", "connectors: changed"]


def sent(records: list[Record]) -> list[str]:
    return [name for record in records for command in record.commands if command.changes for name in command.cmdlets]


def make(change_on: MakeChange, *approvers: str, **policy: str) -> Change:
    change = change_on(servers=2)
    require_approval(change, *(approvers or ("alice",)), **policy)
    return change


@pytest.mark.parametrize("server", ["EDGE1", "MBX1"])
def test_what_was_approved_before_anything_was_known_is_applied_to_the_end(change_on: MakeChange, server: str) -> None:
    change = make(change_on)
    plan = planned(change, server)
    approved(change, plan)
    records = change.apply(server, change=plan.change)
    assert statuses(records) == [*DONE, "verify: unchanged"]
    for record in records[1:5]:
        assert {k: record.approval[k] for k in ("by", "plan", "digest", "keyid")} == {
            "by": "alice", "plan": "1", "digest": plan.digest, "keyid": signer("alice").keyid}  # fmt: skip
    assert records[0].approval == records[-1].approval == {}, "what changes nothing needs no approval"


def test_without_an_approval_nothing_is_sent_and_unchanged_needs_none(change_on: MakeChange) -> None:
    change = make(change_on)
    state = change.snapshots()
    records = change.apply("EDGE1")
    assert statuses(records) == ["confirm: unchanged", "request: blocked"]
    assert "has no approval" in records[-1].summary
    assert f"tlsrunbook approve {records[-1].change}" in records[-1].todo
    assert (sent(records), change.snapshots()) == ([], state)


def test_a_renewal_goes_live_at_once_as_approved(change_on: MakeChange) -> None:
    change = make(change_on)
    approved(change, plan := planned(change, "EDGE1"))
    change.apply("EDGE1", change=plan.change)
    change.edit("renew_before_days = 30", "renew_before_days = 180")
    approved(change, again := planned(change, "EDGE1"))
    assert again.change != plan.change
    records = change.apply("EDGE1", change=again.change)
    assert statuses(records)[1:4] == ["request: changed", "install: changed", "activate: unchanged"]
    assert records[-1].status is Status.UNCHANGED


def test_a_person_may_issue_days_later_under_a_new_approval(change_on: MakeChange, tmp_path: Path) -> None:
    change = change_on(authority="folder")
    require_approval(change, "alice")
    plan = planned(change, "EDGE1")
    approved(change, plan, lasts=timedelta(seconds=3600))
    assert statuses(change.apply("EDGE1", change=plan.change)) == ["confirm: unchanged", "request: waiting"]
    (csr,) = (tmp_path / "outbox").glob("*.csr")
    (tmp_path / "inbox" / "answer").write_bytes(change.lab.ca.reply(change.lab.ca.issue(csr.read_text("ascii"))))

    later = planned(change, "EDGE1", into=plan.change)
    assert later.number == 2
    assert later.requests["EDGE1"], "the request that waits is under the digest"
    approved(change, later)
    records = change.apply("EDGE1", change=plan.change)
    assert statuses(records) == ["confirm: unchanged", "request: unchanged", *DONE[2:], "verify: unchanged"]
    assert {record.approval["plan"] for record in records[2:5]} == {"2"}


def prepared(change_on: MakeChange) -> Change:
    """A server that is done, and one connector of which was altered, so that a small plan is there to be approved."""
    change = make(change_on)
    approved(change, plan := planned(change, "EDGE1"))
    change.apply("EDGE1", change=plan.change)
    behind_our_back(change, "EDGE1", "Set-SendConnector", Identity="TLS required EDGE1", Fqdn="old.example.net")
    return change


def test_changed_behind_our_back_is_blocked_with_the_difference(change_on: MakeChange) -> None:
    change = prepared(change_on)
    approved(change, plan := planned(change, "EDGE1", steps=("connectors",)))
    behind_our_back(change, "EDGE1", "Set-SendConnector", Identity="TLS required EDGE1", RequireTLS=False)
    state = change.snapshots()

    (record,) = change.apply("EDGE1", "connectors", change=plan.change)
    assert record.status is Status.BLOCKED
    assert (sent([record]), change.snapshots()) == ([], state)
    target = "send connector TLS required EDGE1"
    (finding,) = [finding for finding in record.findings if finding["rule"] == "not-as-approved"]
    assert finding["target"] == target
    assert finding["message"] == (
        f"not what was approved: {target}: RequireTLS: approved: not to be changed; now: no → yes"
    )
    assert record.approval["by"] == "alice", "whose approval it was compared with"

    approved(change, planned(change, "EDGE1", steps=("connectors",), into=plan.change))
    assert statuses(change.apply("EDGE1", "connectors", change=plan.change)) == ["connectors: changed"]


def test_another_value_than_the_approved_one_is_blocked_with_both(change_on: MakeChange) -> None:
    change = prepared(change_on)
    approved(change, plan := planned(change, "EDGE1", steps=("connectors",)))
    behind_our_back(change, "EDGE1", "Set-SendConnector", Identity="TLS required EDGE1", Fqdn="new.example.net")
    (record,) = change.apply("EDGE1", "connectors", change=plan.change)
    assert "Fqdn: approved: old.example.net → mx1.london.example.net; now: new.example.net → mx1" in record.summary


def test_what_became_right_by_itself_needs_nothing(change_on: MakeChange) -> None:
    change = prepared(change_on)
    approved(change, plan := planned(change, "EDGE1", steps=("connectors",)))
    name = "mx1.london.example.net"
    behind_our_back(change, "EDGE1", "Set-SendConnector", Identity="TLS required EDGE1", Fqdn=name)
    assert statuses(change.apply("EDGE1", "connectors", change=plan.change)) == ["connectors: unchanged"]


def test_a_certificate_that_others_installed_is_not_the_approved_one(change_on: MakeChange) -> None:
    change = make(change_on)
    approved(change, plan := planned(change, "EDGE1"))
    other = planned(change, "EDGE1", into=change.store.new_change(datetime.now(UTC), {"servers": ["EDGE1"]}))
    approved(change, other)
    change.apply("EDGE1", "request", "install", change=other.change)
    (record,) = change.apply("EDGE1", "activate", change=plan.change)
    assert record.status is Status.BLOCKED
    assert "the certificate: key: approved: one for the key of this change's request" in record.summary


def altered(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


KINDS = ["another change", "unlisted", "expired", "approval altered", "plan altered", "own key"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_approval_that_does_not_count_is_refused_with_the_reason(change_on: MakeChange, kind: str) -> None:
    change = make(change_on, "alice", separate_approver="true")
    plan = planned(change, "EDGE1")
    texts = {
        "another change": f"it is for the change {plan.change}",
        "unlisted": "is not among the approvers in the site file",
        "expired": "it has expired at",
        "approval altered": "",
        "plan altered": "altered",
        "own key": "its key is the operator's own",
    }
    into = plan.change
    if kind == "another change":
        into = change.store.new_change(datetime.now(UTC), {"servers": ["EDGE1"]})
    at = datetime.now(UTC) - timedelta(days=2) if kind == "expired" else None
    path = approved(change, plan, "mallory" if kind == "unlisted" else "alice", at=at, into=into)
    if kind == "approval altered":
        altered(path)
    if kind == "plan altered":
        file = change.store.folder / plan.change / "plans" / "1" / "plan.json"
        file.write_bytes(file.read_bytes().replace(b"2048", b"4096", 1))
    if kind == "own key":
        add_operator(change.store, plan.change, signer("alice").keyid, {"user": "alice"}, datetime.now(UTC))
    state = change.snapshots()
    record = change.apply("EDGE1", "request", change=into)[-1]
    assert record.status is Status.BLOCKED
    assert record.summary.startswith("not approved: approvals/1.dsse.json: ")
    assert texts[kind] in record.summary
    assert (sent([record]), record.approval, change.snapshots()) == ([], {}, state)


def test_an_approval_covers_the_planned_steps_and_servers_alone(change_on: MakeChange) -> None:
    change = make(change_on)
    approved(change, plan := planned(change, "EDGE1", steps=("request",)))
    assert statuses(change.apply("EDGE1", "request", change=plan.change)) == ["request: changed"]
    assert "its plan has no step install for EDGE1" in change.apply("EDGE1", "install", change=plan.change)[-1].summary
    with pytest.raises(UsageError, match="not about MBX1"):
        change.apply("MBX1", "request", change=plan.change)


def test_the_newest_approval_that_counts_decides(change_on: MakeChange) -> None:
    change = make(change_on)
    approved(change, plan := planned(change, "EDGE1"))
    change.edit("key_size = 2048", "key_size = 4096")
    assert change.apply("EDGE1", "request", change=plan.change)[-1].status is Status.BLOCKED
    approved(change, planned(change, "EDGE1", into=plan.change), "mallory")
    assert change.apply("EDGE1", "request", change=plan.change)[-1].status is Status.BLOCKED
    approved(change, planned(change, "EDGE1", into=plan.change))
    assert statuses(change.apply("EDGE1", "request", change=plan.change)) == ["request: changed"]


def test_a_site_file_that_lists_nobody_approves_nothing(change_on: MakeChange) -> None:
    change = change_on(servers=1)
    change.edit('approval = "none"', 'approval = "required"')
    approved(change, plan := planned(change, "EDGE1"))
    record = change.apply("EDGE1", "request", change=plan.change)[-1]
    assert (record.status, record.summary) == (Status.BLOCKED, "not approved: the site file lists no approvers")


def test_a_listed_key_that_is_gone_approves_nothing(change_on: MakeChange) -> None:
    change = make(change_on)
    approved(change, plan := planned(change, "EDGE1"))
    (change.site_file.parent / "keys" / "alice.pem").unlink()
    record = change.apply("EDGE1", "request", change=plan.change)[-1]
    assert record.status is Status.BLOCKED
    assert "policy.approvers[0]" in record.summary
