"""Several servers behind one FQDN: each with its own request, or one key on purpose."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.change import Change, statuses
from tlsrunbook.evidence.record import Record, Status

MakeChange = Callable[..., Change]
SHARED_FQDN = "mx2.london.example.net"


def behind_one_name(change_on: MakeChange, *, share: bool = True, exportable: bool = True, **world: object) -> Change:
    """Two Mailbox servers behind one FQDN."""
    change = change_on(servers=4, **world)
    key = 'share_from = "MBX1"\n' if share else ""
    change.edit(r'(?s)(name = "MBX2".*?)fqdn = "[^"]*"', rf'\1{key}fqdn = "{SHARED_FQDN}"')
    if exportable:
        change.edit("exportable = false", "exportable = true")
    return change


def certificates(change: Change, server: str) -> dict[str, dict[str, object]]:
    """What a CA issued to a server, by thumbprint."""
    found = change.lab.server(change.site, server).snapshot()["certificates"]
    return {key: one for key, one in found.items() if "issuing CA" in one["issuer"]}


def rules(record: Record, *severities: str) -> set[str]:
    return {finding["rule"] for finding in record.findings if finding["severity"] in severities}


def test_by_default_each_server_makes_its_own_request(change_on: MakeChange) -> None:
    change = behind_one_name(change_on, share=False, exportable=False)
    for server in ("MBX1", "MBX2"):
        assert statuses(change.apply(server))[-1] == "verify: unchanged"
    (first,), (second,) = certificates(change, "MBX1"), certificates(change, "MBX2")
    assert first != second
    for server in ("MBX1", "MBX2"):
        assert [record.status for record in change.apply(server)] == [Status.UNCHANGED] * 6


def test_one_key_on_purpose_is_taken_over_and_a_second_run_changes_nothing(change_on: MakeChange) -> None:
    change = behind_one_name(change_on)
    assert statuses(change.apply("MBX1"))[-1] == "verify: unchanged"
    records = change.apply("MBX2")
    assert statuses(records) == [
        "confirm: unchanged", "request: skipped", "install: changed", "activate: changed", "connectors: changed",
        "verify: unchanged",
    ]  # fmt: skip
    assert "shares the key of MBX1" in records[1].summary
    (source,), (taken,) = certificates(change, "MBX1").items(), certificates(change, "MBX2").items()
    assert source[0] == taken[0] == records[2].facts["thumbprint"]
    assert records[2].facts["shared from"] == "MBX1"
    assert (source[1]["exportable"], taken[1]["exportable"]) == (True, False), "the key leaves its source only"

    state = change.snapshots()
    again = change.apply("MBX2")
    assert statuses(again)[1:3] == ["request: skipped", "install: unchanged"]
    assert not any(command.changes for record in again for command in record.commands)
    assert change.snapshots() == state


def test_the_record_tells_both_commands_and_where_each_was_sent(change_on: MakeChange) -> None:
    change = behind_one_name(change_on)
    change.apply("MBX1", "confirm", "request", "install")
    record = change.apply("MBX2", "install")[-1]
    sent = [(c.server, c.cmdlets[0]) for c in record.commands if c.changes]
    assert sent == [
        ("", "Add-StoreCertificate"), ("MBX1", "Export-ExchangeCertificate"), ("", "Import-ExchangeCertificate"),
    ]  # fmt: skip
    (item,) = [item for item in record.plan["items"] if "export" in item["does"]]
    assert item["does"]["source"] == "MBX1"
    assert "<one-time password>" in item["does"]["export"]["text"]
    assert "<the PFX, in memory only>" in item["does"]["bring"][0]["text"]
    answers = [line for line in change.transcript(record) if line["event"] == "answered"]
    exported = next(line for line in answers if line["objects"] and "FileData" in line["objects"][0])
    assert exported["objects"] == [{"FileData": {"secret": True}}]
    assert next(line["server"] for line in change.transcript(record) if "server" in line) == "MBX1"


def test_undo_removes_it_from_the_server_that_took_it(change_on: MakeChange) -> None:
    change = behind_one_name(change_on)
    change.apply("MBX1", "confirm", "request", "install")
    record = change.apply("MBX2", "install")[-1]
    ((command,),) = record.plan["items"][-1]["undo"]["pipelines"]
    assert command["name"] == "Remove-ExchangeCertificate"
    assert f"-Thumbprint '{record.facts['thumbprint']}'" in command["text"]
    assert "-Server 'MBX2'" in command["text"]


def test_planned_before_the_source_has_a_certificate_it_says_what_it_waits_for(change_on: MakeChange) -> None:
    change = behind_one_name(change_on)
    state = change.snapshots()
    planned = change.plan("MBX2", "install")[-1]
    assert planned.status is Status.PLANNED
    assert "Export-ExchangeCertificate" in planned.plan["items"][0]["does"]["export"]["text"]
    applied = change.apply("MBX2", "install")[-1]
    assert (applied.status, applied.summary) == (Status.WAITING, "waiting for the certificate of MBX1")
    assert applied.todo == "run the steps request and install on MBX1, then this step again"
    assert change.snapshots() == state


def test_a_key_that_was_requested_as_not_exportable_is_refused_before_anything_is_sent(change_on: MakeChange) -> None:
    change = behind_one_name(change_on, share=False, exportable=False)
    change.apply("MBX1", "confirm", "request", "install")
    change.edit("exportable = false", "exportable = true")
    change.edit(r'(?s)(name = "MBX2".*?)fqdn', r'\1share_from = "MBX1"\nfqdn')
    record = change.apply("MBX2", "install")[-1]
    assert record.status is Status.BLOCKED
    assert "key-not-exportable" in rules(record, "refuse")
    assert not any(command.changes for command in record.commands)


def test_a_renewal_is_taken_over_live_at_once_and_keeps_the_default(change_on: MakeChange) -> None:
    change = behind_one_name(change_on)
    change.apply("MBX1")
    change.apply("MBX2")
    default = change.lab.server(change.site, "MBX2").snapshot()["internal_transport_thumbprint"]
    change.edit("renew_before_days = 30", "renew_before_days = 180")
    change.apply("MBX1", "confirm", "request", "install")
    records = {record.step: record for record in change.apply("MBX2")}
    assert records["install"].status is Status.CHANGED
    piped = [c.cmdlets for c in records["install"].commands if len(c.cmdlets) == 2]
    assert piped == [("Import-ExchangeCertificate", "Enable-ExchangeCertificate")]
    assert change.lab.server(change.site, "MBX2").snapshot()["internal_transport_thumbprint"] == default
    assert records["verify"].facts["activated"] == records["install"].facts["thumbprint"]
    assert len(certificates(change, "MBX2")) == 2


def test_a_newer_certificate_of_its_own_is_named(change_on: MakeChange) -> None:
    change = behind_one_name(change_on, share=False)
    change.apply("MBX1", "confirm", "request", "install")
    change.apply("MBX2", "confirm", "request", "install")
    change.edit(r'(?s)(name = "MBX2".*?)fqdn', r'\1share_from = "MBX1"\nfqdn')
    record = change.apply("MBX2", "install")[-1]
    own = next(iter(set(certificates(change, "MBX2")) - set(certificates(change, "MBX1"))))
    listed = change.lab.server(change.site, "MBX2").stores.my
    newer = max((own, record.facts["thumbprint"]), key=lambda one: (listed[one].certificate.not_valid_before_utc, one))
    assert ("own-certificate-newer" in rules(record, "warning")) is (newer == own)


def test_another_server_at_the_sources_address_is_refused(change_on: MakeChange) -> None:
    change = behind_one_name(change_on)
    change.apply("MBX1", "confirm", "request", "install")
    ports = {name: change.lab.station(change.site, name).winrm.port for name in ("MBX1", "EDGE2")}
    change.edit(r'(?s)(name = "MBX1".*?port = )\d+', rf"\g<1>{ports['EDGE2']}")
    change.edit(r'(?s)(name = "EDGE2".*?port = )\d+', rf"\g<1>{ports['MBX1']}")
    record = change.apply("MBX2", "install")[-1]
    assert (record.status, rules(record, "refuse")) == (Status.BLOCKED, {"another-server"})


@pytest.mark.parametrize("version", ["2010", "2016"])
def test_older_versions_share_a_key_too(change_on: MakeChange, version: str) -> None:
    change = behind_one_name(change_on, version=version)
    assert change.apply("MBX1", "request", "install")[-1].status is Status.CHANGED
    record = change.apply("MBX2", "install")[-1]
    assert record.status is Status.CHANGED, record.summary
    assert set(certificates(change, "MBX1")) == set(certificates(change, "MBX2"))


def test_2007_would_need_the_key_in_a_file_and_is_refused(change_on: MakeChange) -> None:
    change = behind_one_name(change_on, version="2007")
    change.apply("MBX1", "request", "install")
    record = change.apply("MBX2", "install")[-1]
    assert record.status is Status.BLOCKED
    assert "share-needs-bytes" in rules(record, "refuse")
    assert not any("Export" in name for command in record.commands for name in command.cmdlets)
