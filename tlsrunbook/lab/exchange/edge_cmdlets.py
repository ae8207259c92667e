"""The cmdlets for Edge Subscriptions and EdgeSync."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tlsrunbook.lab.exchange.call import Call
from tlsrunbook.lab.exchange.directory import EdgeDirectory, EdgeSubscription
from tlsrunbook.lab.exchange.edge_sync import SyncResult, distrust, go_on, in_step, put_off, subscribe, synchronise
from tlsrunbook.lab.exchange.psobject import PSObject

if TYPE_CHECKING:
    from tlsrunbook.lab.exchange.world import LabServer, Organization


def _organization(call: Call) -> Organization:
    organization = call.server.organization
    if organization is None:
        raise call.error("This server isn't a member of an Exchange organization.")
    return organization


def _subscribed(server: LabServer) -> bool:
    return isinstance(server.directory, EdgeDirectory) and server.directory.subscribed


def get_subscription(call: Call) -> Iterable[PSObject]:
    """List the organisation's Edge Subscriptions; on Edge its own, when there is one."""
    server = call.server
    if server.is_edge:
        return [_object(server.name, server.domain, "")] if _subscribed(server) else []
    organization = _organization(call)
    with organization.lock:
        every = [organization.subscriptions[name] for name in sorted(organization.subscriptions)]
        wanted = str(call.get("Identity") or "").lower()
        found = [one for one in every if wanted in (one.name.lower(), one.fqdn)]
        return [_object(one.name, one.fqdn.partition(".")[2], one.site) for one in found or every]


def _object(name: str, domain: str, site: str) -> PSObject:
    properties = {"Name": name, "Identity": name, "Domain": domain, "Site": site, "IsValid": True}
    return PSObject("EdgeSubscription", properties, {"Identity": name})


def new_subscription(call: Call) -> Iterable[PSObject]:
    """On Edge: write the subscription file. On a Mailbox server: import it."""
    return _export(call) if call.server.is_edge else _import(call)


def _export(call: Call) -> Iterable[PSObject]:
    server = call.server
    path = call.get("FileName")
    if not path:
        raise call.error(
            "A file name must be given with the FileName parameter on an Edge Transport server.", "InvalidArgument"
        )
    if not call.bound.on("Force"):
        call.ask(
            "If you create an Edge Subscription, this Edge Transport server will be managed via EdgeSync replication. "
            "As a result, any of the following objects that were created manually will be deleted: accepted domains, "
            "message classifications, remote domains, and Send connectors."
        )
    if not call.bound.what_if:
        server.write_file(
            str(path), json.dumps({"EdgeServerName": server.name, "EdgeServerFQDN": server.fqdn}).encode()
        )
    return []


def _import(call: Call) -> Iterable[PSObject]:
    organization = _organization(call)
    data = call.get("FileData")
    if data is None:
        raise call.error("The Edge Subscription file must be given with the FileData parameter.", "InvalidArgument")
    try:
        name = str(json.loads(data)["EdgeServerName"])
    except (ValueError, KeyError, TypeError) as error:
        raise call.error("The Edge Subscription file isn't valid.", "InvalidData") from error
    edge = organization.edges.get(name)
    if edge is None:
        raise call.not_found(name)
    if name in organization.subscriptions:
        raise call.error(f"The Edge Transport server {name} is already subscribed.", "ResourceExists")
    if call.bound.what_if:
        return []
    subscription = subscribe(
        organization,
        edge,
        call.server.now(),
        site=str(call.get("Site") or ""),
        internet=call.get("CreateInternetSendConnector", True),
        inbound=call.get("CreateInboundSendConnector", True),
    )
    return [_object(subscription.name, edge.domain, subscription.site)]


def remove_subscription(call: Call) -> Iterable[PSObject]:
    """Remove a subscription, on the side where it is run."""
    server = call.server
    wanted = str(call.get("Identity"))
    call_question = f'Removing Edge Subscription "{wanted}".'
    if server.is_edge:
        if not _subscribed(server) or not server.is_called(wanted):
            raise call.not_found(wanted)
        call.confirm(call_question, always=not call.bound.on("Force"))
        if not call.bound.what_if and isinstance(server.directory, EdgeDirectory):
            server.directory.subscribed = False
        return []
    organization = _organization(call)
    with organization.lock:
        found = next(
            (o for o in organization.subscriptions.values() if wanted.lower() in (o.name.lower(), o.fqdn)), None
        )
        if found is None:
            raise call.not_found(wanted)
        call.confirm(call_question, always=not call.bound.on("Force"))
        if not call.bound.what_if:
            organization.subscriptions.pop(found.name)
    return []


def _wanted(call: Call, organization: Organization) -> list[EdgeSubscription]:
    target = str(call.get("TargetServer") or "").lower()
    with organization.lock:
        every = [organization.subscriptions[name] for name in sorted(organization.subscriptions)]
    found = [one for one in every if not target or target in (one.name.lower(), one.fqdn)]
    if not found:
        raise call.error("No Edge Subscription was found to synchronize with.", "ObjectNotFound")
    return found


def start_synchronization(call: Call) -> Iterable[PSObject]:
    """Synchronise now; what it shows is what happened."""
    call.check_server()
    organization = _organization(call)
    found = _wanted(call, organization)
    if call.bound.what_if:
        return []
    shown = []
    for subscription in found:
        start = call.server.now()
        result = _synchronise(call, organization, subscription)
        properties = {
            "Result": "CouldNotConnect" if result.failure else "Success",
            "Type": "Configuration",
            "Name": subscription.name,
            "FailureDetails": result.failure,
            "StartUTC": start,
            "EndUTC": call.server.now(),
            "Added": result.added,
            "Deleted": result.deleted,
            "Updated": result.updated,
            "Scanned": result.scanned,
        }
        shown.append(PSObject("EdgeSyncStatus", properties, {}))
    return shown


def _synchronise(call: Call, organization: Organization, subscription: EdgeSubscription) -> SyncResult:
    server = call.server
    failure = distrust(organization, subscription, server)
    looks = 3 if server.faults.hits("edgesync-slow", subscription.name) else 0
    looks = -1 if server.faults.hits("edgesync-stuck", subscription.name) else looks
    if looks and not failure:
        put_off(organization, subscription, looks)
        return SyncResult()
    return synchronise(organization, subscription, server.now(), server)


def test_synchronization(call: Call) -> Iterable[PSObject]:
    """Compare each Edge with the organisation."""
    organization = _organization(call)
    shown = []
    for subscription in _wanted(call, organization):
        failure = distrust(organization, subscription, call.server)
        go_on(organization, subscription, call.server.now(), call.server)
        same = not failure and in_step(organization, subscription)
        properties = {
            "Name": subscription.name,
            "SyncStatus": "Failed" if failure else ("Normal" if same else "Inconclusive"),
            "FailureDetail": failure,
            "UtcNow": call.server.now(),
            "LastSynchronizedUtc": subscription.synchronised,
            "SendConnectorStatus": "Synchronized" if same else "NotSynchronized",
        }
        shown.append(PSObject("EdgeConnectionStatus", properties, {}))
    return shown
