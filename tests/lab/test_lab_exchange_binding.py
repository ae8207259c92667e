"""Binding: what PowerShell refuses before a cmdlet runs, in its own words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from exchange_world import NOW, World, command, error, ok, one, run

CASES = json.loads((Path(__file__).parent / "cases" / "exchange_binding.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_refused_with_powershells_text_and_id(case: dict[str, Any]) -> None:
    world = World(case.get("version", "SE"))
    server = world.edge if case.get("on") == "edge" else world.mailbox
    found = error(server, case["cmdlet"], **case["parameters"])
    assert case["message"] in found["message"]
    assert found["error_id"].startswith(case["error_id"])
    assert found["category"] == case["category"]


def test_names_may_be_abbreviated_and_of_any_case() -> None:
    server = World().mailbox
    ok(server, "new-sendconnector", name="A", ADDRESSSPACES=["a.example"], Requiretl=True)
    assert one(server, "Get-SendConnector", ("RequireTLS",), ident="a") == {"RequireTLS": "True"}


def test_an_alias_binds() -> None:
    server = World().mailbox
    ok(server, "New-SendConnector", Name="A", AddressSpaces=["a.example"], wi=True)
    assert ok(server, "Get-SendConnector") == []


def test_a_parameter_given_twice_is_refused() -> None:
    server = World().mailbox
    twice = command("Get-SendConnector", {"Identity": "a"})
    twice["parameters"] += command("x", {"ident": "b"})["parameters"]
    assert server.execute([twice], [])["errors"][0]["error_id"] == "ParameterAlreadyBound,Get-SendConnector"


def test_numbers_are_good_for_booleans_and_texts_for_numbers() -> None:
    server = World().mailbox
    ok(server, "New-SendConnector", Name="A", AddressSpaces=["a.example"], RequireTLS=1, Port="2525")
    assert one(server, "Get-SendConnector", ("RequireTLS", "Port")) == {"RequireTLS": "True", "Port": "2525"}


def test_a_secret_never_shows_in_a_refusal() -> None:
    world = World()
    parameters = {"FileData": b"0", "Password": "MARKER-in-clear"}
    assert "MARKER" not in json.dumps(run(world.mailbox, "Import-ExchangeCertificate", **parameters))


def test_named_parameters_of_the_second_command_are_bound_before_the_first_runs() -> None:
    world = World()
    leaf = world.issued_for_request(world.edge)
    before = world.edge.snapshot()
    first = command("Import-ExchangeCertificate", {"FileData": world.ca.bundle(leaf)})
    answer = world.edge.execute([first, command("Enable-ExchangeCertificate", {"Servces": "SMTP"})], [])
    assert answer["errors"][0]["error_id"] == "NamedParameterNotFound,Enable-ExchangeCertificate"
    assert world.edge.snapshot() == before


def test_a_cmdlet_outside_the_lab_says_so_and_changes_nothing() -> None:
    found = error(World().mailbox, "Set-TransportService", Identity="MBX1", MaxOutboundConnections="10")
    assert found["message"] == "not simulated by the lab: Set-TransportService"


def test_exchange_errors_carry_server_time_and_category_since_2013() -> None:
    found = error(World().mailbox, "Set-SendConnector", Identity="none", Enabled=True)["error_id"]
    assert found.startswith("[Server=MBX1,RequestId=")
    assert "TimeStamp=11/24/2026 12:00:00 PM] [FailureCategory=Cmdlet-ManagementObjectNotFoundException]" in found
    assert found.endswith(",Microsoft.Exchange.Management.SystemConfigurationTasks.SetSendConnector")
    old = error(World("2010").mailbox, "Set-SendConnector", Identity="none", Enabled=True)["error_id"]
    assert old[8:] == ",Microsoft.Exchange.Management.SystemConfigurationTasks.SetSendConnector"


def test_the_clock_is_the_worlds() -> None:
    assert World().mailbox.now() == NOW
