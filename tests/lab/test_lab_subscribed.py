"""Labs whose Edges are subscribed, and EdgeSync's misbehaviours."""

from __future__ import annotations

import tomllib

import pytest
from exchange_world import World, ok, one

from tlsrunbook.errors import UsageError
from tlsrunbook.lab.exchange.keys import KeyRing
from tlsrunbook.lab.from_site import site_plan
from tlsrunbook.lab.lab import Lab
from tlsrunbook.site import parse_site

STATE = ("SyncStatus", "SendConnectorStatus")


def subscribed() -> World:
    world = World()
    ok(world.edge, "New-EdgeSubscription", FileName="c:\\edge.xml", Force=True)
    ok(world.mailbox, "New-EdgeSubscription", FileData=world.edge.read_file("c:\\edge.xml"), Site="London")
    ok(world.mailbox, "Start-EdgeSynchronization")
    ok(world.mailbox, "New-SendConnector", Name="New", AddressSpaces=["a.example"], SourceTransportServers=["EDGE1"])
    return world


def test_every_edge_is_subscribed_and_in_step_from_the_start() -> None:
    with Lab(servers=4, keys=KeyRing(), subscribed=True) as lab:
        organization = lab.organization("london")
        assert set(organization.subscriptions) == {"EDGE1", "EDGE2"}
        shown = ok(lab.server("london", "MBX2"), "Test-EdgeSynchronization", STATE)
        assert shown == [{"SyncStatus": "Normal", "SendConnectorStatus": "Synchronized"}] * 2
        text = lab.site_file_text("london")
        assert (text.count('send_through = "MBX1"'), text.count('send_through = "MBX2"')) == (1, 1)


@pytest.mark.parametrize("servers", [1])
def test_a_subscription_needs_somebody_inside(servers: int) -> None:
    with pytest.raises(UsageError, match="an Edge and a Mailbox server"):
        Lab(servers=servers, subscribed=True)


def test_a_slow_edgesync_says_success_and_needs_some_looks() -> None:
    world = subscribed()
    world.edge.faults.set("edgesync-slow@EDGE1")
    world.mailbox.faults.set("edgesync-slow@EDGE1")
    assert one(world.mailbox, "Start-EdgeSynchronization", ("Result",)) == {"Result": "Success"}
    seen = [one(world.mailbox, "Test-EdgeSynchronization", STATE)["SyncStatus"] for _ in range(4)]
    assert seen == ["Inconclusive", "Inconclusive", "Normal", "Normal"]


def test_a_stuck_edgesync_never_brings_anything_until_it_is_started_without_the_fault() -> None:
    world = subscribed()
    world.mailbox.faults.set("edgesync-stuck@EDGE1")
    assert one(world.mailbox, "Start-EdgeSynchronization", ("Result",)) == {"Result": "Success"}
    seen = {one(world.mailbox, "Test-EdgeSynchronization", STATE)["SyncStatus"] for _ in range(5)}
    assert seen == {"Inconclusive"}
    world.mailbox.faults.clear()
    ok(world.mailbox, "Start-EdgeSynchronization")
    assert one(world.mailbox, "Test-EdgeSynchronization", STATE)["SyncStatus"] == "Normal"


def test_replacing_the_mailbox_servers_default_certificate_breaks_edgesync_too() -> None:
    world = subscribed()
    old, new = world.mailbox.internal_thumbprint, world.installed(world.mailbox)
    ok(world.mailbox, "Enable-ExchangeCertificate", Thumbprint=new, Services="SMTP", Force=True)
    failed = one(world.mailbox, "Start-EdgeSynchronization", ("Result", "FailureDetails"))
    assert failed["Result"] == "CouldNotConnect"
    assert new in failed["FailureDetails"]
    assert "isn't the one that the Edge Subscription was made with" in failed["FailureDetails"]
    ok(world.mailbox, "Enable-ExchangeCertificate", Thumbprint=old, Services="SMTP", Force=True)
    assert one(world.mailbox, "Start-EdgeSynchronization", ("Result",)) == {"Result": "Success"}


def test_a_site_file_that_sends_through_another_server_makes_a_subscribed_edge_of_any_name() -> None:
    with Lab(servers=2, keys=KeyRing(), subscribed=True) as lab:
        site = parse_site(tomllib.loads(lab.site_file_text("london").replace('"EDGE1"', '"FRONT1"')))
    plan = site_plan(site, {}, "SE", ())
    assert [(one.name, one.is_edge, one.send_through) for one in plan.servers] == [
        ("FRONT1", True, "MBX1"),
        ("MBX1", False, ""),
    ]
    with Lab(plan=(plan,), keys=KeyRing()) as rehearsal:
        assert set(rehearsal.organization("london").subscriptions) == {"FRONT1"}
