"""Renewals on the lab: a changed intermediate takes every connector along; the same name is one pipeline."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from exchange_world import error, ok

from tests.support.change import Change, statuses
from tests.support.foreign import finding, foreign_connectors, named, odd_certificate, own_name, renewed, rules
from tlsrunbook.evidence.record import Status
from tlsrunbook.lab.conditions import HYBRID, PARTNER

MakeChange = Callable[..., Change]


@pytest.mark.parametrize("server", ["EDGE1", "MBX1"])
def test_a_changed_intermediate_takes_every_connector_along_whatever_it_is_called(
    change_on: MakeChange, server: str
) -> None:
    change = change_on()
    first = {record.step: record for record in change.apply(server)}
    old = own_name(change, server, first["install"].facts["thumbprint"])
    hybrid = foreign_connectors(change, server, old)
    before = named(change, server)
    assert list(before.values()).count(old) == len(before) >= 5

    records = renewed(change, server, rotated=True)
    assert records["verify"].status is Status.UNCHANGED, records["verify"].findings
    new = own_name(change, server, records["install"].facts["thumbprint"])
    assert new != old
    assert named(change, server) == dict.fromkeys(before, new)
    after = change.lab.server(change.site, server).snapshot()["send_connectors"]["Outbound to Office 365"]
    assert {key for key in after if after[key] != hybrid[key]} == {"TlsCertificateName"}
    (sent,) = [c.text for c in records["connectors"].commands if c.changes and "Office 365" in c.text]
    assert sent.startswith("Set-SendConnector -Identity 'Outbound to Office 365' -TlsCertificateName")
    assert "12014" in finding(records["activate"], "certificate-name-outdated")["message"]
    assert "454 4.7.5" in finding(records["connectors"], "certificate-name-outdated")["message"]


def test_the_plan_of_a_renewal_shows_every_connector_that_follows(change_on: MakeChange) -> None:
    change = change_on()
    first = {record.step: record for record in change.apply("EDGE1")}
    foreign_connectors(change, "EDGE1", own_name(change, "EDGE1", first["install"].facts["thumbprint"]))
    change.edit("renew_before_days = 30", "renew_before_days = 180")
    planned = {record.step: record for record in change.plan("EDGE1")}
    changes = [
        (one["target"], one["property"])
        for step in ("activate", "connectors")
        for item in planned[step].plan["items"]
        for one in item["changes"]
    ]
    assert ("receive connector EDGE1\\Warehouse", "TlsCertificateName") in changes
    assert ("send connector Outbound to Office 365", "TlsCertificateName") in changes
    assert ("send connector TLS required EDGE1", "TlsCertificateName") in changes


@pytest.mark.parametrize("server", ["EDGE1", "MBX1"])
def test_names_whose_certificate_is_gone_are_found_by_their_subject(change_on: MakeChange, server: str) -> None:
    change = change_on(faults=("name-stale",))
    stale = named(change, server)
    hybrid = HYBRID if server == "EDGE1" else f"{HYBRID} {server}"
    assert {hybrid, f"{server}\\{PARTNER}"} <= set(stale)
    confirm = change.apply(server, "confirm")[0]
    assert "event 12014" in finding(confirm, "stale-certificate-name")["message"]

    records = {record.step: record for record in change.apply(server)}
    assert records["verify"].status is Status.UNCHANGED, records["verify"].findings
    new = own_name(change, server, records["install"].facts["thumbprint"])
    now = named(change, server)
    assert {now[name] for name in stale if server in name or name == hybrid} == {new}
    text = finding(records["activate"], "certificate-name-outdated")["message"]
    assert "which no certificate of" in text
    assert "event 12014" in text


def test_a_name_that_only_the_evidence_knows_is_found_too(change_on: MakeChange) -> None:
    change = change_on()
    thumbprint, old = odd_certificate(change, "EDGE1")
    assert old.endswith("<S>O=Example Corp")
    foreign_connectors(change, "EDGE1", old)
    assert statuses(change.apply("EDGE1"))[-1] == "verify: unchanged"
    assert old not in named(change, "EDGE1").values()
    # Somebody puts the old name back and takes the old certificate away.
    server = change.lab.server(change.site, "EDGE1")
    ok(server, "Set-ReceiveConnector", Identity="EDGE1\\Warehouse", TlsCertificateName=old)
    ok(server, "Set-SendConnector", Identity="Outbound to Office 365", TlsCertificateName=old)
    server.stores.my.pop(thumbprint)
    verify = change.apply("EDGE1", "verify")[0]
    assert verify.status is Status.FAILED
    left = [one["target"] for one in verify.findings if one["rule"] == "connector-left-behind"]
    assert left == ["receive connector EDGE1\\Warehouse", "send connector Outbound to Office 365"]
    again = statuses(change.apply("EDGE1", "activate", "connectors", "verify"))
    assert again == ["activate: changed", "connectors: changed", "verify: unchanged"]
    assert old not in named(change, "EDGE1").values()


def test_a_name_that_stood_for_other_names_is_left_alone_and_said(change_on: MakeChange) -> None:
    change = change_on()
    other = "<I>CN=Another CA<S>CN=vpn.example.net"
    foreign_connectors(change, "EDGE1", other)
    records = {record.step: record for record in change.apply("EDGE1")}
    assert records["verify"].status is Status.UNCHANGED
    assert list(named(change, "EDGE1").values()).count(other) == 2
    for step in ("activate", "connectors", "verify"):
        assert "it is left alone here" in finding(records[step], "certificate-name-dangling")["todo"]


def test_a_ca_that_signs_each_time_with_another_intermediate_can_be_rehearsed(change_on: MakeChange) -> None:
    change = change_on(faults=("ca-new-intermediate",))
    first = {record.step: record for record in change.apply("EDGE1")}
    again = renewed(change, "EDGE1", rotated=False)
    assert again["verify"].status is Status.UNCHANGED, again["verify"].findings
    names = [own_name(change, "EDGE1", records["install"].facts["thumbprint"]) for records in (first, again)]
    assert names[0] != names[1]
    assert set(named(change, "EDGE1").values()) == {names[1]}


def test_verify_finds_a_connector_that_was_left_behind(change_on: MakeChange) -> None:
    change = change_on()
    first = {record.step: record for record in change.apply("MBX1")}
    old = own_name(change, "MBX1", first["install"].facts["thumbprint"])
    foreign_connectors(change, "MBX1", old)
    renewed(change, "MBX1", rotated=True)
    server = change.lab.server(change.site, "MBX1")
    ok(server, "Set-SendConnector", Identity="Outbound to Office 365", TlsCertificateName=old)
    verify = change.apply("MBX1", "verify")[0]
    assert verify.status is Status.FAILED
    left = finding(verify, "connector-left-behind")
    assert left["target"] == "send connector Outbound to Office 365"
    assert left["todo"] == "run the step connectors"
    assert statuses(change.apply("MBX1", "connectors", "verify")) == ["connectors: changed", "verify: unchanged"]


def test_a_server_that_only_receives_takes_its_send_connectors_along_too(change_on: MakeChange) -> None:
    change = change_on(faults=("name-stale@MBX1",))
    change.edit(r'roles = \["send", "receive"\]', 'roles = ["receive"]')
    change.edit(r"(?s)# Partners agreed.*", "")
    records = {record.step: record for record in change.apply("MBX1")}
    assert records["connectors"].status is Status.SKIPPED
    assert records["verify"].status is Status.UNCHANGED, records["verify"].findings
    new = own_name(change, "MBX1", records["install"].facts["thumbprint"])
    assert named(change, "MBX1")[f"{HYBRID} MBX1"] == new


# --- the same issuer and subject ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "ends"),
    [
        ("exchange-error:Enable-ExchangeCertificate", "install: failed"),
        ("gone-after-run:Import-ExchangeCertificate", "install: unknown"),
        ("gone-before-run:Import-ExchangeCertificate", "install: unknown"),
    ],
)
def test_a_renewal_that_breaks_in_the_middle_of_its_pipeline_is_finished_by_the_next_run(
    change_on: MakeChange, fault: str, ends: str
) -> None:
    change = change_on()
    change.apply("EDGE1")
    default = change.lab.server(change.site, "EDGE1").snapshot()["internal_transport_thumbprint"]
    change.edit("renew_before_days = 30", "renew_before_days = 180")
    change.lab.faults.set(fault)
    broken = change.apply("EDGE1")
    assert statuses(broken)[-1] == ends
    assert "Import-ExchangeCertificate" in broken[-1].commands[-1].text
    assert "| Enable-ExchangeCertificate" in broken[-1].commands[-1].text
    change.lab.faults.clear()
    change.edit("renew_before_days = 180", "renew_before_days = 30")  # what was imported is not due again
    again = {record.step: record for record in change.apply("EDGE1")}
    assert again["verify"].status is Status.UNCHANGED, again["verify"].findings
    state = change.lab.server(change.site, "EDGE1").snapshot()
    assert state["internal_transport_thumbprint"] == default
    shown = again["verify"].facts["activated"]
    assert "SMTP" in state["certificates"][shown]["services"]
    assert again["verify"].change == broken[-1].change


def test_a_newer_twin_without_smtp_is_seen_on_the_wire_and_explained(change_on: MakeChange) -> None:
    change = change_on()
    assert statuses(change.apply("EDGE1"))[-1] == "verify: unchanged"
    change.lab.faults.set("newer-twin")
    verify = change.apply("EDGE1", "verify")[0]
    assert verify.status is Status.FAILED
    assert {"matching-without-smtp", "tls-handshake-failed"} <= rules(verify)
    assert "taken all the same, and TLS fails" in finding(verify, "matching-without-smtp")["message"]
    (row,) = verify.facts["certificate by Exchange's rules, and on the wire"]
    assert row["should show"] == row["wire shows"] == "the handshake fails"
    assert row["agree"] == "yes"
    assert "two-candidates" in rules(verify, "info")


def test_exchange_refuses_to_remove_what_a_send_connector_names(change_on: MakeChange) -> None:
    change = change_on()
    records = {record.step: record for record in change.apply("EDGE1")}
    server = change.lab.server(change.site, "EDGE1")
    said = error(server, "Remove-ExchangeCertificate", Thumbprint=records["install"].facts["thumbprint"], Confirm=False)
    assert "tagged with following Send Connectors" in said["message"]
