"""Replies into typed state: an answer that is not understood raises, so that unknown never becomes empty."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tlsrunbook.errors import DecodeError
from tlsrunbook.exchange.address_space import parse_address_space
from tlsrunbook.exchange.cmdlets_connector import AUTH_MECHANISMS, PERMISSION_GROUPS
from tlsrunbook.exchange.command import Reply
from tlsrunbook.exchange.decode_certificate import (
    decode_certificates,
    decode_export,
    decode_exportable,
    decode_import,
    decode_request,
    decode_store,
    thumbprint_of,
)
from tlsrunbook.exchange.decode_file import decode_files, with_requests
from tlsrunbook.exchange.projected import Item, items, only_item
from tlsrunbook.exchange.state import (
    AddressSpace,
    EdgeSync,
    ExchangeCertificate,
    ReceiveConnector,
    SendConnector,
    ServerState,
)
from tlsrunbook.exchange.version import ExchangeVersion

__all__ = [
    "ServerFacts",
    "decode_accepted_domains",
    "decode_certificates",
    "decode_edge_start",
    "decode_edge_subscriptions",
    "decode_edge_synchronization",
    "decode_exchange_server",
    "decode_export",
    "decode_exportable",
    "decode_files",
    "decode_import",
    "decode_receive_connectors",
    "decode_request",
    "decode_send_connectors",
    "decode_store",
    "decode_transport_service",
    "server_state",
    "thumbprint_of",
    "with_requests",
]

TLS_AUTH_LEVELS = ("EncryptionOnly", "CertificateValidation", "DomainValidation")
TRANSPORT_ROLES = ("FrontendTransport", "HubTransport")

_BINDING = re.compile(r"(?:[0-9.]+|\[[0-9A-Fa-f:.%]+\]):[0-9]{1,5}\Z")
_THUMBPRINT = re.compile(r"[0-9A-F]{40}\Z")


@dataclass(frozen=True)
class ServerFacts:
    """Who a server says it is.

    Args:
        name: NetBIOS name, upper case.
        fqdn: Its own FQDN (often internal), lower case.
        version: From ``AdminDisplayVersion``: the cumulative update, not the security update.
        role: What ``ServerRole`` says.
        is_edge: Whether it is an Edge Transport server.
    """

    name: str
    fqdn: str
    version: ExchangeVersion
    role: str
    is_edge: bool


def decode_exchange_server(reply: Reply, target_name: str) -> ServerFacts:
    """Read ``Get-ExchangeServer``.

    Args:
        reply: What came.
        target_name: The server that was asked for. An unknown identity makes Exchange list every server.

    Raises:
        DecodeError: The server is not among them exactly once, or its shape is unknown.
    """
    command = "Get-ExchangeServer"
    found = [item for item in items(reply, command) if item.text("Name").upper() == target_name.upper()]
    if len(found) != 1:
        names = ", ".join(item.text("Name") for item in items(reply, command)) or "nothing"
        raise DecodeError(f"asked for {target_name}, and Exchange answered with {names}", where=command)
    item = found[0]
    return ServerFacts(
        name=target_name.upper(),
        fqdn=_fqdn(item.text("Fqdn")),
        version=_version(item),
        role=item.text("ServerRole"),
        is_edge=item.flag("IsEdgeServer"),
    )


def _version(item: Item) -> ExchangeVersion:
    try:
        return ExchangeVersion.parse(item.text("AdminDisplayVersion"))
    except DecodeError as error:
        raise item.error("AdminDisplayVersion", "is not a version") from error


def _fqdn(text: str | None) -> str:
    return (text or "").rstrip(".").lower()


def decode_transport_service(reply: Reply, target_name: str = "") -> str:
    """Read the thumbprint of the default SMTP certificate; empty when the server has none.

    Raises:
        DecodeError: Not one transport service came, or it is another server's.
    """
    item = only_item(reply, "Get-TransportService")
    name = item.text("Name")
    if target_name and name.upper() != target_name.upper():
        raise item.error("Name", f"is not {target_name}")
    thumbprint = item.maybe_text("InternalTransportCertificateThumbprint") or ""
    if thumbprint and not _THUMBPRINT.match(thumbprint):
        raise item.error("InternalTransportCertificateThumbprint", "is not 40 upper-case hex digits")
    return thumbprint


def decode_receive_connectors(reply: Reply) -> tuple[ReceiveConnector, ...]:
    """Read ``Get-ReceiveConnector``.

    Raises:
        DecodeError: The reply holds errors or a shape that is not known.
    """
    return tuple(_receive(item) for item in items(reply, "Get-ReceiveConnector"))


def _receive(item: Item) -> ReceiveConnector:
    bindings = item.texts("Bindings")
    if not bindings or not all(_BINDING.match(binding) for binding in bindings):
        raise item.error("Bindings", "is not a list of address:port")
    return ReceiveConnector(
        identity=item.text("Identity"),
        name=item.text("Name"),
        fqdn=_fqdn(item.maybe_text("Fqdn")),
        tls_certificate_name=_tls_certificate_name(item),
        auth_mechanism=item.flags("AuthMechanism", AUTH_MECHANISMS),
        permission_groups=item.flags("PermissionGroups", PERMISSION_GROUPS),
        bindings=bindings,
        remote_ip_ranges=item.texts("RemoteIPRanges"),
        require_tls=item.flag("RequireTLS"),
        enabled=item.flag("Enabled"),
        domain_secure_enabled=item.flag("DomainSecureEnabled"),
        transport_role=_transport_role(item),
    )


def _tls_certificate_name(item: Item) -> str | None:
    if not item.has("TlsCertificateName"):
        return None
    return item.maybe_text("TlsCertificateName") or ""


def _transport_role(item: Item) -> str:
    if not item.has("TransportRole"):
        return ""
    role = item.enum("TransportRole", (*TRANSPORT_ROLES, "None"))
    return "" if role == "None" else role


def decode_send_connectors(reply: Reply) -> tuple[SendConnector, ...]:
    """Read ``Get-SendConnector``.

    Raises:
        DecodeError: The reply holds errors or a shape that is not known.
    """
    return tuple(_send(item) for item in items(reply, "Get-SendConnector"))


def _send(item: Item) -> SendConnector:
    return SendConnector(
        identity=item.text("Identity"),
        name=item.text("Name"),
        enabled=item.flag("Enabled"),
        address_spaces=_address_spaces(item),
        fqdn=_fqdn(item.maybe_text("Fqdn")),
        tls_certificate_name=_tls_certificate_name(item),
        require_tls=item.flag("RequireTLS"),
        ignore_starttls=item.flag("IgnoreSTARTTLS"),
        tls_auth_level=item.enum("TlsAuthLevel", TLS_AUTH_LEVELS) if item.has("TlsAuthLevel") else "",
        tls_domain=(item.maybe_text("TlsDomain") or "").lower() if item.has("TlsDomain") else "",
        dns_routing_enabled=item.flag("DNSRoutingEnabled"),
        domain_secure_enabled=item.flag("DomainSecureEnabled"),
        smart_hosts=item.maybe_texts("SmartHosts"),
        source_transport_servers=tuple(name.upper() for name in item.maybe_texts("SourceTransportServers")),
        frontend_proxy_enabled=item.has("FrontendProxyEnabled") and item.flag("FrontendProxyEnabled"),
        cloud_services_mail_enabled=item.has("CloudServicesMailEnabled") and item.flag("CloudServicesMailEnabled"),
        is_scoped=item.flag("IsScopedConnector"),
        port=item.number("Port"),
        max_message_size=item.text("MaxMessageSize"),
    )


def _address_spaces(item: Item) -> tuple[AddressSpace, ...]:
    try:
        return tuple(parse_address_space(text) for text in item.maybe_texts("AddressSpaces"))
    except ValueError as error:
        raise item.error("AddressSpaces", "holds something else than type:space;cost") from error


def decode_edge_subscriptions(reply: Reply) -> tuple[str, ...]:
    """Read the names of the Edge Subscriptions, upper case; empty when there are none."""
    return tuple(item.text("Name").upper() for item in items(reply, "Get-EdgeSubscription"))


def decode_edge_synchronization(reply: Reply) -> tuple[EdgeSync, ...]:
    """Read ``Test-EdgeSynchronization``.

    Raises:
        DecodeError: The reply holds errors or a shape that is not known.
    """
    return tuple(
        EdgeSync(
            edge=item.text("Name").upper(),
            status=item.text("SyncStatus"),
            detail=item.maybe_text("FailureDetail") or "",
            send_connectors=item.maybe_text("SendConnectorStatus") or "" if item.has("SendConnectorStatus") else "",
        )
        for item in items(reply, "Test-EdgeSynchronization")
    )


def decode_edge_start(reply: Reply, edge: str) -> str:
    """Read ``Start-EdgeSynchronization``.

    Args:
        reply: What came: an entry per Edge server and kind of data.
        edge: Whose entries count.

    Returns:
        What failed, in the server's words; empty when nothing did.

    Raises:
        DecodeError: The reply holds errors, or a shape that is not known.
    """
    own = [item for item in items(reply, "Start-EdgeSynchronization") if item.text("Name").upper() == edge.upper()]
    return "; ".join(_start_failure(item) for item in own if item.text("Result") != "Success")


def _start_failure(item: Item) -> str:
    why = item.maybe_text("FailureDetails") if item.has("FailureDetails") else None
    return f"{item.text('Result')}: {why}" if why else item.text("Result")


def decode_accepted_domains(reply: Reply) -> tuple[str, ...]:
    """Read the accepted domains, lower case; a leading ``*.`` includes subdomains."""
    return tuple(item.text("DomainName").lower() for item in items(reply, "Get-AcceptedDomain"))


def server_state(
    server: ServerFacts,
    *,
    certificates: tuple[ExchangeCertificate, ...],
    internal_transport_thumbprint: str,
    receive_connectors: tuple[ReceiveConnector, ...],
    send_connectors: tuple[SendConnector, ...],
    edge_subscriptions: tuple[str, ...],
    store: tuple[tuple[str, bytes], ...],
    version: ExchangeVersion | None = None,
) -> ServerState:
    """Put together what was decoded, all of it.

    Args:
        server: From :func:`decode_exchange_server`.
        certificates: From :func:`decode_certificates`.
        internal_transport_thumbprint: From :func:`decode_transport_service`.
        receive_connectors: From :func:`decode_receive_connectors`.
        send_connectors: From :func:`decode_send_connectors`.
        edge_subscriptions: From :func:`decode_edge_subscriptions`.
        store: From :func:`decode_store`.
        version: A more exact version (``ExSetup.exe``) than ``AdminDisplayVersion``, when there is one.
    """
    return ServerState(
        name=server.name,
        fqdn=server.fqdn,
        version=version or server.version,
        is_edge=server.is_edge,
        role=server.role,
        edge_subscribed=bool(edge_subscriptions),
        certificates=certificates,
        internal_transport_thumbprint=internal_transport_thumbprint,
        receive_connectors=receive_connectors,
        send_connectors=send_connectors,
        intermediates=frozenset(thumbprint for thumbprint, _ in store),
        edge_subscriptions=edge_subscriptions,
    )
