"""The separate Internet receive connector of Exchange 2007 and 2010: what it shall be, and what differs.

There a connector's Fqdn names its certificate, and the default connector's Fqdn is fixed by ExchangeServer
authentication. So mail from the Internet gets a connector of its own: authentication by Tls alone, the public Fqdn.
"""

from __future__ import annotations

from typing import cast

from tlsrunbook.exchange import cmdlets
from tlsrunbook.exchange.cmdlets_connector import RECEIVE_PARAMETERS, ReceiveSettings
from tlsrunbook.exchange.state import ReceiveConnector, ServerState
from tlsrunbook.exchange.version import Target
from tlsrunbook.plan.model import Change, PlanItem, Reverse, Shown
from tlsrunbook.site import Server


def names_by_fqdn(state: ServerState) -> bool:
    """Whether a connector of this Exchange names its certificate by its Fqdn alone: none has a TLS certificate name.

    What the connectors show goes before the build, which is asked only when there is no connector.
    """
    if state.receive_connectors:
        return all(connector.tls_certificate_name is None for connector in state.receive_connectors)
    return state.version.major < 15


def wants_internet_connector(state: ServerState, server: Server) -> bool:
    """Whether the site file asks for a separate Internet connector and this Exchange needs one."""
    return server.internet_connector is not None and "receive" in server.roles and names_by_fqdn(state)


def internet_connector(state: ServerState, server: Server) -> ReceiveConnector | None:
    """Give the separate Internet connector; None while it is not there, or not asked for."""
    if server.internet_connector is None:
        return None
    name = server.internet_connector.name_for(server.name).lower()
    return next((one for one in state.receive_connectors if one.name.lower() == name), None)


def internet_items(state: ServerState, server: Server, target: Target) -> tuple[PlanItem, ...]:
    """Give the item that makes or corrects the separate Internet connector; nothing where it is not wanted."""
    if server.internet_connector is None or not wants_internet_connector(state, server):
        return ()
    there = internet_connector(state, server)
    return _alter(there, server, target) if there else (_create(state, server, target),)


def _create(state: ServerState, server: Server, target: Target) -> PlanItem:
    asked = server.internet_connector
    if asked is None:
        raise ValueError(f"{server.name} asks for no Internet connector")
    name, bindings = asked.name_for(server.name), asked.bindings
    settings: ReceiveSettings = {"fqdn": server.fqdn}
    if asked.remote_ip_ranges:
        settings["remote_ip_ranges"] = asked.remote_ip_ranges
    identity = f"{state.name}\\{name}"
    shown: dict[str, Shown] = {"Bindings": bindings, "Fqdn": server.fqdn, "AuthMechanism": ("Tls",)}
    if asked.remote_ip_ranges:
        shown["RemoteIPRanges"] = asked.remote_ip_ranges
    return PlanItem(
        "Give mail from the Internet a receive connector of its own: on this Exchange its Fqdn names the certificate",
        (cmdlets.new_receive_connector(target, name, bindings, **settings),),
        tuple(Change(f"receive connector {identity}", key, None, value) for key, value in shown.items()),
        Reverse(((cmdlets.remove_receive_connector(target, identity),),)),
    )


def _alter(there: ReceiveConnector, server: Server, target: Target) -> tuple[PlanItem, ...]:
    asked = server.internet_connector
    wanted: ReceiveSettings = {
        "fqdn": server.fqdn,
        # What somebody added stays, but for what would fix the Fqdn again.
        "auth_mechanism": (there.auth_mechanism | {"Tls"}) - {"ExchangeServer"},
        "permission_groups": there.permission_groups | {"AnonymousUsers"},
        "enabled": True,
    }
    if asked:
        wanted["bindings"] = asked.bindings
        if asked.remote_ip_ranges:
            wanted["remote_ip_ranges"] = asked.remote_ip_ranges
    keys = [key for key, value in wanted.items() if not _same(getattr(there, key), value)]
    if not keys:
        return ()
    new = cast("ReceiveSettings", {key: value for key, value in wanted.items() if key in keys})
    old = cast("ReceiveSettings", {key: getattr(there, key) for key in keys})
    label = f"receive connector {there.identity}"
    item = PlanItem(
        "Let the connector for the Internet be as the site file says",
        (cmdlets.set_receive_connector(target, there.identity, **new),),
        tuple(
            Change(label, RECEIVE_PARAMETERS[key], _shown(getattr(there, key)), _shown(wanted.get(key))) for key in keys
        ),
        Reverse(((cmdlets.set_receive_connector(target, there.identity, **old),),)),
    )
    return (item,)


def _same(have: object, want: object) -> bool:
    if isinstance(have, tuple) and isinstance(want, tuple):
        return sorted(have) == sorted(want)
    return have == want


def _shown(value: object) -> Shown:
    if isinstance(value, tuple | frozenset):
        return tuple(sorted(str(item) for item in value))
    return value if isinstance(value, bool) else str(value)
