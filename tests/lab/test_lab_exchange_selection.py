"""Which certificate Exchange shows for inbound STARTTLS: a table of cases, and which connector takes the connection."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from exchange_world import DAY, NOW, TestCA, World, name, ok

from tlsrunbook.lab.exchange.inbound import InboundServer
from tlsrunbook.lab.exchange.issuing import self_signed
from tlsrunbook.lab.exchange.names import tls_certificate_name
from tlsrunbook.lab.exchange.stores import public_der, thumbprint_of

CASES = json.loads((Path(__file__).parent / "cases" / "exchange_selection.json").read_text(encoding="utf-8"))
DEFAULT = "EDGE1\\Default internal receive connector EDGE1"


def certificate(world: World, facts: dict[str, Any], key: Any, stranger: TestCA) -> x509.Certificate:
    cn = facts.get("cn", "mail.example.com")
    start, end = NOW + facts.get("start", -1) * DAY, NOW + facts.get("end", 90) * DAY
    if facts.get("issuer") == "self":
        return self_signed(key, name(cn), (cn,), start, end - start)
    ca = stranger if facts.get("issuer") == "stranger" else world.ca
    return ca.issue(key.public_key(), cn, tuple(facts.get("names", ())), start=start, end=end)


def prepare(world: World, case: dict[str, Any]) -> dict[str, str]:
    """Put the case's certificates and connector in place; give thumbprints by id."""
    edge, stranger = world.edge, TestCA(world.keys, "Stranger")
    # The stranger's root came along with some bundle, and nobody trusts it.
    added = [
        stranger.intermediate,
        stranger.root,
        *([world.ca.intermediate] if case.get("intermediates", True) else []),
    ]
    edge.stores.ca.update({thumbprint_of(one): one for one in added})
    found = {"self-signed by setup": edge.internal_thumbprint}
    names = {}
    for facts in case["certificates"]:
        key = world.keys(2048)
        made = certificate(world, facts, key, stranger)
        found[facts["id"]] = edge.install(made, key if facts.get("key", True) else None, facts["services"])
        names[facts["id"]] = tls_certificate_name(made)
    wanted = case["connector"]
    tls_name = wanted.get("tls_certificate") or names.get(wanted.get("tls_certificate_of", ""))
    if tls_name and wanted.get("small_tags"):
        tls_name = tls_name.replace("<I>", "<i>").replace("<S>", "<s>")
    ok(edge, "Set-ReceiveConnector", Identity=DEFAULT, Fqdn=wanted["fqdn"], TlsCertificateName=tls_name,
       AuthMechanism=wanted.get("auth", "Tls"))  # fmt: skip
    return found


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_certificate_is_chosen_by_exchanges_rules(case: dict[str, Any]) -> None:
    world = World()
    thumbprints = prepare(world, case)
    tls = world.edge.inbound(25)
    assert (thumbprint_of(tls.certificate) if tls.certificate else None) == thumbprints.get(case["shown"])
    assert tls.offered is (case["shown"] is not None)
    assert list(tls.events) == case.get("events", [])
    assert tls.usable is case.get("usable", True)
    assert tls.connector == DEFAULT
    if "chain" in case:
        assert len(tls.chain_der) == case["chain"]
    assert case.get("trace", "") in "\n".join(tls.trace)
    if tls.certificate is not None:
        assert tls.key is not None
        assert public_der(tls.key.public_key()) == public_der(tls.certificate.public_key())


def test_the_chain_is_the_intermediates_without_the_root() -> None:
    world = World()
    thumbprint = world.installed(world.edge)
    ok(world.edge, "Enable-ExchangeCertificate", Thumbprint=thumbprint, Services="SMTP", Force=True)
    tls = world.edge.inbound(25)
    assert [x509.load_der_x509_certificate(der) for der in tls.chain_der] == [world.ca.intermediate]


def test_network_service_access_makes_a_certificate_usable_without_smtp() -> None:
    world = World()
    thumbprint = world.installed(world.edge)
    tls_name = world.edge.stores.my[thumbprint].tls_certificate_name
    ok(world.edge, "Set-ReceiveConnector", Identity=DEFAULT, TlsCertificateName=tls_name)
    assert world.edge.inbound(25).usable is False
    ok(world.edge, "Enable-ExchangeCertificate", Thumbprint=thumbprint, Services="POP", NetworkServiceAllowed=True)
    assert world.edge.inbound(25).usable is True


def test_the_narrowest_range_takes_the_connection() -> None:
    world = World()
    ok(world.mailbox, "New-ReceiveConnector", Name="Partners", Usage="Custom", Bindings=["0.0.0.0:25"],
       RemoteIPRanges=["198.51.100.0/24"], TransportRole="FrontendTransport")  # fmt: skip
    assert world.mailbox.inbound(25, "198.51.100.7").connector == "MBX1\\Partners"
    assert world.mailbox.inbound(25, "203.0.113.7").connector == "MBX1\\Default Frontend MBX1"
    assert world.mailbox.inbound(587, "2001:db8::1").connector == "MBX1\\Client Frontend MBX1"


def test_no_connector_takes_a_port_that_is_not_bound_or_disabled() -> None:
    world = World()
    assert world.edge.inbound(2525).connector == ""
    ok(world.edge, "Set-ReceiveConnector", Identity=DEFAULT, Enabled=False)
    assert (world.edge.inbound(25).connector, world.edge.inbound(25).offered) == ("", False)


def test_a_connector_may_be_named() -> None:
    world = World()
    assert world.mailbox.inbound("MBX1\\Default MBX1").connector == "MBX1\\Default MBX1"
    assert world.mailbox.inbound("default mbx1").connector == "MBX1\\Default MBX1"


def test_listeners_tell_what_an_smtp_server_needs() -> None:
    world = World()
    server: InboundServer = world.edge
    ok(world.edge, "Set-ReceiveConnector", Identity=DEFAULT, RequireTLS=True, Banner="220 Hello")
    (listener,) = server.receive_connectors()
    assert (listener.identity, listener.fqdn, listener.ports) == (DEFAULT, "mail.example.com", (25,))
    assert (listener.auth, listener.enabled, listener.require_tls) == (("Tls", "ExchangeServer"), True, True)
    assert (listener.anonymous, listener.banner) == (True, "220 Hello")
    ok(world.edge, "Set-ReceiveConnector", Identity=DEFAULT, Fqdn=None)
    assert server.receive_connectors()[0].fqdn == "edge1.corp.example"
