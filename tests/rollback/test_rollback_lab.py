"""Going back on the lab: what is put back, what stays and is named, and what closes a change."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.change import statuses
from tests.support.rollback import STALE, Breaking, breaking_lab, differences, undeclared
from tlsrunbook.errors import UsageError
from tlsrunbook.evidence.data import command_from_data
from tlsrunbook.evidence.record import Record, Status
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.exchange.state_data import state_from_data
from tlsrunbook.lab.exchange.stores import thumbprint_of
from tlsrunbook.plan.things import Thing, things
from tlsrunbook.policy.expected import after

EDGE = "EDGE1"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Breaking]:
    with breaking_lab(tmp_path) as world:
        yield world


def stays(record: Record) -> dict[str, str]:
    return {row["what"]: row["why"] for row in record.facts["not undone"]}


def shown_on_25(world: Breaking) -> str:
    certificate = world.lab.server(world.change.site, EDGE).inbound(25).certificate
    return thumbprint_of(certificate) if certificate else ""


def folder_of(world: Breaking, record: Record) -> Path:
    return next(
        attempt.folder
        for attempt in world.change.store.attempts(record.change, record.server)
        if (attempt.step, attempt.number) == (record.step, record.attempt)
    )


def test_a_completed_change_goes_back_to_the_snapshot_last_step_first(world: Breaking) -> None:
    before = world.snapshot(EDGE)
    change = world.change.apply(EDGE)[0].change
    record = world.rollback(EDGE, change)
    assert record.status is Status.CHANGED
    assert differences(before, world.snapshot(EDGE)) == {}
    assert [command.cmdlets[0] for command in record.commands if command.changes] == [
        *["Remove-SendConnector"] * 3,
        "Set-ReceiveConnector",
        "Remove-ExchangeCertificate",
        "Remove-StoreCertificate",
    ]
    assert list(stays(record)) == ["the CSR that was handed over"]
    assert {finding["rule"] for finding in record.findings} == {"irreversible", "private-key-goes"}


def test_going_back_is_recorded_like_a_step_with_its_plan_before_the_first_command(world: Breaking) -> None:
    change = world.change.apply(EDGE)[0].change
    world.board.arm("gone-before-run", 1)
    record = world.rollback(EDGE, change)
    assert record.status is Status.UNKNOWN
    folder = folder_of(world, record)
    assert folder.parent.name == "8-rollback"
    assert {"before.json", "plan.json", "record.json", "transcript.jsonl"} <= set(record.files)
    plan = json.loads((folder / "plan.json").read_bytes())
    assert len(plan["items"]) == 6
    assert all(item["undo"]["kind"] in ("reverse", "compensate", "irreversible") for item in plan["items"])


def test_twice_is_unchanged_and_sends_nothing(world: Breaking) -> None:
    change = world.change.apply(EDGE)[0].change
    world.rollback(EDGE, change)
    again = world.rollback(EDGE, change)
    assert again.status is Status.UNCHANGED
    assert not any(command.changes for command in again.commands)
    assert list(stays(again)) == ["the CSR that was handed over"]


def test_plan_mode_shows_what_would_be_put_back_and_leaves_the_change_open(world: Breaking) -> None:
    change = world.change.apply(EDGE, "confirm", "request", "install")[0].change
    state = world.snapshot(EDGE)
    record = world.rollback(EDGE, change, mode="plan")
    assert record.status is Status.PLANNED
    assert [item["changes"][0]["property"] for item in record.plan["items"]] == ["installed", "installed"]
    assert world.snapshot(EDGE) == state
    assert world.change.store.open_change(EDGE) == change


def test_a_change_that_altered_nothing_has_nothing_to_go_back_from(world: Breaking) -> None:
    change = world.change.apply(EDGE, "confirm")[0].change
    record = world.rollback(EDGE, change)
    assert record.status is Status.UNCHANGED
    assert "altered nothing" in record.summary


def test_a_rolled_back_change_is_closed(world: Breaking) -> None:
    first = world.change.apply(EDGE, "confirm", "request")[0].change
    assert world.change.store.open_change(EDGE) == first
    world.rollback(EDGE, first)
    assert world.change.store.open_change(EDGE) == ""
    with pytest.raises(UsageError, match="was rolled back on EDGE1"):
        world.change.apply(EDGE, "install", change=first)
    again = world.change.apply(EDGE)
    assert statuses(again)[-1] == "verify: unchanged"
    assert again[0].change != first


def test_a_way_back_that_broke_off_closes_the_change_too_and_is_finished_by_itself(world: Breaking) -> None:
    before = world.snapshot(EDGE)
    change = world.change.apply(EDGE, "confirm", "request", "install", "activate", "connectors")[0].change
    world.board.arm("gone-after-run", 5)
    assert world.rollback(EDGE, change).status is Status.UNKNOWN
    assert world.change.store.open_change(EDGE) == ""
    assert world.rollback(EDGE, change).status is Status.CHANGED
    assert differences(before, world.snapshot(EDGE)) == {}


@pytest.mark.parametrize("kind", ["gone-before-run", "gone-after-run"])
@pytest.mark.parametrize("at", range(1, 10))
def test_a_change_broken_off_at_any_command_goes_back_and_only_what_happened_is_undone(
    world: Breaking, kind: str, at: int
) -> None:
    before = world.snapshot(EDGE)
    world.board.arm(kind, at)
    broken = world.change.apply(EDGE, "request", "install", "activate", "connectors")[-1]
    assert broken.status is Status.UNKNOWN
    plan = json.loads((folder_of(world, broken) / "plan.json").read_bytes())
    assert world.board.hit in [
        c["name"] for item in plan["items"] if isinstance(item["does"], list) for c in item["does"]
    ]
    altered = bool(differences(before, world.snapshot(EDGE)))
    record = world.rollback(EDGE, broken.change)
    assert record.status is (Status.CHANGED if altered else Status.UNCHANGED)
    assert differences(before, world.snapshot(EDGE)) == {}
    assert [f["rule"] for f in record.findings].count("unanswered") == 1
    assert len([row for row in record.facts["what the change sent"] if row["answer"].startswith("none; ")]) == 1


def test_a_renewal_goes_back_to_the_certificate_before_it_on_the_wire(world: Breaking) -> None:
    world.change.apply(EDGE)
    before, old = world.snapshot(EDGE), shown_on_25(world)
    world.change.edit("renew_before_days = 30", "renew_before_days = 180")
    change = world.change.apply(EDGE)[0].change
    assert shown_on_25(world) != old
    record = world.rollback(EDGE, change)
    assert record.status is Status.CHANGED
    assert shown_on_25(world) == old
    assert differences(before, world.snapshot(EDGE)) == {}
    names = [
        (c["have"], c["want"]) for item in record.plan["items"] for c in item["changes"] if "Name" in c["property"]
    ]
    assert len(names) == 4, "two send connectors let go of the name, and get it again"
    assert {want for _, want in names[:2]} == {None} == {have for have, _ in names[2:]}


def test_a_certificate_that_was_there_before_keeps_its_smtp_flag_and_the_record_says_so(world: Breaking) -> None:
    world.change.edit('default_smtp_certificate = "keep"', 'default_smtp_certificate = "replace"')
    world.change.apply(EDGE, "confirm", "request", "install")
    before = world.snapshot(EDGE)
    change = world.change.store.new_change(datetime.now(UTC), {"servers": [EDGE]})
    world.change.apply(EDGE, "activate", "connectors", "verify", change=change)
    new = world.snapshot(EDGE)["internal_transport_thumbprint"]
    assert new != before["internal_transport_thumbprint"]
    record = world.rollback(EDGE, change)
    state = world.snapshot(EDGE)
    assert state["internal_transport_thumbprint"] == before["internal_transport_thumbprint"]
    assert "keeps SMTP" in stays(record)[f"certificate {new}"]
    assert differences(before, state).keys() == {
        f"/certificates/{new}/services",
        f"/certificates/{new}/network_service",
    }
    assert undeclared(record, before, state) == {}
    assert [item["undo"]["kind"] for item in record.plan["items"]][-1] == "compensate"


def test_a_stale_name_that_was_there_before_is_put_back_with_a_warning(world: Breaking) -> None:
    (identity,) = [name for name in world.snapshot(EDGE)["receive_connectors"] if "Default" in name]
    world.send(EDGE, "Set-ReceiveConnector", Identity=identity, TlsCertificateName=STALE)
    before = world.snapshot(EDGE)
    change = world.change.apply(EDGE)[0].change
    record = world.rollback(EDGE, change)
    assert record.status is Status.CHANGED
    assert differences(before, world.snapshot(EDGE)) == {}
    (warning,) = [f for f in record.findings if f["rule"] == "rc-tlscertname-missing"]
    assert warning["severity"] == "warning"
    assert warning["message"].startswith("as before the change: ")


def test_a_request_of_an_earlier_change_that_was_used_up_is_named(world: Breaking) -> None:
    world.change.apply(EDGE, "confirm", "request")
    (request,) = [name for name, one in world.snapshot(EDGE)["certificates"].items() if one["pending"]]
    before = world.snapshot(EDGE)
    change = world.change.store.new_change(datetime.now(UTC), {"servers": [EDGE]})
    world.change.apply(EDGE, "install", "activate", change=change)
    record = world.rollback(EDGE, change)
    assert "used it up" in stays(record)[f"pending request {request}"]
    assert differences(before, world.snapshot(EDGE)).keys() == {f"/certificates/{request}"}


def test_a_certificate_that_somebody_elses_connector_names_stays_and_is_named(world: Breaking) -> None:
    records = {record.step: record for record in world.change.apply(EDGE)}
    name = world.snapshot(EDGE)["send_connectors"][f"TLS required {EDGE}"]["TlsCertificateName"]
    world.send(EDGE, "New-SendConnector", Name="Fax", AddressSpaces=("SMTP:fax.example;1",), TlsCertificateName=name)
    record = world.rollback(EDGE, records["install"].change)
    assert record.status is Status.CHANGED
    new = f"certificate {records['install'].facts['thumbprint']}"
    assert "send connector Fax names it" in stays(record)[new]
    intermediates = [why for what, why in stays(record).items() if what.startswith("intermediate certificate")]
    assert len(intermediates) == 1, "its chain stays complete"
    assert set(world.snapshot(EDGE)["send_connectors"]) == {"Fax"}


def as_recorded(world: Breaking, change: str) -> ServerState:
    """Give the state that the recorded undo of every item would lead to, by Exchange's rules."""
    store = world.change.store
    last = next(r for r in reversed(store.records(change, EDGE)) if r.step == "rollback")
    state = state_from_data(json.loads((folder_of(world, last) / "before.json").read_bytes())["state"])
    attempts = [a for a in store.attempts(change, EDGE) if a.step != "rollback" and (a.folder / "plan.json").is_file()]
    for attempt in reversed(attempts):
        for item in reversed(json.loads((attempt.folder / "plan.json").read_bytes())["items"]):
            for pipeline in item["undo"].get("pipelines", ()):
                commands = tuple(command_from_data(data) for data in pipeline)
                if not any(command.unresolved for command in commands):
                    state = after(commands, state)
    return state


def compared(state: ServerState) -> dict[Thing, Any]:
    return {thing: values for thing, values in things(state).items() if thing.kind != "pending request"}


@pytest.mark.parametrize("renewal", [False, True], ids=["first certificate", "renewal"])
@pytest.mark.parametrize("policy", ["keep", "replace"])
def test_the_undo_that_was_recorded_and_the_way_back_that_is_computed_agree(
    world: Breaking, policy: str, renewal: bool
) -> None:
    world.change.edit('default_smtp_certificate = "keep"', f'default_smtp_certificate = "{policy}"')
    world.send(EDGE, "New-SendConnector", Name=f"Internet {EDGE}", AddressSpaces=("SMTP:*;7",), Fqdn="old.example")
    if renewal:
        world.change.apply(EDGE)
        world.change.edit("renew_before_days = 30", "renew_before_days = 180")
    records = world.change.apply(EDGE)
    assert statuses(records)[-1] == "verify: unchanged"
    record = world.rollback(EDGE, records[0].change)
    assert record.status is Status.CHANGED
    computed = state_from_data(json.loads((folder_of(world, record) / "after.json").read_bytes())["state"])
    assert compared(as_recorded(world, records[0].change)) == compared(computed)
