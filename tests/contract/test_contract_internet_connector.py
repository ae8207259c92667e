"""Exchange 2010 and 2007: a receive connector of its own for mail from the Internet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.change import Change, statuses

MakeChange = Callable[..., Change]
TABLE = r"\n# Made by the step activate:[^\n]*\n\[servers\.internet_connector\]\n[^\n]*\n[^\n]*\n"
NAME = "From the Internet MBX1"


def _send(change: Change, cmdlet: str, **parameters: Any) -> dict[str, Any]:
    kinds = {bool: "bool", str: "string", list: "strings"}
    given = [{"name": n, "type": kinds[type(v)], "value": v} for n, v in parameters.items()]
    return change.lab.server(change.site, "MBX1").execute([{"name": cmdlet, "parameters": given}], [])


@pytest.mark.parametrize("version", ["2007", "2010"])
def test_without_it_confirm_refuses_and_proposes_the_exact_command(change_on: MakeChange, version: str) -> None:
    change = change_on(version=version)
    change.edit(TABLE, "")
    (record,) = change.apply("MBX1")
    assert statuses([record]) == ["confirm: blocked"]
    refusal = next(f for f in record.findings if f["rule"] == "no-receive-connector")
    assert "[servers.internet_connector]" in str(refusal["todo"])
    assert "New-ReceiveConnector -Name 'From the Internet MBX1' -Usage 'Internet' -Bindings <" in str(refusal["todo"])
    assert str(refusal["todo"]).endswith("-Fqdn 'mx2.london.example.net'")


@pytest.mark.parametrize("version", ["2007", "2010"])
def test_a_default_connector_that_faces_the_internet_is_no_better(change_on: MakeChange, version: str) -> None:
    change = change_on(version=version)
    change.edit(TABLE, "")
    groups = "AnonymousUsers, ExchangeUsers, ExchangeServers, ExchangeLegacyServers"
    assert _send(change, "Set-ReceiveConnector", Identity="MBX1\\Default MBX1", PermissionGroups=groups)["ok"]
    (record,) = change.apply("MBX1")
    refusal = next(f for f in record.findings if f["rule"] == "fqdn-fixed-no-certificate-name")
    assert "separate Internet receive connector" in str(refusal["todo"])
    assert statuses([record]) == ["confirm: blocked"]


def test_confirm_shows_the_command_and_activate_sends_it(change_on: MakeChange) -> None:
    change = change_on(version="2010")
    records = {record.step: record for record in change.apply("MBX1")}
    (planned,) = [f for f in records["confirm"].findings if f["rule"] == "internet-connector-planned"]
    (sent,) = [c.text for c in records["activate"].commands if "New-ReceiveConnector" in c.cmdlets]
    assert str(planned["message"]).endswith(sent)
    made = change.lab.server(change.site, "MBX1").snapshot()["receive_connectors"][f"MBX1\\{NAME}"]
    assert (made["Fqdn"], made["AuthMechanism"]) == ("mx2.london.example.net", "Tls")
    items = records["activate"].plan["items"]
    assert "Remove-ReceiveConnector" in str(items[-1]["undo"])


def test_it_is_kept_as_the_site_file_says(change_on: MakeChange) -> None:
    change = change_on(version="2010")
    change.apply("MBX1")
    identity = f"MBX1\\{NAME}"
    assert _send(change, "Set-ReceiveConnector", Identity=identity, Fqdn="other.example.net", Enabled=False)["ok"]
    (failed,) = change.apply("MBX1", "verify")
    assert statuses([failed]) == ["verify: failed"]
    assert ("server-differs", f"receive connector {identity}") in {(f["rule"], f["target"]) for f in failed.findings}
    assert statuses(change.apply("MBX1", "activate")) == ["activate: changed"]
    assert statuses(change.apply("MBX1", "verify")) == ["verify: unchanged"]


def test_it_can_be_for_some_senders_only(change_on: MakeChange) -> None:
    change = change_on(version="2010")
    change.edit(r'(bindings = \["192.0.2.25:25"\])', r'\1\nremote_ip_ranges = ["198.51.100.0/24"]')
    records = change.apply("MBX1")
    assert statuses(records)[-1] == "verify: unchanged"
    made = change.lab.server(change.site, "MBX1").snapshot()["receive_connectors"][f"MBX1\\{NAME}"]
    assert made["PermissionGroups"] == "AnonymousUsers"
    assert made["RemoteIPRanges"] == ["198.51.100.0/24"]


def test_a_binding_that_another_connector_has_is_refused_before_it_is_sent(change_on: MakeChange) -> None:
    change = change_on(version="2010")
    change.edit(r'bindings = \["192.0.2.25:25"\]', 'bindings = ["0.0.0.0:25"]')
    records = change.apply("MBX1")
    assert statuses(records)[-1] == "activate: blocked"
    assert not any("New-ReceiveConnector" in c.cmdlets for record in records for c in record.commands)


@pytest.mark.parametrize("version", ["2013", "SE"])
def test_later_versions_do_not_get_one(change_on: MakeChange, version: str) -> None:
    change = change_on(version=version)
    table = '\n[servers.internet_connector]\nname = "From the Internet {server}"\nbindings = ["192.0.2.25:25"]\n'
    change.edit(r"(\n# Partners agreed)", table.replace("\\", "\\\\") + r"\1")
    records = {record.step: record for record in change.apply("MBX1")}
    assert records["verify"].status.value == "unchanged"
    assert "internet-connector-not-needed" in {f["rule"] for f in records["confirm"].findings}
    assert f"MBX1\\{NAME}" not in change.lab.server(change.site, "MBX1").snapshot()["receive_connectors"]
