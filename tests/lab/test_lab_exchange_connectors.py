"""Send and receive connectors: every rule refused with its text, and how the objects look."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from exchange_world import World, command, error, ok, one, run

CASES = json.loads((Path(__file__).parent / "cases" / "exchange_connectors.json").read_text(encoding="utf-8"))


def case_id(case: dict[str, Any]) -> str:
    parts = [case["rule"], case["cmdlet"].split("-")[0], case.get("why", ""), "allowed" if "allowed" in case else ""]
    return " ".join(filter(None, parts))


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_rule_is_kept_whatever_a_command_would_make(case: dict[str, Any]) -> None:
    world = World(case.get("version", "SE"))
    server = world.edge if case.get("on") == "edge" else world.mailbox
    for cmdlet, parameters in case.get("before", []):
        ok(server, cmdlet, **parameters)
    if case.get("allowed"):
        before = server.snapshot()
        ok(server, case["cmdlet"], **case["parameters"])
        assert server.snapshot() != before
    else:
        assert case["message"] in error(server, case["cmdlet"], **case["parameters"])["message"]


def test_a_new_send_connector_shows_its_properties_as_exchange_spells_them() -> None:
    world = World()
    parameters = {"Name": "To partners", "AddressSpaces": ["contoso.com", "smtp:*.fabrikam.com;5"], "RequireTLS": True}
    select = ("Identity", "AddressSpaces", "RequireTLS", "Fqdn", "TlsAuthLevel", "SmartHosts", "MaxMessageSize",
              "SourceTransportServers", "ProtocolLoggingLevel", "Port", "TlsCertificateName", "SmartHostsString",
              "Nope", "ConnectionInactivityTimeOut")  # fmt: skip
    assert one(world.mailbox, "New-SendConnector", select, **parameters) == {
        "Identity": "To partners",
        "AddressSpaces": ["SMTP:contoso.com;1", "SMTP:*.fabrikam.com;5"],
        "RequireTLS": "True",
        "Fqdn": None,
        "TlsAuthLevel": None,
        "SmartHosts": [],
        "MaxMessageSize": "35 MB (36,700,160 bytes)",
        "SourceTransportServers": ["MBX1"],
        "ProtocolLoggingLevel": "None",
        "Port": "25",
        "TlsCertificateName": None,
        "SmartHostsString": "",
        "ConnectionInactivityTimeOut": "00:10:00",
    }


@pytest.mark.parametrize(("version", "missing"), [("2007", {"TlsCertificateName", "TlsAuthLevel", "TlsDomain"}),
                                                  ("2010", {"TlsCertificateName"}), ("2013", set())])  # fmt: skip
def test_a_property_that_a_version_does_not_have_is_left_out(version: str, missing: set[str]) -> None:
    world = World(version)
    select = ("Name", "TlsCertificateName", "TlsAuthLevel", "TlsDomain")
    shown = one(world.mailbox, "New-SendConnector", select, Name="a", AddressSpaces=["*"])
    assert set(select) - set(shown) == missing
    receive = ok(world.mailbox, "Get-ReceiveConnector", ("TlsCertificateName",))
    assert all(("TlsCertificateName" in item) == ("TlsCertificateName" not in missing) for item in receive)


def test_usage_sets_the_size_limit() -> None:
    world = World()
    shown = one(world.mailbox, "New-SendConnector", ("MaxMessageSize",), Name="a", AddressSpaces=["*"], Internal=True)
    assert shown == {"MaxMessageSize": "Unlimited"}


def test_smart_hosts_print_addresses_in_brackets() -> None:
    world = World()
    parameters = {
        "Name": "a",
        "AddressSpaces": ["*"],
        "DNSRoutingEnabled": False,
        "SmartHosts": ["10.1.1.1", "r.example"],
    }
    shown = one(world.mailbox, "New-SendConnector", ("SmartHosts", "SmartHostsString"), **parameters)
    assert shown == {"SmartHosts": ["[10.1.1.1]", "r.example"], "SmartHostsString": "[10.1.1.1],r.example"}


def test_set_changes_only_what_it_names_and_null_clears() -> None:
    world = World()
    name = "<I>CN=a<S>CN=b"
    ok(
        world.mailbox,
        "New-SendConnector",
        Name="a",
        AddressSpaces=["*"],
        TlsCertificateName=name,
        Fqdn="mail.example.com",
    )
    ok(world.mailbox, "Set-SendConnector", Identity="A", TlsCertificateName=None, Name="b")
    shown = one(world.mailbox, "Get-SendConnector", ("Identity", "Fqdn", "TlsCertificateName"), Identity="b")
    assert shown == {"Identity": "b", "Fqdn": "mail.example.com", "TlsCertificateName": None}


def test_set_without_a_difference_warns() -> None:
    world = World()
    ok(world.mailbox, "New-SendConnector", Name="a", AddressSpaces=["*"])
    answer = run(world.mailbox, "Set-SendConnector", Identity="a", RequireTLS=False)
    text = "The command completed successfully but no settings of 'a' have been modified."
    assert (answer["ok"], answer["warnings"]) == (True, [text])


def test_what_if_changes_no_connector() -> None:
    world = World()
    ok(world.mailbox, "New-SendConnector", Name="a", AddressSpaces=["*"])
    before = world.mailbox.snapshot()
    ok(world.mailbox, "New-SendConnector", Name="b", AddressSpaces=["*"], WhatIf=True)
    ok(world.mailbox, "Set-SendConnector", Identity="a", RequireTLS=True, WhatIf=True)
    ok(world.mailbox, "Remove-SendConnector", Identity="a", WhatIf=True)
    ok(world.mailbox, "Set-ReceiveConnector", Identity="MBX1\\Default MBX1", Enabled=False, WhatIf=True)
    assert world.mailbox.snapshot() == before


@pytest.mark.parametrize("identity", [None, "", "nobody"])
@pytest.mark.parametrize(("cmdlet", "count"), [("Get-SendConnector", 2), ("Get-ReceiveConnector", 5),
                                               ("Get-ExchangeServer", 1), ("Get-AcceptedDomain", 2)])  # fmt: skip
def test_an_empty_or_unknown_identity_lists_everything(cmdlet: str, count: int, identity: str | None) -> None:
    world = World()
    for name in "ab":
        ok(world.mailbox, "New-SendConnector", Name=name, AddressSpaces=["*"])
    assert len(ok(world.mailbox, cmdlet, Identity=identity)) == count


def test_a_piped_connector_is_the_identity() -> None:
    world = World()
    ok(world.mailbox, "New-SendConnector", Name="a", AddressSpaces=["*"])
    first, second = command("Get-SendConnector", {}), command("Set-SendConnector", {"RequireTLS": True})
    assert world.mailbox.execute([first, second], [])["ok"]
    assert one(world.mailbox, "Get-SendConnector", ("RequireTLS",)) == {"RequireTLS": "True"}


def test_default_receive_connectors_are_those_of_the_version_and_role() -> None:
    select = ("Identity", "Fqdn", "AuthMechanism", "PermissionGroups", "Bindings", "TransportRole")
    shown = ok(World().mailbox, "Get-ReceiveConnector", select)
    assert [item["Identity"].split("\\")[1] for item in shown] == [
        "Default Frontend MBX1", "Client Frontend MBX1", "Outbound Proxy Frontend MBX1", "Default MBX1",
        "Client Proxy MBX1",
    ]  # fmt: skip
    assert shown[0] == {
        "Identity": "MBX1\\Default Frontend MBX1",
        "Fqdn": "mbx1.corp.example",
        "AuthMechanism": "Tls, Integrated, BasicAuth, BasicAuthRequireTLS, ExchangeServer",
        "PermissionGroups": "AnonymousUsers, ExchangeServers, ExchangeLegacyServers",
        "Bindings": ["[::]:25", "0.0.0.0:25"],
        "TransportRole": "FrontendTransport",
    }
    assert one(World().edge, "Get-ReceiveConnector", select) == {
        "Identity": "EDGE1\\Default internal receive connector EDGE1",
        "Fqdn": "mail.example.com",
        "AuthMechanism": "Tls, ExchangeServer",
        "PermissionGroups": "AnonymousUsers, ExchangeServers, Partners",
        "Bindings": ["[::]:25", "0.0.0.0:25"],
    }
    hub = ok(World("2010").mailbox, "Get-ReceiveConnector", ("Identity",))
    assert [item["Identity"] for item in hub] == ["MBX1\\Default MBX1", "MBX1\\Client MBX1"]


def test_usage_decides_auth_groups_and_ranges() -> None:
    world = World("2010")
    select = ("AuthMechanism", "PermissionGroups", "RemoteIPRanges", "Fqdn", "RequireTLS")
    parameters = {"Name": "Internet", "Usage": "Internet", "Bindings": ["192.0.2.1:25"], "Fqdn": "mail.example.com"}
    assert one(world.mailbox, "New-ReceiveConnector", select, **parameters) == {
        "AuthMechanism": "Tls",
        "PermissionGroups": "AnonymousUsers",
        "RemoteIPRanges": ["0.0.0.0-255.255.255.255"],
        "Fqdn": "mail.example.com",
        "RequireTLS": "False",
    }


def test_a_mailbox_server_lists_the_receive_connectors_of_the_whole_organisation() -> None:
    world = World()
    world._server("mbx2", "SE")
    assert len(ok(world.mailbox, "Get-ReceiveConnector")) == 10
    assert len(ok(world.mailbox, "Get-ReceiveConnector", Server="MBX2")) == 5
    ok(
        world.mailbox,
        "Set-ReceiveConnector",
        Identity="MBX2\\Default Frontend MBX2",
        Fqdn="mbx2.corp.example",
        Enabled=False,
    )
    refused = run(world.mailbox, "Set-ReceiveConnector", Identity="MBX2\\Default MBX2", Fqdn="mbx1.corp.example")
    assert '"mbx2.corp.example"' in refused["errors"][0]["message"]


def test_remove_takes_a_connector_away() -> None:
    world = World()
    ok(world.mailbox, "Remove-ReceiveConnector", Identity="Client Proxy MBX1", Confirm=False)
    assert len(ok(world.mailbox, "Get-ReceiveConnector")) == 4
