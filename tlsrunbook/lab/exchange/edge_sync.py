"""Edge Subscriptions as the organisation keeps them, and EdgeSync, which trusts one certificate only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from tlsrunbook.lab.exchange.builds import Build
from tlsrunbook.lab.exchange.directory import Connector, EdgeDirectory, EdgeSubscription, send_connector

if TYPE_CHECKING:
    from tlsrunbook.lab.exchange.world import LabServer, Organization


@dataclass(frozen=True)
class SyncResult:
    """What one synchronisation of one Edge did.

    Args:
        failure: Why it failed, empty when it did not.
        added: Send connectors that are new on the Edge.
        updated: Those that changed.
        deleted: Those that went.
        scanned: Those that belong on the Edge.
    """

    failure: str = ""
    added: int = 0
    updated: int = 0
    deleted: int = 0
    scanned: int = 0


def subscribe(
    organization: Organization,
    edge: LabServer,
    now: datetime,
    *,
    site: str = "",
    internet: bool = True,
    inbound: bool = True,
) -> EdgeSubscription:
    """Subscribe an Edge: record the certificate to trust, and make the automatic send connectors.

    Args:
        organization: Who subscribes it.
        edge: The Edge Transport server.
        now: UTC.
        site: Active Directory site; the organisation's own when empty.
        internet: Whether to make ``EdgeSync - <Site> to Internet``.
        inbound: Whether to make ``EdgeSync - Inbound to <Site>``.
    """
    place = site or organization.site
    with organization.lock:
        known = {server.name: server.internal_thumbprint for server in organization.mailbox_servers()}
        subscription = EdgeSubscription(
            edge.name, edge.fqdn, place, edge.internal_thumbprint, edge.build.display, now, inside=known
        )
        organization.subscriptions[edge.name] = subscription
        inside = next(iter(organization.mailbox_servers()), edge)
        for connector in _automatic(edge.name, inside.build, place, internet=internet, inbound=inbound):
            organization.send.setdefault(connector.name.lower(), connector)
    with edge.directory.lock:
        _own(edge).subscribed = True
    return subscription


def _automatic(edge: str, build: Build, site: str, *, internet: bool, inbound: bool) -> list[Connector]:
    found = []
    if internet:
        outward = {
            "AddressSpaces": ("SMTP:*;100",),
            "DomainSecureEnabled": True,
            "SourceTransportServers": (edge,),
        }
        found.append(send_connector(f"EdgeSync - {site} to Internet", build, outward))
    if inbound:
        inward = {
            "AddressSpaces": ("SMTP:--;1",),
            "DNSRoutingEnabled": False,
            "SmartHosts": ("--",),
            "SmartHostAuthMechanism": "ExchangeServer",
            "SourceTransportServers": (edge,),
        }
        found.append(send_connector(f"EdgeSync - Inbound to {site}", build, inward))
    return found


def _own(edge: LabServer) -> EdgeDirectory:
    if not isinstance(edge.directory, EdgeDirectory):
        raise TypeError(f"{edge.name} is no Edge Transport server")
    return edge.directory


def distrust(organization: Organization, subscription: EdgeSubscription, inside: LabServer) -> str:
    """Say why an Edge cannot be spoken to, empty when it can.

    Args:
        organization: Whose Edge it is.
        subscription: What is remembered of it.
        inside: The Mailbox server that speaks to it.
    """
    edge = organization.edges.get(subscription.name)
    if edge is None:
        return f"The LDAP server {subscription.fqdn}:50636 is unavailable."
    if edge.internal_thumbprint != subscription.thumbprint:
        return (
            f"Microsoft Exchange EdgeSync can't connect to {subscription.fqdn}:50636: the certificate that the Edge "
            f"Transport server presented ({edge.internal_thumbprint}) isn't the one recorded by the Edge Subscription "
            f"({subscription.thumbprint})."
        )
    recorded = subscription.inside.get(inside.name, inside.internal_thumbprint)
    if inside.internal_thumbprint != recorded:
        return (
            f"Microsoft Exchange EdgeSync can't log on to {subscription.fqdn}:50636: the internal transport "
            f"certificate of {inside.name} ({inside.internal_thumbprint}) isn't the one that the Edge Subscription was "
            f"made with ({recorded})."
        )
    return ""


def belongs_on(organization: Organization, edge_name: str) -> dict[str, Connector]:
    """Give the send connectors whose source is this Edge, as the Edge shall have them."""
    found = {}
    for key, connector in organization.send.items():
        if edge_name in connector.properties["SourceTransportServers"]:
            copied = connector.copy()
            copied.properties["SourceTransportServers"] = ()
            found[key] = copied
    return found


def in_step(organization: Organization, subscription: EdgeSubscription) -> bool:
    """Whether the Edge's send connectors are those of the organisation."""
    edge = organization.edges[subscription.name]
    with organization.lock, edge.directory.lock:
        return edge.directory.send == belongs_on(organization, edge.name)


def synchronise(
    organization: Organization, subscription: EdgeSubscription, now: datetime, inside: LabServer
) -> SyncResult:
    """Replicate send connectors and accepted domains to one Edge.

    Args:
        organization: Whose Edge it is.
        subscription: What is remembered of it.
        now: UTC.
        inside: The Mailbox server that does it.
    """
    with organization.lock:
        failure = distrust(organization, subscription, inside)
        if failure:
            return SyncResult(failure)
        edge = organization.edges[subscription.name]
        wanted = belongs_on(organization, edge.name)
        with edge.directory.lock:
            have = edge.directory.send
            result = SyncResult(
                added=len(wanted.keys() - have.keys()),
                updated=sum(1 for key in wanted.keys() & have.keys() if wanted[key] != have[key]),
                deleted=len(have.keys() - wanted.keys()),
                scanned=len(wanted),
            )
            edge.directory.send = wanted
            edge.directory.accepted_domains = organization.accepted_domains
        organization.subscriptions[subscription.name] = replace(subscription, synchronised=now, late=0)
        return result


def put_off(organization: Organization, subscription: EdgeSubscription, looks: int) -> None:
    """Let a synchronisation that was ordered end only after some looks at it; never when there are less than none."""
    with organization.lock:
        organization.subscriptions[subscription.name] = replace(subscription, late=looks)


def go_on(organization: Organization, subscription: EdgeSubscription, now: datetime, inside: LabServer) -> None:
    """Bring a synchronisation that is under way one look further."""
    if subscription.late > 1:
        put_off(organization, subscription, subscription.late - 1)
    elif subscription.late == 1:
        synchronise(organization, subscription, now, inside)
