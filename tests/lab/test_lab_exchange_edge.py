"""Edge Subscriptions: what is blocked on the Edge, how connectors arrive, and what breaks the trust."""

from __future__ import annotations

import pytest
from exchange_world import World, error, ok, one, run

from tlsrunbook.errors import UsageError
from tlsrunbook.lab.exchange.world import LabServer, Organization


def subscribed(version: str = "SE") -> World:
    """Subscribe as an administrator does: file on the Edge, imported on a Mailbox server, synchronised."""
    world = World(version)
    ok(world.edge, "New-EdgeSubscription", FileName="c:\\edge.xml", Force=True)
    ok(world.mailbox, "New-EdgeSubscription", FileData=world.edge.read_file("c:\\edge.xml"), Site="London")
    ok(world.mailbox, "Start-EdgeSynchronization")
    return world


def sends(server: LabServer) -> list[str]:
    return [item["Name"] for item in ok(server, "Get-SendConnector", ("Name",))]


def test_subscribing_makes_the_automatic_connectors_and_edgesync_brings_them() -> None:
    world = subscribed()
    select = ("Name", "AddressSpaces", "SmartHosts", "DomainSecureEnabled", "SourceTransportServers")
    inside = ok(world.mailbox, "Get-SendConnector", select)
    assert inside == [
        {"Name": "EdgeSync - Inbound to London", "AddressSpaces": ["SMTP:--;1"], "SmartHosts": ["--"],
         "DomainSecureEnabled": "False", "SourceTransportServers": ["EDGE1"]},
        {"Name": "EdgeSync - London to Internet", "AddressSpaces": ["SMTP:*;100"], "SmartHosts": [],
         "DomainSecureEnabled": "True", "SourceTransportServers": ["EDGE1"]},
    ]  # fmt: skip
    assert sends(world.edge) == [item["Name"] for item in inside]
    assert ok(world.edge, "Get-SendConnector", ("SourceTransportServers",))[0] == {"SourceTransportServers": []}
    assert [item["DomainName"] for item in ok(world.edge, "Get-AcceptedDomain", ("DomainName",))] == [
        "example.com", "example.net",
    ]  # fmt: skip


def test_both_sides_list_the_subscription() -> None:
    world = subscribed()
    for server in (world.mailbox, world.edge):
        assert one(server, "Get-EdgeSubscription", ("Name",)) == {"Name": "EDGE1"}
    assert ok(World().edge, "Get-EdgeSubscription") == []


@pytest.mark.parametrize("cmdlet", ["New-SendConnector", "Set-SendConnector", "Remove-SendConnector"])
def test_send_connectors_cannot_be_changed_on_a_subscribed_edge(cmdlet: str) -> None:
    world = subscribed()
    target = {"Name": "a", "AddressSpaces": ["*"]} if cmdlet.startswith("New") else {"Identity": sends(world.edge)[0]}
    assert "subscribed Edge Transport server" in error(world.edge, cmdlet, **target)["message"]


def test_receive_connectors_and_certificates_stay_local_to_the_edge() -> None:
    world = subscribed()
    ok(world.edge, "Set-ReceiveConnector", Identity="Default internal receive connector EDGE1", Fqdn="mx.example.com")
    world.installed(world.edge)


def test_a_connector_made_inside_arrives_with_the_next_synchronisation() -> None:
    world = subscribed()
    wanted = {"Name": "TLS required", "AddressSpaces": ["partner.example"], "RequireTLS": True}
    ok(world.mailbox, "New-SendConnector", **wanted, SourceTransportServers=["edge1"])
    ok(world.mailbox, "New-SendConnector", Name="Inside only", AddressSpaces=["b.example"])
    assert "TLS required" not in sends(world.edge)
    state = ("SyncStatus", "SendConnectorStatus")
    assert one(world.mailbox, "Test-EdgeSynchronization", state, ExcludeRecipientTest=True) == {
        "SyncStatus": "Inconclusive", "SendConnectorStatus": "NotSynchronized",
    }  # fmt: skip
    counts = ("Result", "Added", "Updated", "Deleted")
    assert one(world.mailbox, "Start-EdgeSynchronization", counts, Server="MBX1") == {
        "Result": "Success", "Added": "1", "Updated": "0", "Deleted": "0",
    }  # fmt: skip
    assert "TLS required" in sends(world.edge)
    assert "Inside only" not in sends(world.edge)
    assert one(world.mailbox, "Test-EdgeSynchronization", state, ExcludeRecipientTest=True) == {
        "SyncStatus": "Normal", "SendConnectorStatus": "Synchronized",
    }  # fmt: skip


def test_changes_and_removals_arrive_too() -> None:
    world = subscribed()
    ok(world.mailbox, "Set-SendConnector", Identity="EdgeSync - London to Internet", Fqdn="mail.example.com")
    ok(world.mailbox, "Remove-SendConnector", Identity="EdgeSync - Inbound to London", Confirm=False)
    shown = one(world.mailbox, "Start-EdgeSynchronization", ("Updated", "Deleted"))
    assert shown == {"Updated": "1", "Deleted": "1"}
    assert one(world.edge, "Get-SendConnector", ("Fqdn",)) == {"Fqdn": "mail.example.com"}


def test_replacing_the_edges_default_certificate_breaks_edgesync_until_it_is_put_back() -> None:
    world = subscribed()
    old, new = world.edge.internal_thumbprint, world.installed(world.edge)
    ok(world.edge, "Enable-ExchangeCertificate", Thumbprint=new, Services="SMTP", Force=True)
    failed = one(world.mailbox, "Start-EdgeSynchronization", ("Result", "FailureDetails"))
    assert failed["Result"] == "CouldNotConnect"
    assert new in failed["FailureDetails"]
    assert old in failed["FailureDetails"]
    tested = one(world.mailbox, "Test-EdgeSynchronization", ("SyncStatus",))
    assert tested == {"SyncStatus": "Failed"}
    ok(world.edge, "Enable-ExchangeCertificate", Thumbprint=old, Services="SMTP", Force=True)
    assert one(world.mailbox, "Start-EdgeSynchronization", ("Result",)) == {"Result": "Success"}


def test_a_subscribed_edge_is_listed_inside_with_the_version_of_its_subscription() -> None:
    world = subscribed("2019")
    shown = ok(world.mailbox, "Get-ExchangeServer", ("Name", "IsEdgeServer", "AdminDisplayVersion", "ServerRole"))
    assert shown == [
        {"Name": "MBX1", "IsEdgeServer": "False", "AdminDisplayVersion": "Version 15.2 (Build 1748.10)",
         "ServerRole": "Mailbox"},
        {"Name": "EDGE1", "IsEdgeServer": "True", "AdminDisplayVersion": "Version 15.2 (Build 1748.10)",
         "ServerRole": "Edge"},
    ]  # fmt: skip


def test_one_connector_cannot_have_edge_and_mailbox_sources() -> None:
    world = subscribed()
    wanted = {"Name": "a", "AddressSpaces": ["*"], "SourceTransportServers": ["EDGE1", "MBX1"]}
    assert "can't be the sources of one" in error(world.mailbox, "New-SendConnector", **wanted)["message"]


def test_subscribing_on_the_edge_asks_unless_forced() -> None:
    found = error(World().edge, "New-EdgeSubscription", FileName="c:\\edge.xml")
    assert "will be managed via EdgeSync replication" in found["message"]


def test_subscription_files_are_checked() -> None:
    world = subscribed()
    again = run(world.mailbox, "New-EdgeSubscription", FileData=world.edge.read_file("c:\\edge.xml"))
    assert "already subscribed" in again["errors"][0]["message"]
    for data in (b"", b"[]", b"<x/>"):
        assert "isn't valid" in error(world.mailbox, "New-EdgeSubscription", FileData=data)["message"]


def test_removing_the_subscription_on_both_sides_frees_the_edge() -> None:
    world = subscribed()
    assert "prompts the user" in error(world.mailbox, "Remove-EdgeSubscription", Identity="EDGE1")["message"]
    for server in (world.mailbox, world.edge):
        ok(server, "Remove-EdgeSubscription", Identity="EDGE1", Confirm=False)
        assert ok(server, "Get-EdgeSubscription") == []
    ok(world.edge, "New-SendConnector", Name="a", AddressSpaces=["*"])
    assert "No Edge Subscription" in error(world.mailbox, "Start-EdgeSynchronization")["message"]


def test_a_mailbox_server_needs_an_organisation_and_2013_had_no_edge_at_first() -> None:
    with pytest.raises(UsageError, match="needs an organisation"):
        LabServer("mbx1", "mbx1.corp.example")
    with pytest.raises(UsageError, match="no Edge Transport role before"):
        LabServer("e", "e.corp.example", "15.0.516.32", is_edge=True, organization=Organization("o", "corp.example"))
