"""A server's state as plain data, for comparing before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlsrunbook.lab.exchange.directory import Connector
from tlsrunbook.lab.exchange.given import services
from tlsrunbook.lab.exchange.psobject import shown
from tlsrunbook.lab.exchange.stores import StoredCertificate

if TYPE_CHECKING:
    from tlsrunbook.lab.exchange.world import LabServer


def server_snapshot(server: LabServer) -> dict[str, Any]:
    """Give all that cmdlets can change. The caller holds the locks."""
    stores = server.stores
    entries = (*stores.my.values(), *stores.pending.values())
    return {
        "name": server.name,
        "version": str(server.build),
        "internal_transport_thumbprint": server.internal_thumbprint,
        "certificates": {entry.thumbprint: _certificate(entry) for entry in entries},
        "intermediates": sorted(stores.ca),
        "roots": sorted(stores.root),
        "receive_connectors": {c.identity: _connector(c) for c in server.directory.receive_of(server.name)},
        "send_connectors": {c.name: _connector(c) for c in server.directory.send.values()},
        "files": server.file_names(),
    }


def _certificate(entry: StoredCertificate) -> dict[str, Any]:
    return {
        "subject": entry.subject,
        "issuer": entry.issuer,
        "friendly_name": entry.friendly_name,
        "services": str(services(entry.services)),
        "has_private_key": entry.key is not None,
        "exportable": entry.exportable,
        "network_service": entry.network_service,
        "pending": entry.pending,
    }


def _connector(connector: Connector) -> dict[str, Any]:
    return {name: shown(value) for name, value in sorted(connector.properties.items())}
