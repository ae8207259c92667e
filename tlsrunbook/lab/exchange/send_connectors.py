"""The send connector cmdlets."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

from tlsrunbook.lab.exchange.call import Call
from tlsrunbook.lab.exchange.connector_rules import SEND_RULES
from tlsrunbook.lab.exchange.connectors import already_exists, alter, check, connector_object, refuse, warn_if_same
from tlsrunbook.lab.exchange.directory import Connector, EdgeDirectory, send_connector
from tlsrunbook.lab.exchange.psobject import PSObject
from tlsrunbook.lab.exchange.tabledata import load
from tlsrunbook.lab.exchange.values import is_fqdn, parse_space, size_bytes, size_text

_USAGES = ("Custom", "Internal", "Internet", "Partner")


def get_send(call: Call) -> Iterable[PSObject]:
    """List send connectors; an identity that is null or unknown lists them all."""
    with call.server.directory.lock:
        found = _find(call, str(call.get("Identity") or ""))
        every = [call.server.directory.send[key] for key in sorted(call.server.directory.send)]
        return [_object(connector) for connector in ([found] if found else every)]


def new_send(call: Call) -> Iterable[PSObject]:
    """Make a send connector."""
    _check_not_subscribed(call)
    usage = _usage(call)
    values = _values(call)
    if "SourceTransportServers" not in values:
        values["SourceTransportServers"] = () if call.server.is_edge else (call.server.name,)
    values.setdefault("MaxMessageSize", _default_size(usage))
    connector = send_connector(str(call.get("Name")), call.server.build, values)
    directory = call.server.directory
    with directory.lock:
        if connector.name.lower() in directory.send:
            raise already_exists(call, connector.name)
        check(call, SEND_RULES, connector, values)
        call.confirm("Are you sure you want to perform this action?")
        if call.bound.what_if:
            return []
        directory.send[connector.name.lower()] = connector
        return [_object(connector)]


def set_send(call: Call) -> Iterable[PSObject]:
    """Change a send connector."""
    _check_not_subscribed(call)
    directory = call.server.directory
    with directory.lock:
        before = _existing(call)
        values = _values(call)
        if values.get("DNSRoutingEnabled") is False and "SmartHosts" not in values:
            raise refuse(
                call, "When DNSRoutingEnabled is set to $false, SmartHosts must be in the same command.", before
            )
        after = alter(before, values)
        check(call, SEND_RULES, after, values)
        if after.name.lower() != before.name.lower() and after.name.lower() in directory.send:
            raise already_exists(call, after.name)
        call.confirm("Are you sure you want to perform this action?")
        if not call.bound.what_if and not warn_if_same(call, before, after):
            directory.send.pop(before.name.lower())
            directory.send[after.name.lower()] = after
    return []


def remove_send(call: Call) -> Iterable[PSObject]:
    """Remove a send connector."""
    _check_not_subscribed(call)
    directory = call.server.directory
    with directory.lock:
        connector = _existing(call)
        call.confirm(f'Removing Send connector "{connector.identity}".', always=True)
        if not call.bound.what_if:
            directory.send.pop(connector.name.lower())
    return []


def _check_not_subscribed(call: Call) -> None:
    directory = call.server.directory
    if isinstance(directory, EdgeDirectory) and directory.subscribed:
        raise call.error(
            f"The {call.cmdlet} cmdlet can't be run on a subscribed Edge Transport server. Make the change inside the "
            "Exchange organization; EdgeSync replicates it."
        )


def _usage(call: Call) -> str:
    given = [name for name in _USAGES if call.bound.on(name)]
    given += [call.get("Usage")] if "Usage" in call.bound else []
    if len(given) > 1:
        raise refuse(call, f"Only one usage can be specified for a Send connector, not {' and '.join(given)}.")
    return given[0] if given else "Custom"


def _default_size(usage: str) -> str:
    text = load()["usage_types"]["send_max_message_size"][usage]
    return "Unlimited" if text == "unlimited" else size_text(size_bytes(text))


def _find(call: Call, identity: str) -> Connector | None:
    send = call.server.directory.send
    return send.get(identity.lower()) or next((c for c in send.values() if c.guid == identity.lower()), None)


def _existing(call: Call) -> Connector:
    identity = str(call.get("Identity"))
    found = _find(call, identity)
    if found is None:
        raise call.not_found(identity)
    return found


def _values(call: Call) -> dict[str, Any]:
    """Give the parameters that are properties, each in Exchange's spelling."""
    values = dict(call.bound.values)
    if "AddressSpaces" in values:
        values["AddressSpaces"] = _address_spaces(call, values["AddressSpaces"] or ())
    if "SmartHosts" in values:
        values["SmartHosts"] = tuple(_smart_host(call, text) for text in values["SmartHosts"] or () if text)
    if "SourceTransportServers" in values:
        values["SourceTransportServers"] = _sources(call, values["SourceTransportServers"] or ())
    if values.get("LinkedReceiveConnector"):
        raise refuse(call, "not simulated by the lab: LinkedReceiveConnector")
    return values


def _address_spaces(call: Call, texts: Iterable[str]) -> tuple[str, ...]:
    found = []
    for text in texts:
        try:
            space = parse_space(text)
        except ValueError as error:
            message = f'The address space "{text}" isn\'t valid: {error}.'
            raise refuse(call, message) from error
        if call.server.is_edge and space.kind != "SMTP":
            raise refuse(
                call, f'The address space "{text}" isn\'t valid: the type must be SMTP on an Edge Transport server.'
            )
        if space.domain == "--" and not call.server.is_edge:
            raise refuse(call, 'The address space "--" can be used on an Edge Transport server only.')
        found.append(str(space))
    return tuple(found)


def _smart_host(call: Call, text: str) -> str:
    bare = text.strip().removeprefix("[").removesuffix("]")
    try:
        return f"[{ipaddress.ip_address(bare)}]"
    except ValueError:
        if is_fqdn(bare):
            return bare
    raise refuse(call, f'The smart host "{text}" is neither an IP address nor a fully qualified domain name.')


def _sources(call: Call, names: Iterable[str]) -> tuple[str, ...]:
    organization = call.server.organization
    found = []
    for name in names:
        server = organization.find(name) if organization else None
        if server is None:
            raise call.not_found(name)
        found.append(server)
    if len({server.is_edge for server in found}) > 1:
        raise refuse(call, "Edge Transport servers and Mailbox servers can't be the sources of one Send connector.")
    return tuple(server.name for server in found)


def _object(connector: Connector) -> PSObject:
    extra: Mapping[str, object] = {
        "SmartHostsString": ",".join(connector.properties["SmartHosts"]),
        "IsSmtpConnector": True,
        "HomeMtaServerId": next(iter(connector.properties["SourceTransportServers"]), None),
    }
    return connector_object(connector, "SmtpSendConnectorConfig", extra)
