"""What goes wrong is told truthfully: one fault each, and the record it must give."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.support.change import Change, statuses
from tlsrunbook.evidence.record import Record, Status

MakeChange = Callable[..., Change]

GOOD = ["confirm: unchanged", "request: changed", "install: changed", "activate: changed"]


def last(records: list[Record]) -> Record:
    return records[-1]


def rules(record: Record) -> set[str]:
    return {finding["rule"] for finding in record.findings if finding["severity"] in ("refuse", "error")}


def test_a_refused_connection_fails_and_says_what_to_do(change_on: MakeChange) -> None:
    change = change_on(faults=("winrm-refused",))
    record = last(change.apply("EDGE1"))
    assert (record.step, record.status) == ("confirm", Status.FAILED)
    assert record.error
    assert record.error["code"] == "unreachable"
    assert record.todo


def test_a_wrong_password_fails_as_a_logon(change_on: MakeChange) -> None:
    change = change_on(faults=("logon-refused",))
    record = last(change.apply("EDGE1"))
    assert record.status is Status.FAILED
    assert record.error
    assert record.error["code"] == "logon-failed"


def test_an_untrusted_winrm_certificate_fails_before_anything_is_sent(change_on: MakeChange) -> None:
    change = change_on(faults=("winrm-untrusted",))
    record = last(change.apply("EDGE1"))
    assert record.status is Status.FAILED
    assert record.error
    assert record.error["code"] == "untrusted-server"
    assert record.commands == ()


def test_a_refused_inner_session_fails_on_a_mailbox_server(change_on: MakeChange) -> None:
    change = change_on(faults=("hop-refused",))
    record = last(change.apply("MBX1"))
    assert record.status is Status.FAILED
    assert record.error
    assert record.error["code"] == "command-failed"


@pytest.mark.parametrize(
    ("step", "cmdlet"),
    [
        ("request", "New-ExchangeCertificate"),
        ("install", "Import-ExchangeCertificate"),
        ("install", "Add-StoreCertificate"),
        ("activate", "Enable-ExchangeCertificate"),
        ("activate", "Set-ReceiveConnector"),
        ("connectors", "New-SendConnector"),
    ],
)
def test_a_server_gone_after_a_change_is_unknown_and_the_next_run_looks_first(
    change_on: MakeChange, step: str, cmdlet: str
) -> None:
    change = change_on(faults=(f"gone-after-run:{cmdlet}@EDGE1",))
    record = last(change.apply("EDGE1"))
    assert (record.step, record.status) == (step, Status.UNKNOWN)
    assert record.commands[-1].outcome == "unknown"
    assert cmdlet in record.commands[-1].cmdlets

    again = change.apply("EDGE1")
    assert last(again).status is Status.UNCHANGED
    assert last(again).step == "verify"
    assert {one.change for one in again} == {record.change}, "the same change goes on"
    times = change.lab.station(change.site, "EDGE1").winrm.counters.cmdlets
    once = 2 if cmdlet == "Enable-ExchangeCertificate" else 3 if cmdlet == "New-SendConnector" else 1
    assert times[cmdlet] == once, f"{cmdlet} was sent twice"
    old = change.lab.server(change.site, "EDGE1").snapshot()["internal_transport_thumbprint"]
    assert old == default_before(change, record), "the default SMTP certificate was put back"


def default_before(change: Change, record: Record) -> str:
    first = change.store.first_before(record.change, "EDGE1")
    assert first
    return str(first["state"]["internal_transport_thumbprint"])


def test_a_server_gone_before_a_change_is_unknown_too_and_the_next_run_finishes(change_on: MakeChange) -> None:
    change = change_on(faults=("gone-before-run:Import-ExchangeCertificate",))
    record = last(change.apply("EDGE1"))
    assert (record.step, record.status) == ("install", Status.UNKNOWN)
    assert statuses(change.apply("EDGE1"))[-1] == "verify: unchanged"


def test_a_server_gone_while_reading_only_fails(change_on: MakeChange) -> None:
    change = change_on(faults=("gone-after-run:Get-SendConnector",))
    record = last(change.apply("EDGE1"))
    assert (record.step, record.status) == ("confirm", Status.FAILED)
    assert record.error
    assert record.error["code"] == "session-lost"


def test_a_send_that_times_out_runs_exactly_once(change_on: MakeChange) -> None:
    change = change_on(faults=("send-times-out:New-ExchangeCertificate",))
    assert statuses(change.apply("EDGE1"))[-1] == "verify: unchanged"
    assert change.lab.station(change.site, "EDGE1").winrm.counters.cmdlets["New-ExchangeCertificate"] == 1


def test_an_error_of_exchange_fails_in_its_own_words(change_on: MakeChange) -> None:
    change = change_on(faults=("exchange-error:Import-ExchangeCertificate",))
    record = last(change.apply("EDGE1"))
    assert (record.step, record.status) == ("install", Status.FAILED)
    assert record.error
    assert record.error["code"] == "command-failed"
    assert record.commands[-1].outcome == "error"
    assert record.commands[-1].messages


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ("ca-wrong-key", "wrong-key"),
        ("ca-missing-name", "missing-names"),
        ("ca-no-intermediate", "chain-incomplete"),
        ("ca-expired", "expired"),
    ],
)
def test_a_bad_reply_of_the_ca_is_blocked_before_anything_is_sent(change_on: MakeChange, fault: str, rule: str) -> None:
    change = change_on(faults=(fault,))
    before = change.apply("EDGE1", "confirm", "request")
    state = change.snapshots()
    record = last(change.apply("EDGE1", "install"))
    assert [one.status for one in before] == [Status.UNCHANGED, Status.CHANGED]
    assert record.status is Status.BLOCKED
    assert rule in rules(record)
    assert not any(command.changes for command in record.commands)
    assert change.snapshots() == state


def test_a_slow_ca_is_waited_for_and_the_next_run_goes_on(change_on: MakeChange) -> None:
    change = change_on(faults=("ca-slow",))
    records = change.apply("EDGE1")
    assert statuses(records) == ["confirm: unchanged", "request: waiting"]
    assert statuses(change.apply("EDGE1", "request")) == ["request: waiting"]
    change.lab.faults.clear()
    again = change.apply("EDGE1")
    assert statuses(again)[1:3] == ["request: unchanged", "install: changed"]
    assert statuses(again)[-1] == "verify: unchanged"


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ("smtp-closed", "smtp-unreachable"),
        ("smtp-no-starttls", "starttls-stripped|starttls-not-offered"),
        ("smtp-old-certificate", "thumbprint-differs|starttls-not-offered|starttls-stripped|self-signed"),
        ("smtp-leaf-only", "chain-incomplete"),
    ],
)
def test_what_the_wire_shows_decides(change_on: MakeChange, fault: str, rule: str) -> None:
    change = change_on()
    assert statuses(change.apply("EDGE1"))[:4] == GOOD
    change.lab.faults.set(fault)
    record = last(change.apply("EDGE1", "verify"))
    assert record.status is Status.FAILED
    assert any(re.fullmatch(rule, seen) for seen in rules(record)), rules(record)


def test_a_closed_smtp_port_does_not_stop_confirm_from_changing_nothing(change_on: MakeChange) -> None:
    change = change_on(faults=("smtp-closed",))
    state = change.snapshots()
    change.apply("EDGE1", "confirm")
    assert change.snapshots() == state


def test_a_put_back_that_fails_says_that_the_default_is_another_one_and_the_next_run_mends_it(
    change_on: MakeChange,
) -> None:
    change = change_on()
    change.apply("EDGE1", "confirm", "request", "install")
    server = change.lab.server(change.site, "EDGE1")
    old = server.snapshot()["internal_transport_thumbprint"]
    run_once = server.execute

    def refuse_second_enable(commands: list[dict[str, object]], select: list[str]) -> dict[str, object]:
        text = str(commands)
        if "Enable-ExchangeCertificate" in text and old in text:
            change.lab.faults.set("exchange-error:Enable-ExchangeCertificate")
        answer: dict[str, object] = run_once(commands, select)
        change.lab.faults.clear()
        return answer

    server.execute = refuse_second_enable
    record = last(change.apply("EDGE1", "activate"))
    assert record.status is Status.FAILED
    assert "the default SMTP certificate is another one until then" in record.todo
    assert server.snapshot()["internal_transport_thumbprint"] != old
    server.execute = run_once
    assert statuses(change.apply("EDGE1", "activate")) == ["activate: changed"]
    assert server.snapshot()["internal_transport_thumbprint"] == old
