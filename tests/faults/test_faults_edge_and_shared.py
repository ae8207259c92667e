"""What goes wrong between two servers is told truthfully, and the next run looks first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.support.change import Change, statuses
from tlsrunbook.evidence.record import Record, Status
from tlsrunbook.steps import edge_sync

MakeChange = Callable[..., Change]
BEFORE = ("confirm", "request", "install", "activate")


def rules(record: Record) -> set[str]:
    return {finding["rule"] for finding in record.findings if finding["severity"] in ("refuse", "error")}


def subscribed(change_on: MakeChange) -> Change:
    """A subscribed Edge that is activated; the Mailbox server has its certificate too."""
    change = change_on(subscribed=True)
    for server in ("EDGE1", "MBX1"):
        assert change.apply(server, *BEFORE)[-1].status is Status.CHANGED
    return change


def sent(change: Change, cmdlet: str, server: str = "MBX1") -> int:
    return change.lab.station(change.site, server).winrm.counters.cmdlets[cmdlet]


def test_a_slow_edgesync_is_awaited(change_on: MakeChange) -> None:
    change = subscribed(change_on)
    change.lab.faults.set("edgesync-slow@EDGE1")
    record = change.apply("MBX1", "connectors")[-1]
    assert record.status is Status.CHANGED
    looks = [c for c in record.commands if c.cmdlets == ("Test-EdgeSynchronization",)]
    assert len(looks) == 5, "before, three while waiting, and after"
    assert sent(change, "Start-EdgeSynchronization") == 1, "it is looked at again, not started again"
    assert change.apply("EDGE1", "connectors")[-1].status is Status.UNCHANGED


def test_an_edgesync_that_never_ends_fails_at_the_deadline_and_is_started_again(
    change_on: MakeChange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge_sync, "DEADLINE", timedelta(seconds=1))
    change = subscribed(change_on)
    change.lab.faults.set("edgesync-stuck@EDGE1")
    record = change.apply("MBX1", "connectors")[-1]
    assert (record.status, rules(record)) == (Status.FAILED, {"edgesync-not-in-step"})
    assert "SendConnectorStatus NotSynchronized" in record.summary
    assert change.apply("EDGE1", "connectors")[-1].status is Status.WAITING
    assert rules(change.apply("MBX1", "verify")[-1]) == {"edgesync-not-in-step"}

    change.lab.faults.clear()
    again = change.apply("MBX1", "connectors", "verify")
    assert statuses(again) == ["connectors: changed", "verify: unchanged"]
    assert [c.cmdlets for c in again[0].commands if c.changes] == [("Start-EdgeSynchronization",)]
    assert statuses(change.apply("EDGE1", "connectors", "verify")) == ["connectors: unchanged", "verify: unchanged"]


def test_a_start_that_was_not_answered_is_unknown_and_the_next_run_looks_first(change_on: MakeChange) -> None:
    change = subscribed(change_on)
    change.lab.faults.set("gone-after-run:Start-EdgeSynchronization@MBX1")
    record = change.apply("MBX1", "connectors")[-1]
    assert record.status is Status.UNKNOWN
    again = change.apply("MBX1", "connectors")[-1]
    assert again.status is Status.UNCHANGED
    assert sent(change, "Start-EdgeSynchronization") == 1


def test_a_connector_whose_answer_was_lost_is_not_made_twice(change_on: MakeChange) -> None:
    change = subscribed(change_on)
    change.apply("MBX1", "connectors")
    change.edit(r'name = "Internet \{server\}"', 'name = "World {server}"')
    for name in ("Internet EDGE1", "Internet MBX1"):
        parameters = [
            {"name": "Identity", "type": "string", "value": name},
            {"name": "Confirm", "type": "bool", "value": False},
        ]
        server = change.lab.server(change.site, "MBX1")
        assert not server.execute([{"name": "Remove-SendConnector", "parameters": parameters}], [])["errors"]
    before = sent(change, "New-SendConnector")
    change.lab.faults.set("gone-after-run:New-SendConnector@MBX1")
    assert change.apply("MBX1", "connectors")[-1].status is Status.UNKNOWN
    assert change.apply("MBX1", "connectors")[-1].status is Status.CHANGED
    assert sent(change, "New-SendConnector") - before == 2


@pytest.mark.parametrize("server", ["EDGE1", "MBX1"])
def test_an_interrupted_activation_breaks_edgesync_which_says_so_until_it_is_put_back(
    change_on: MakeChange, server: str
) -> None:
    change = change_on(subscribed=True)
    other = "MBX1" if server == "EDGE1" else "EDGE1"
    assert change.apply(other, *BEFORE)[-1].status is Status.CHANGED
    change.lab.faults.set(f"gone-after-run:Enable-ExchangeCertificate@{server}")
    assert change.apply(server, *BEFORE)[-1].status is Status.UNKNOWN

    record = change.apply("MBX1", "connectors")[-1]
    assert (record.status, rules(record)) == (Status.BLOCKED, {"edgesync-failed"})
    assert "certificate" in record.summary
    assert "run the step activate" in record.todo
    assert not any(command.changes for command in record.commands), "nothing is made that could not arrive"

    assert change.apply(server, "activate")[-1].status is Status.CHANGED
    assert change.apply("MBX1", "connectors")[-1].status is Status.CHANGED
    assert change.apply("EDGE1", "connectors", "verify")[-1].status is Status.UNCHANGED


def behind_one_name(change_on: MakeChange) -> Change:
    """Two Mailbox servers behind one FQDN with one key; the first one has its certificate."""
    change = change_on(servers=4)
    change.edit("exportable = false", "exportable = true")
    change.edit(r'(?s)(name = "MBX2".*?)fqdn = "[^"]*"', r'\1share_from = "MBX1"\nfqdn = "mx2.london.example.net"')
    assert change.apply("MBX1", *BEFORE[:3])[-1].status is Status.CHANGED
    return change


@pytest.mark.parametrize(
    ("fault", "status", "imports"),
    [
        ("gone-after-run:Import-ExchangeCertificate@MBX2", Status.UNKNOWN, 1),
        ("gone-before-run:Import-ExchangeCertificate@MBX2", Status.UNKNOWN, 2),
        ("gone-after-run:Export-ExchangeCertificate@MBX1", Status.UNKNOWN, 1),
        ("gone-after-run:Add-StoreCertificate@MBX2", Status.UNKNOWN, 1),
    ],
)
def test_a_transfer_that_was_cut_off_is_unknown_and_the_next_run_looks_first(
    change_on: MakeChange, fault: str, status: Status, imports: int
) -> None:
    change = behind_one_name(change_on)
    change.lab.faults.set(fault)
    record = change.apply("MBX2", "install")[-1]
    assert record.status is status
    cmdlet = fault.partition(":")[2].partition("@")[0]
    assert record.commands[-1].cmdlets[-1] == cmdlet
    assert record.commands[-1].outcome == "unknown"
    again = change.apply("MBX2")
    assert statuses(again)[-1] == "verify: unchanged"
    assert sent(change, "Import-ExchangeCertificate", "MBX2") <= imports
    assert len([c for c in change.lab.server(change.site, "MBX2").stores.my.values() if not c.self_signed]) == 1


def test_an_error_at_the_source_names_that_server_and_nothing_is_imported(change_on: MakeChange) -> None:
    change = behind_one_name(change_on)
    change.lab.faults.set("exchange-error:Export-ExchangeCertificate@MBX1")
    record = change.apply("MBX2", "install")[-1]
    assert record.status is Status.FAILED
    assert record.summary.startswith("MBX1: Export-ExchangeCertificate: ")
    assert sent(change, "Import-ExchangeCertificate", "MBX2") == 0
    change.lab.faults.clear()
    assert change.apply("MBX2", "install")[-1].status is Status.CHANGED


@pytest.mark.parametrize("fault", ["winrm-refused@MBX1", "logon-refused@MBX1"])
def test_a_source_that_cannot_be_reached_fails_and_nothing_was_changed(change_on: MakeChange, fault: str) -> None:
    change = behind_one_name(change_on)
    change.lab.faults.set(fault)
    record = change.apply("MBX2", "install")[-1]
    assert record.status is Status.FAILED
    assert "MBX1" in record.summary
    assert not any(command.changes for command in record.commands)


def test_the_second_session_is_closed_when_the_step_is_over(change_on: MakeChange) -> None:
    change = behind_one_name(change_on)
    change.lab.faults.set("exchange-error:Import-ExchangeCertificate@MBX2")
    change.apply("MBX2", "install")
    assert change.lab.station(change.site, "MBX1").winrm.shells_open == 0
