"""The cmdlets that show servers, transport services, accepted domains and queues."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tlsrunbook.lab.exchange.call import Call
from tlsrunbook.lab.exchange.psobject import PSObject

if TYPE_CHECKING:
    from tlsrunbook.lab.exchange.directory import EdgeSubscription
    from tlsrunbook.lab.exchange.world import LabServer

_ROLES = {"2007": "Mailbox, ClientAccess, HubTransport", "2010": "Mailbox, ClientAccess, HubTransport"}


def get_servers(call: Call) -> Iterable[PSObject]:
    """List servers: on Edge itself, inside all Mailbox servers and subscribed Edges."""
    if "Domain" in call.bound:
        return [one for one in _servers(call) if one.properties["Domain"] == str(call.get("Domain")).lower()]
    return _by_identity(call, _servers(call))


def _servers(call: Call) -> list[PSObject]:
    organization = call.server.organization
    if call.server.is_edge or organization is None:
        return [_server_object(call.server, None)]
    with organization.lock:
        edges = [(organization.edges[n], s) for n, s in organization.subscriptions.items() if n in organization.edges]
        inside = [_server_object(server, None) for server in organization.mailbox_servers()]
        return [*inside, *(_server_object(edge, subscription) for edge, subscription in edges)]


def _server_object(server: LabServer, subscription: EdgeSubscription | None) -> PSObject:
    """Show a server; a subscribed Edge's version is the one of the day it was subscribed."""
    role = "Edge" if server.is_edge else _ROLES.get(server.build.product, "Mailbox")
    properties = {
        "Name": server.name,
        "Identity": server.name,
        "Fqdn": server.fqdn,
        "Domain": server.domain,
        "AdminDisplayVersion": subscription.display if subscription else server.build.display,
        "ServerRole": "Mailbox, ClientAccess" if server.build.product == "2013" and not server.is_edge else role,
        "IsEdgeServer": server.is_edge,
        "IsHubTransportServer": not server.is_edge,
        "IsMailboxServer": not server.is_edge,
        "Edition": "Standard",
        "Site": server.organization.site if server.organization and not server.is_edge else None,
    }
    return PSObject("ExchangeServer", properties, {"Identity": server.name, "Server": server.name})


def _by_identity(call: Call, every: list[PSObject]) -> list[PSObject]:
    """Keep the one that ``-Identity`` names; a null or unknown identity keeps them all."""
    wanted = str(call.get("Identity") or "").lower()
    found = [one for one in every if wanted in (str(one.properties["Name"]).lower(), one.properties.get("Fqdn"))]
    return found or every


def get_transport(call: Call) -> Iterable[PSObject]:
    """Show transport services with the internal transport certificate's thumbprint."""
    organization = call.server.organization
    if call.server.is_edge or organization is None:
        return [_transport_object(call.server)]
    with organization.lock:
        return _by_identity(call, [_transport_object(server) for server in organization.mailbox_servers()])


def _transport_object(server: LabServer) -> PSObject:
    properties = {
        "Name": server.name,
        "Identity": server.name,
        "Fqdn": server.fqdn,
        "InternalTransportCertificateThumbprint": server.internal_thumbprint or None,
    }
    return PSObject("TransportServer", properties, {"Identity": server.name})


def get_accepted_domains(call: Call) -> Iterable[PSObject]:
    """List accepted domains."""
    shown = [
        PSObject(
            "AcceptedDomain",
            {
                "Name": domain.name,
                "Identity": domain.name,
                "DomainName": domain.name,
                "DomainType": domain.kind,
                "Default": domain.default,
            },
            {"Identity": domain.name},
        )
        for domain in call.server.accepted_domains()
    ]
    return _by_identity(call, shown)


def test_smtp(call: Call) -> Iterable[PSObject]:
    """Connect to the receive connectors' bindings; says nothing of TLS or certificates."""
    server = call.server
    wanted = call.get("Identity")
    if wanted and not server.is_called(str(wanted)):
        raise call.other_server(str(wanted))
    closed = server.faults.hits("smtp-closed", server.name)
    shown: list[PSObject] = []
    for connector in server.own_receive_connectors():
        listening = connector.get("Enabled") and not closed
        shown.extend(
            PSObject(
                "SmtpConnectivityStatus",
                {
                    "Server": server.name,
                    "ReceiveConnector": connector.identity,
                    "Binding": str(binding),
                    "EndPoint": str(binding),
                    "StatusCode": "Success" if listening else "UnableToConnect",
                    "Details": "" if listening else "No connection could be made.",
                },
                {},
            )
            for binding in connector.bindings
        )
    return shown


def get_queues(call: Call) -> Iterable[PSObject]:
    """List queues: none, as no mail ever travels in the lab."""
    call.check_server()
    return []
