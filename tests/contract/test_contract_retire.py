"""Retiring on the lab: only after verify has seen the successor, and only what nothing uses."""

from __future__ import annotations

from collections.abc import Callable

from exchange_world import ok

from tests.support.change import Change, statuses
from tlsrunbook.evidence.record import Record, Status

MakeChange = Callable[..., Change]


def renew(change: Change, server: str, *steps: str) -> dict[str, Record]:
    change.lab.ca.rotate_intermediate()
    change.edit("renew_before_days = 30", "renew_before_days = 180")
    records = {record.step: record for record in change.apply(server, *steps)}
    change.edit("renew_before_days = 180", "renew_before_days = 30")
    return records


def test_the_old_certificate_goes_after_a_verified_renewal_and_mail_still_comes_in(change_on: MakeChange) -> None:
    change = change_on()
    first = {record.step: record for record in change.apply("EDGE1")}
    renewed = renew(change, "EDGE1")
    (record,) = change.apply("EDGE1", "retire")
    assert (record.step, record.status) == ("retire", Status.CHANGED)
    store = change.lab.server(change.site, "EDGE1").stores.my
    assert first["install"].facts["thumbprint"] not in store
    assert renewed["install"].facts["thumbprint"] in store
    assert record.facts["verified by"].startswith(f"change {renewed['verify'].change}")
    (item,) = record.plan["items"]
    assert item["undo"]["kind"] == "irreversible"
    assert statuses(change.apply("EDGE1", "retire", "verify")) == ["retire: unchanged", "verify: unchanged"]


def test_a_change_of_nothing_but_retiring_is_finished_and_not_gone_on_with(change_on: MakeChange) -> None:
    change = change_on()
    change.apply("EDGE1")
    renew(change, "EDGE1")
    (retired,) = change.apply("EDGE1", "retire")
    (confirm,) = change.apply("EDGE1", "confirm")
    assert confirm.change != retired.change


def test_before_verify_nothing_is_retired(change_on: MakeChange) -> None:
    change = change_on()
    change.apply("EDGE1")
    renew(change, "EDGE1", "confirm", "request", "install", "activate", "connectors")
    state = change.snapshots()
    (record,) = change.apply("EDGE1", "retire")
    assert record.status is Status.BLOCKED
    assert "no record of verify in mode apply shows" in record.summary
    assert change.snapshots() == state


def test_a_successor_that_is_not_on_the_wire_now_retires_nothing(change_on: MakeChange) -> None:
    change = change_on()
    change.apply("EDGE1")
    renew(change, "EDGE1")
    change.lab.faults.set("smtp-closed")
    (record,) = change.apply("EDGE1", "retire")
    assert (record.status, record.findings[0]["rule"]) == (Status.BLOCKED, "successor-not-shown")


def test_a_twin_that_send_connectors_name_stays_with_the_order_to_go_by(change_on: MakeChange) -> None:
    change = change_on()
    change.apply("EDGE1")
    change.edit("renew_before_days = 30", "renew_before_days = 180")
    assert statuses(change.apply("EDGE1"))[-1] == "verify: unchanged"
    state = change.snapshots()
    (record,) = change.apply("EDGE1", "retire")
    assert record.status is Status.BLOCKED
    assert "the send connectors 'Internet EDGE1', 'TLS required EDGE1' name it" in record.summary
    assert "-TlsCertificateName $null" in record.todo
    assert change.snapshots() == state


def test_by_that_order_the_twin_goes(change_on: MakeChange) -> None:
    """What retire offers is what Exchange lets through, and connectors puts the names back."""
    change = change_on()
    change.apply("EDGE1")
    change.edit("renew_before_days = 30", "renew_before_days = 180")
    change.apply("EDGE1")
    server = change.lab.server(change.site, "EDGE1")
    for name in ("Internet EDGE1", "TLS required EDGE1"):
        ok(server, "Set-SendConnector", Identity=name, TlsCertificateName=None)
    change.edit("renew_before_days = 180", "renew_before_days = 30")
    assert statuses(change.apply("EDGE1", "retire")) == ["retire: changed"]
    assert statuses(change.apply("EDGE1", "connectors", "verify")) == ["connectors: changed", "verify: unchanged"]


def test_a_certificate_that_iis_is_bound_to_stays(change_on: MakeChange) -> None:
    change = change_on()
    first = {record.step: record for record in change.apply("MBX1")}
    old = first["install"].facts["thumbprint"]
    ok(change.lab.server(change.site, "MBX1"), "Enable-ExchangeCertificate", Thumbprint=old, Services="IIS", Force=True)
    renew(change, "MBX1")
    (record,) = change.apply("MBX1", "retire")
    assert record.status is Status.UNCHANGED
    assert record.findings[0]["rule"] == "retire-other-services"
    assert old in change.lab.server(change.site, "MBX1").stores.my
