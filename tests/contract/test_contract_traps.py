"""The traps on the lab: states that nobody asked for, unknown answers, foreign connectors, the trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from exchange_world import error, ok

from tests.support.change import Change, statuses
from tests.support.foreign import finding, rules
from tlsrunbook.evidence.record import Status
from tlsrunbook.lab.conditions import FOREIGN

MakeChange = Callable[..., Change]


# --- what the server is in no state for ------------------------------------------------------------------------------


def test_an_underscore_in_any_connectors_fqdn_is_found_in_confirm(change_on: MakeChange) -> None:
    change = change_on(faults=("fqdn-underscore",))
    records = change.apply("EDGE1")
    assert statuses(records) == ["confirm: blocked"]
    assert rules(records[0]) == {"rc-fqdn-chars"}
    assert "scan_to_mail" in records[0].summary
    server = change.lab.server(change.site, "EDGE1")
    thumbprint = server.internal_thumbprint
    said = error(server, "Enable-ExchangeCertificate", Thumbprint=thumbprint, Services="SMTP", Force=True)
    assert "0xe0434352" in said["message"]


def test_exchange_server_authentication_leaves_the_fqdn_as_it_is(change_on: MakeChange) -> None:
    change = change_on()
    machine = change.lab.server(change.site, "MBX1")
    before = {name: one["Fqdn"] for name, one in machine.snapshot()["receive_connectors"].items()}
    records = {record.step: record for record in change.apply("MBX1")}
    assert records["verify"].status is Status.UNCHANGED
    assert {name: one["Fqdn"] for name, one in machine.snapshot()["receive_connectors"].items()} == before
    assert "rc-fqdn-exchangeserver" in finding(records["confirm"], "fqdn-fixed")["message"]
    (sent,) = [c.text for c in records["activate"].commands if "Set-ReceiveConnector" in c.text]
    assert "-Fqdn" not in sent
    assert "-TlsCertificateName" in sent


@pytest.mark.parametrize("step", ["request", "install", "activate", "connectors"])
def test_raw_data_alone_is_unknown_and_no_step_assumes_anything(change_on: MakeChange, step: str) -> None:
    change = change_on()
    change.apply("EDGE1")
    state = change.snapshots()
    change.lab.faults.set("certificates-raw-only")
    record = change.apply("EDGE1", step)[0]
    assert (record.status, "certificate-untold" in rules(record)) == (Status.BLOCKED, True)
    assert "unknown is not taken for no" in record.summary
    assert change.snapshots() == state


def test_verify_says_unknown_where_the_server_gave_raw_data_alone(change_on: MakeChange) -> None:
    change = change_on()
    change.apply("EDGE1")
    change.lab.faults.set("certificates-raw-only")
    verify = change.apply("EDGE1", "verify")[0]
    assert verify.status is Status.FAILED, "the connectors' names cannot be compared"
    assert {"certificate-untold", "smtp-untold", "choice-untold"} <= rules(verify, "warning")
    assert "certificate-without-smtp" not in rules(verify)
    (row,) = verify.facts["certificate by Exchange's rules, and on the wire"]
    assert (row["should show"], row["agree"]) == ("unknown", "unknown")


def test_a_default_certificate_that_is_missing_is_refused_before_anything_is_enabled(change_on: MakeChange) -> None:
    change = change_on(faults=("default-missing",))
    records = change.apply("EDGE1")
    assert statuses(records)[-1] == "activate: blocked"
    assert rules(records[-1]) == {"default-cannot-be-kept", "cert-enable-privatekey"}
    assert not any(command.changes for command in records[-1].commands)


def test_a_put_back_that_does_nothing_is_seen_by_the_second_reading(change_on: MakeChange) -> None:
    change = change_on(faults=("put-back-ignored",))
    records = change.apply("EDGE1")
    assert statuses(records)[-1] == "activate: failed"
    assert "default-changed" in rules(records[-1])
    change.lab.faults.clear()
    assert statuses(change.apply("EDGE1"))[3:] == ["activate: changed", "connectors: changed", "verify: unchanged"]


def test_a_key_whose_rights_cannot_be_changed_fails_in_exchanges_words(change_on: MakeChange) -> None:
    change = change_on(faults=("key-acl-locked",))
    record = change.apply("EDGE1")[-1]
    assert (record.step, record.status) == ("activate", Status.FAILED)
    assert "Insufficient rights to grant Network Service access" in record.summary


# --- more specific address spaces ------------------------------------------------------------------------------------


@pytest.mark.parametrize("server", ["EDGE1", "MBX1"])
def test_a_foreign_connector_that_takes_a_partners_mail_is_refused(change_on: MakeChange, server: str) -> None:
    change = change_on(faults=(f"foreign-route@{server}",))
    record = change.apply(server)[-1]
    foreign = FOREIGN if server == "EDGE1" else f"{FOREIGN} {server}"
    assert (record.step, record.status) == ("connectors", Status.BLOCKED)
    assert rules(record) == {"takes-another-connector"}
    assert foreign in record.summary
    row = next(row for row in record.facts["routes"] if row["domain"] == "partner.example.org")
    assert row == {
        "domain": "partner.example.org",
        "takes now": foreign,
        "TLS now": "never",
        "will take": foreign,
        "TLS then": "never",
    }
    assert not any(command.changes for command in record.commands)


@pytest.mark.parametrize(
    ("extra", "blocked"),
    [
        ({"AddressSpaces": ["partner.example.org;100"]}, False),
        ({"AddressSpaces": ["mail.partner.example.org"]}, True),
        ({"AddressSpaces": ["mail.partner.example.org;100"]}, True),
        ({"AddressSpaces": ["mail.partner.example.org"], "RequireTLS": True}, False),
        ({"AddressSpaces": ["*.org"], "IgnoreSTARTTLS": True}, False),
        ({"AddressSpaces": ["partner.example.org"], "Enabled": False}, False),
        ({"AddressSpaces": ["mail.partner.example.org"], "IsScopedConnector": True}, True),
    ],
    ids=["dearer", "below", "below, whatever it costs", "below with TLS", "less specific", "disabled", "scoped, own"],
)
def test_the_most_specific_space_wins_across_all_connectors(
    change_on: MakeChange, extra: dict[str, Any], blocked: bool
) -> None:
    change = change_on()
    change.edit(r'domains = \["partner.example.org"\]', 'domains = ["partner.example.org", "*.partner.example.org"]')
    ok(change.lab.server(change.site, "MBX1"), "New-SendConnector", Name="A relay", **extra)
    change.apply("MBX1", "confirm", "request", "install", "activate")
    record = change.apply("MBX1", "connectors")[0]
    assert (record.status is Status.BLOCKED) is blocked, record.summary
    assert ("takes-another-connector" in rules(record)) is blocked
    rows = {row["domain"]: row["TLS then"] for row in record.facts["routes"]}
    assert rows["partner.example.org"] == "required"


def test_a_scoped_connector_of_another_server_does_not_count(change_on: MakeChange) -> None:
    change = change_on(servers=4)
    extra = {"AddressSpaces": ["partner.example.org"], "SourceTransportServers": ["MBX2"], "IsScopedConnector": True}
    ok(change.lab.server(change.site, "MBX1"), "New-SendConnector", Name="A relay", **extra)
    change.apply("MBX1", "confirm", "request", "install", "activate")
    assert change.apply("MBX1", "connectors")[0].status is Status.CHANGED


# --- the trace -------------------------------------------------------------------------------------------------------


def test_verify_records_how_exchange_chooses_beside_what_the_wire_shows(change_on: MakeChange) -> None:
    change = change_on()
    verify = change.apply("MBX1")[-1]
    rows = verify.facts["how Exchange chooses"]
    assert {row["receive connector"] for row in rows} - {""} == {
        f"MBX1\\{name} MBX1" for name in ("Default", "Client Proxy", "Default Frontend", "Outbound Proxy Frontend",
                                          "Client Frontend")}  # fmt: skip
    (row,) = verify.facts["certificate by Exchange's rules, and on the wire"]
    assert row["agree"] == "yes"
    assert row["should show"] == row["wire shows"] == verify.facts["activated"]


def test_a_wire_that_shows_another_certificate_than_the_rules_is_the_finding(change_on: MakeChange) -> None:
    change = change_on()
    change.apply("EDGE1")
    change.lab.faults.set("smtp-old-certificate")
    verify = change.apply("EDGE1", "verify")[0]
    assert "wire-differs-from-choice" in rules(verify)
    message = finding(verify, "wire-differs-from-choice")["message"]
    assert "EDGE1\\Default internal receive connector EDGE1 by <I>" in message
