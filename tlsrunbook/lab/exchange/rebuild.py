"""A simulated server as a real one was read: certificates, connectors, version, capabilities.

What cannot be known here is shown as it was saved: the status of a certificate whose root is not here, or a name as
that server spells it. Private keys are not in a saved state; one stand-in key takes their place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cryptography import x509

from tlsrunbook.certificates.csr import read_csr
from tlsrunbook.exchange.state import ExchangeCertificate, ReceiveConnector, SendConnector
from tlsrunbook.exchange.state_data import SavedServer
from tlsrunbook.lab.exchange.directory import (
    Connector,
    Directory,
    EdgeDirectory,
    EdgeSubscription,
    receive_connector,
    send_connector,
)
from tlsrunbook.lab.exchange.setup import flags
from tlsrunbook.lab.exchange.stores import StoredCertificate, is_self_signed, thumbprint_of
from tlsrunbook.lab.exchange.world import LabServer, Organization
from tlsrunbook.lab.stand_in import StandInKeys, placeholder


def rebuild(server: LabServer, saved: SavedServer, keys: StandInKeys) -> None:
    """Make a fresh server what a saved one was.

    Args:
        server: Of the saved one's name, role and version.
        saved: What was read.
        keys: Stand in for the private keys.
    """
    with server.lock, server.directory.lock:
        server.reported = saved.greeting
        server.internal_thumbprint = saved.state.internal_transport_thumbprint
        _fill_stores(server, saved, keys)
        directory = server.directory
        directory.receive = [one for one in directory.receive if one.server != server.name]
        directory.receive += [_receive(server, one) for one in _own(server, saved.state.receive_connectors)]
        for connector in saved.state.send_connectors:
            directory.send[connector.name.lower()] = _send(server, connector)
        for file in saved.files:
            server.write_file(file.path, file.data)


def subscribe_again(organization: Organization, saved: Iterable[SavedServer]) -> None:
    """Bring back the Edge Subscriptions: of Edges that say so, or of one that only the inside knows."""
    saved = tuple(saved)
    edges = [one for one in saved if one.state.is_edge and one.state.edge_subscribed]
    inside = [one for one in saved if not one.state.is_edge]
    for one in edges:
        directory: Directory = organization.edges[one.state.name].directory
        if isinstance(directory, EdgeDirectory):
            directory.subscribed = True
    if not any(one.state.edge_subscribed for one in inside):
        return
    at = inside[0].at
    for one in edges:
        edge = organization.edges[one.state.name]
        organization.subscriptions[edge.name] = EdgeSubscription(
            edge.name, edge.fqdn, organization.site, edge.internal_thumbprint, edge.build.display, at, at
        )
    if not edges:
        name = _unknown_edge(inside)
        fqdn = f"{name.lower()}.{organization.domain}"
        organization.subscriptions[name] = EdgeSubscription(name, fqdn, organization.site, "", "", at, at)


def _unknown_edge(inside: Iterable[SavedServer]) -> str:
    """Name the subscribed Edge that is not in the site file: a source server that is no server of the site."""
    own = {one.state.name for one in inside}
    sources = [
        name for one in inside for connector in one.state.send_connectors for name in connector.source_transport_servers
    ]
    return next((name for name in sources if name not in own), "EDGE")


# --- certificates -----------------------------------------------------------------------------------------------------


def _fill_stores(server: LabServer, saved: SavedServer, keys: StandInKeys) -> None:
    stores = server.stores
    stores.my.clear()
    stores.pending.clear()
    stores.ca.clear()
    for der in saved.store:
        certificate = x509.load_der_x509_certificate(der)
        stores.ca[thumbprint_of(certificate)] = certificate
    for one in saved.state.certificates:
        stores.add(_entry(one, keys))
    if any(one.status == "Valid" and not one.self_signed for one in saved.state.certificates):
        # A root among the intermediates ends a chain that the server called valid: so that server trusts it.
        stores.root.update({name: one for name, one in stores.ca.items() if is_self_signed(one)})


def _entry(one: ExchangeCertificate, keys: StandInKeys) -> StoredCertificate:
    request = read_csr(one.request) if one.pending and one.request else None
    if one.raw:
        certificate = x509.load_der_x509_certificate(one.raw)
    else:
        key = keys.like(None)
        public = x509.load_der_x509_csr(request.der).public_key() if request else key.public_key()
        certificate = placeholder(one, key, public)
    key = keys.like(certificate.public_key())
    return StoredCertificate(
        certificate,
        None if one.has_private_key is False else key,
        one.friendly_name,
        services=set(one.services or ()),
        network_service=one.serves_smtp,
        request=request.der if request else b"",
        names=one.names,
        saved=one,
    )


# --- connectors -------------------------------------------------------------------------------------------------------


def _own(server: LabServer, connectors: Iterable[ReceiveConnector]) -> list[ReceiveConnector]:
    return [one for one in connectors if one.identity.split("\\", 1)[0].upper() == server.name]


def _receive(server: LabServer, one: ReceiveConnector) -> Connector:
    properties: Mapping[str, Any] = {
        "AuthMechanism": flags("AuthMechanisms", sorted(one.auth_mechanism)),
        "Bindings": one.bindings,
        "DomainSecureEnabled": one.domain_secure_enabled,
        "Enabled": one.enabled,
        "Fqdn": one.fqdn or None,
        "PermissionGroups": flags("PermissionGroups", sorted(one.permission_groups)),
        "RemoteIPRanges": one.remote_ip_ranges,
        "RequireTLS": one.require_tls,
        "TlsCertificateName": one.tls_certificate_name or None,
        "TransportRole": one.transport_role or None,
    }
    return receive_connector(server.name, one.name, server.build, server.is_edge, properties)


def _send(server: LabServer, one: SendConnector) -> Connector:
    properties: Mapping[str, Any] = {
        "AddressSpaces": tuple(map(str, one.address_spaces)),
        "CloudServicesMailEnabled": one.cloud_services_mail_enabled,
        "DNSRoutingEnabled": one.dns_routing_enabled,
        "DomainSecureEnabled": one.domain_secure_enabled,
        "Enabled": one.enabled,
        "Fqdn": one.fqdn or None,
        "FrontendProxyEnabled": one.frontend_proxy_enabled,
        "IgnoreSTARTTLS": one.ignore_starttls,
        "IsScopedConnector": one.is_scoped,
        "MaxMessageSize": one.max_message_size,
        "Port": one.port,
        "RequireTLS": one.require_tls,
        "SmartHosts": one.smart_hosts,
        "SourceTransportServers": one.source_transport_servers,
        "TlsAuthLevel": one.tls_auth_level or None,
        "TlsCertificateName": one.tls_certificate_name or None,
        "TlsDomain": one.tls_domain or None,
    }
    return send_connector(one.name, server.build, properties)
