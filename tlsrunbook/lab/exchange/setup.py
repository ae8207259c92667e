"""The receive connectors that Exchange's setup makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlsrunbook.lab.exchange.directory import EVERYWHERE, Connector, receive_connector
from tlsrunbook.lab.exchange.given import Flags, flag_order
from tlsrunbook.lab.exchange.tabledata import load

if TYPE_CHECKING:
    from tlsrunbook.lab.exchange.world import LabServer

_TLS_AND_LOGON = ["Tls", "Integrated", "BasicAuth", "BasicAuthRequireTLS"]
# Hub Transport of 2007 and 2010; the table of the facts begins with 2013 (general knowledge).
_HUB = [
    {
        "name": "Default <S>",
        "port": 25,
        "auth": [*_TLS_AND_LOGON, "ExchangeServer"],
        "permission_groups": ["ExchangeUsers", "ExchangeServers", "ExchangeLegacyServers"],
        "logging": "None",
    },
    {
        "name": "Client <S>",
        "port": 587,
        "auth": _TLS_AND_LOGON,
        "permission_groups": ["ExchangeUsers"],
        "logging": "None",
    },
]


def flags(type_name: str, names: list[str]) -> Flags:
    """Put the names of a flags enumeration in order."""
    return Flags(name for name in flag_order(type_name) if name in names)


def default_receive_connectors(server: LabServer, receive_fqdn: str) -> list[Connector]:
    """Make a new server's receive connectors; an Edge's may answer with a public name from the start."""
    return [_connector(server, entry, receive_fqdn) for entry in _table(server)]


def _table(server: LabServer) -> list[dict[str, Any]]:
    if not server.is_edge and server.build.product in ("2007", "2010"):
        return _HUB
    found: list[dict[str, Any]] = load()["default_receive_connectors"]["edge" if server.is_edge else "mailbox"]
    return found


def _connector(server: LabServer, entry: dict[str, Any], receive_fqdn: str) -> Connector:
    properties: dict[str, Any] = {
        "AuthMechanism": flags("AuthMechanisms", entry["auth"]),
        "Bindings": (f"[::]:{entry['port']}", f"0.0.0.0:{entry['port']}"),
        "Fqdn": (receive_fqdn if server.is_edge else "") or server.fqdn,
        "PermissionGroups": flags("PermissionGroups", entry["permission_groups"]),
        "ProtocolLoggingLevel": entry["logging"],
        "RemoteIPRanges": EVERYWHERE,
        "SizeEnabled": entry.get("size_enabled", "Enabled"),
        "TransportRole": entry.get("role"),
    }
    name = entry["name"].replace("<S>", server.name)
    return receive_connector(server.name, name, server.build, server.is_edge, properties)
