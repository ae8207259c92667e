"""What a server's reads answer with: a state, projected the way the bootstrap script projects."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from tlsrunbook.exchange.command import Pipeline, Projected, RemoteFault, Reply
from tlsrunbook.exchange.state import ExchangeCertificate, ReceiveConnector, SendConnector, ServerState

#: What a scripted command answers with; a list is used up call by call.
Answer: TypeAlias = "Reply | BaseException | Callable[[Any, Pipeline], Reply] | list[Any]"


def answer_read(state: ServerState, pipeline: Pipeline) -> Reply | None:
    """Answer a read of the whole server; None for anything else. Only selected properties come."""
    command = pipeline[0]
    if len(pipeline) > 1 or command.name not in _READS:
        return None
    objects = _READS[command.name](state)
    if not command.select:
        return Reply(tuple(objects))
    return Reply(tuple({name: item[name] for name in command.select} for item in objects))


def failed(message: str) -> Reply:
    """An answer with one error."""
    return Reply(errors=(RemoteFault(message, category="InvalidArgument: (:)", error_id="ABCD1234"),))


def _server(state: ServerState) -> list[dict[str, Projected]]:
    version = state.version
    text = f"Version {version.major}.{version.minor} (Build {version.build}.{version.revision})"
    return [
        {
            "Name": state.name,
            "Fqdn": state.fqdn,
            "AdminDisplayVersion": text,
            "ServerRole": state.role,
            "IsEdgeServer": str(state.is_edge),
        }
    ]


def _transport(state: ServerState) -> list[dict[str, Projected]]:
    return [{"Name": state.name, "InternalTransportCertificateThumbprint": state.internal_transport_thumbprint or None}]


def _certificate(one: ExchangeCertificate) -> dict[str, Projected]:
    return {
        "Thumbprint": one.thumbprint,
        "Subject": one.subject,
        "Issuer": one.issuer,
        "TlsCertificateName": one.tls_certificate_name or None,
        "NotBefore": _date(one.not_before),
        "NotAfter": _date(one.not_after),
        "CertificateDomains": one.names,
        "Services": None if one.services is None else ", ".join(sorted(one.services)) or "None",
        "Status": one.status,
        "IsSelfSigned": _maybe(one.self_signed),
        "HasPrivateKey": _maybe(one.has_private_key),
        "PublicKeySize": str(one.key_size),
        "FriendlyName": one.friendly_name,
        "RawData": base64.b64encode(one.raw).decode("ascii") or None,
        "CertificateRequest": one.request or None,
    }


def _date(moment: Any) -> str:
    return str(moment.strftime("%Y-%m-%dT%H:%M:%SZ"))


def _maybe(flag: bool | None) -> str | None:
    return None if flag is None else str(flag)


def _receive(one: ReceiveConnector) -> dict[str, Projected]:
    return {
        "Identity": one.identity,
        "Name": one.name,
        "Fqdn": one.fqdn or None,
        "TlsCertificateName": one.tls_certificate_name or None,
        "AuthMechanism": ", ".join(sorted(one.auth_mechanism)) or "None",
        "PermissionGroups": ", ".join(sorted(one.permission_groups)) or "None",
        "Bindings": one.bindings,
        "RemoteIPRanges": one.remote_ip_ranges,
        "RequireTLS": str(one.require_tls),
        "Enabled": str(one.enabled),
        "DomainSecureEnabled": str(one.domain_secure_enabled),
        "TransportRole": one.transport_role or "None",
    }


def _send(one: SendConnector) -> dict[str, Projected]:
    return {
        "Identity": one.identity,
        "Name": one.name,
        "Enabled": str(one.enabled),
        "AddressSpaces": tuple(map(str, one.address_spaces)),
        "Fqdn": one.fqdn or None,
        "TlsCertificateName": one.tls_certificate_name or None,
        "RequireTLS": str(one.require_tls),
        "IgnoreSTARTTLS": str(one.ignore_starttls),
        "TlsAuthLevel": one.tls_auth_level or None,
        "TlsDomain": one.tls_domain or None,
        "DNSRoutingEnabled": str(one.dns_routing_enabled),
        "DomainSecureEnabled": str(one.domain_secure_enabled),
        "SmartHosts": one.smart_hosts,
        "SourceTransportServers": one.source_transport_servers,
        "FrontendProxyEnabled": str(one.frontend_proxy_enabled),
        "CloudServicesMailEnabled": str(one.cloud_services_mail_enabled),
        "IsScopedConnector": str(one.is_scoped),
        "Port": str(one.port),
        "MaxMessageSize": one.max_message_size or "35 MB (36,700,160 bytes)",
    }


def _subscriptions(state: ServerState) -> tuple[str, ...]:
    return state.edge_subscriptions or (("EDGE1",) if state.edge_subscribed else ())


_READS: Mapping[str, Callable[[ServerState], list[dict[str, Projected]]]] = {
    "Get-ExchangeServer": _server,
    "Get-EdgeSubscription": lambda state: [{"Name": name} for name in _subscriptions(state)],
    "Get-ExchangeCertificate": lambda state: [_certificate(one) for one in state.certificates],
    "Get-TransportService": _transport,
    "Get-TransportServer": _transport,
    "Get-ReceiveConnector": lambda state: [_receive(one) for one in state.receive_connectors],
    "Get-SendConnector": lambda state: [_send(one) for one in state.send_connectors],
    "Get-StoreCertificate": lambda state: [],
}
