"""The receive connector cmdlets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tlsrunbook.lab.exchange.call import Call
from tlsrunbook.lab.exchange.connector_rules import RECEIVE_RULES, clashing, fqdn_rule
from tlsrunbook.lab.exchange.connectors import already_exists, alter, check, connector_object, refuse, warn_if_same
from tlsrunbook.lab.exchange.directory import Connector, receive_connector
from tlsrunbook.lab.exchange.psobject import PSObject
from tlsrunbook.lab.exchange.setup import flags
from tlsrunbook.lab.exchange.tabledata import load
from tlsrunbook.lab.exchange.values import parse_binding, parse_range

if TYPE_CHECKING:
    from tlsrunbook.lab.exchange.world import LabServer

_USAGES = ("Client", "Custom", "Internal", "Internet", "Partner")


def get_receive(call: Call) -> Iterable[PSObject]:
    """List receive connectors: on a Mailbox server those of the whole organisation.

    An identity that is null or unknown lists them all.
    """
    directory = call.server.directory
    with directory.lock:
        every = list(directory.receive)
        wanted = call.get("Server")
        if wanted:
            every = directory.receive_of(_named_server(call, str(wanted)).name)
        found = _find(call, str(call.get("Identity") or ""))
        return [_object(connector) for connector in ([found] if found else every)]


def new_receive(call: Call) -> Iterable[PSObject]:
    """Make a receive connector on this server."""
    call.check_server()
    server = call.server
    values = {**_of_usage(call, _usage(call)), "Fqdn": server.fqdn, **_values(call)}
    if server.build.major >= 15 and not server.is_edge:
        values.setdefault("TransportRole", "HubTransport")
    connector = receive_connector(server.name, str(call.get("Name")), server.build, server.is_edge, values)
    with server.directory.lock:
        if any(connector.identity.lower() == other.identity.lower() for other in server.own_receive_connectors()):
            raise already_exists(call, connector.identity)
        _check(call, server, connector, values)
        call.confirm("Are you sure you want to perform this action?")
        if call.bound.what_if:
            return []
        server.directory.receive.append(connector)
        return [_object(connector)]


def set_receive(call: Call) -> Iterable[PSObject]:
    """Change a receive connector."""
    directory = call.server.directory
    with directory.lock:
        before = _existing(call)
        values = _values(call)
        after = alter(before, values)
        _check(call, _named_server(call, before.server), after, values)
        if after.name.lower() != before.name.lower() and _find(call, after.identity):
            raise already_exists(call, after.identity)
        call.confirm("Are you sure you want to perform this action?")
        if not call.bound.what_if and not warn_if_same(call, before, after):
            directory.receive[directory.receive.index(before)] = after
    return []


def remove_receive(call: Call) -> Iterable[PSObject]:
    """Remove a receive connector."""
    directory = call.server.directory
    with directory.lock:
        connector = _existing(call)
        call.confirm(f'Removing Receive connector "{connector.identity}".', always=True)
        if not call.bound.what_if:
            directory.receive.remove(connector)
    return []


def _named_server(call: Call, name: str) -> LabServer:
    if call.server.is_called(name):
        return call.server
    found = call.server.organization.find(name) if call.server.organization and not call.server.is_edge else None
    if found is None or found.is_edge:
        raise call.not_found(name)
    return found


def _find(call: Call, identity: str) -> Connector | None:
    r"""Find by ``SERVER\Name``, GUID, or a name, of which the server's own come first."""
    wanted = identity.lower()
    own_first = sorted(call.server.directory.receive, key=lambda c: c.server != call.server.name)
    return next((c for c in own_first if wanted in (c.identity.lower(), c.guid, c.name.lower())), None)


def _existing(call: Call) -> Connector:
    identity = str(call.get("Identity"))
    found = _find(call, identity)
    if found is None:
        raise call.not_found(identity)
    return found


def _usage(call: Call) -> str:
    given = [name for name in _USAGES if call.bound.on(name)]
    usage = str(call.get("Usage") or (given[0] if given else call.bound.parameter_set))
    if usage == "Client" and call.server.is_edge:
        raise refuse(call, "The usage Client can't be used on an Edge Transport server.")
    return usage


def _of_usage(call: Call, usage: str) -> dict[str, Any]:
    """Give the properties that a usage sets, and refuse what does not go with it."""
    table = load()["usage_types"]["receive"][usage]
    for name in table["forbids"]:
        if name in call.bound:
            raise refuse(call, f"The {name} parameter can't be used with the usage {usage}.")
    for name in table["requires"]:
        if not call.get(name):
            raise refuse(call, f"The {name} parameter must be used with the usage {usage}.")
    return {
        "AuthMechanism": flags("AuthMechanisms", table["auth"]),
        "PermissionGroups": flags("PermissionGroups", table["permission_groups"]),
        **({"Bindings": (table["default_bindings"],)} if "default_bindings" in table else {}),
        **({"RemoteIPRanges": (table["default_ranges"],)} if "default_ranges" in table else {}),
    }


def _values(call: Call) -> dict[str, Any]:
    """Give the parameters that are properties, each in Exchange's spelling."""
    values = dict(call.bound.values)
    try:
        if "Bindings" in values:
            values["Bindings"] = tuple(str(parse_binding(text)) for text in values["Bindings"] or ())
        if "RemoteIPRanges" in values:
            values["RemoteIPRanges"] = tuple(str(parse_range(text)) for text in values["RemoteIPRanges"] or ())
    except ValueError as error:
        raise refuse(call, f"The value isn't valid: {error}.") from error
    return values


def _check(call: Call, owner: LabServer, connector: Connector, values: dict[str, Any]) -> None:
    if not owner.is_edge:
        check(call, (fqdn_rule(owner),), connector, values)
    check(call, RECEIVE_RULES, connector, values)
    if not connector.bindings or not connector.ranges:
        raise refuse(call, "A Receive connector needs at least one binding and one remote IP range.", connector)
    if {"Bindings", "RemoteIPRanges", "TransportRole"} & set(values):
        clash = clashing(connector, call.server.directory.receive_of(owner.name))
        if clash:
            raise call.error(clash, target=connector.identity)


def _object(connector: Connector) -> PSObject:
    return connector_object(connector, "ReceiveConnector", {"Server": connector.server})
