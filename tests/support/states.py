"""States of a server, and a site, for tests: good ones, with what a test changes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tlsrunbook.exchange.command import Greeting
from tlsrunbook.exchange.state import AddressSpace, ExchangeCertificate, ReceiveConnector, SendConnector, ServerState
from tlsrunbook.exchange.version import ExchangeVersion, Target
from tlsrunbook.site import Site, parse_site

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
FQDN = "mx1.example.com"
SE = ExchangeVersion(15, 2, 2562, 17)
OLD_2010 = ExchangeVersion(14, 3, 123, 4)

_CERTIFICATE = frozenset({"Server", "Thumbprint"})
_SEND = frozenset(
    {"Name", "Usage", "Identity", "AddressSpaces", "SourceTransportServers", "Fqdn", "TlsCertificateName", "RequireTLS",
     "IgnoreSTARTTLS", "TlsAuthLevel", "TlsDomain", "DNSRoutingEnabled", "SmartHosts", "DomainSecureEnabled", "Enabled"}
)  # fmt: skip
#: What a server of today reports.
PARAMETERS: Mapping[str, frozenset[str]] = {
    "Get-ExchangeCertificate": _CERTIFICATE,
    "New-ExchangeCertificate": _CERTIFICATE | {"GenerateRequest", "SubjectName", "DomainName", "KeySize", "Force"},
    "Import-ExchangeCertificate": _CERTIFICATE | {"FileData", "FriendlyName", "PrivateKeyExportable", "Password"},
    "Enable-ExchangeCertificate": _CERTIFICATE | {"Services", "Force"},
    "Remove-ExchangeCertificate": _CERTIFICATE,
    "Get-TransportService": frozenset({"Identity"}),
    "Get-ReceiveConnector": frozenset({"Server"}),
    "Set-ReceiveConnector": frozenset({"Identity", "Fqdn", "TlsCertificateName"}),
    "Get-SendConnector": frozenset({"Identity"}),
    "New-SendConnector": _SEND,
    "Set-SendConnector": _SEND,
    "Remove-SendConnector": frozenset({"Identity"}),
}

DEFAULT = "D" * 40
SITE: Mapping[str, Any] = {
    "name": "london",
    "certificate": {"country": "GB", "organization": "Example Corp"},
    "authority": {"kind": "folder", "outbox": "out", "inbox": "in"},
    "servers": [
        {
            "name": "EDGE1",
            "address": "edge1.example.com",
            "fqdn": FQDN,
            "roles": ["receive", "send"],
            "endpoints": [f"{FQDN}:25"],
            "logon": {"credential": "exchange-admin"},
        }
    ],
    "send_connectors": {
        "required": {"name": "TLS required {server}", "domains": ["partner.com", "*.bank.com"]},
        "never": {
            "name": "TLS never {server}",
            "domains": [
                {"domain": "broken.org", "reason": "no TLS", "owner": "postmaster@example.com", "review": "2027-03-31"}
            ],
        },
        "default": {"name": "TLS default {server}"},
    },
}


def make_site(server: Mapping[str, Any] | None = None, **tables: Any) -> Site:
    """The site of :data:`SITE` with keys of its one server, and whole tables, replaced."""
    one = {**SITE["servers"][0], **(server or {})}
    return parse_site({**SITE, "servers": [one], **tables})


def certificate(mark: str = "A", **changes: Any) -> ExchangeCertificate:
    """A good certificate of a CA for the FQDN; ``mark`` is a hex digit that its thumbprint is made of."""
    subject, issuer = changes.pop("subject", f"CN={FQDN}"), changes.pop("issuer", "CN=Good CA")
    given: dict[str, Any] = {
        "thumbprint": mark * 40,
        "subject": subject,
        "issuer": issuer,
        "tls_certificate_name": f"<I>{issuer}<S>{subject}",
        "not_before": AT - timedelta(days=10),
        "not_after": AT + timedelta(days=80),
        "names": (FQDN,),
        "services": frozenset(),
        "status": "Valid",
        "self_signed": False,
        "has_private_key": True,
        "key_size": 2048,
        "friendly_name": "tlsrunbook smtp",
    }
    return ExchangeCertificate(**{**given, **changes})


def default_certificate(**changes: Any) -> ExchangeCertificate:
    """The self-signed one that Exchange makes, which is the default SMTP certificate."""
    own: dict[str, Any] = {"subject": "CN=EDGE1", "issuer": "CN=EDGE1", "names": ("edge1", "edge1.corp.local")}
    return certificate("D", **{**own, "self_signed": True, "services": frozenset({"SMTP"}), **changes})


def receive(name: str = "Default EDGE1", **changes: Any) -> ReceiveConnector:
    """A receive connector that faces the Internet."""
    given: dict[str, Any] = {
        "identity": f"EDGE1\\{name}",
        "name": name,
        "fqdn": FQDN,
        "tls_certificate_name": "",
        "auth_mechanism": frozenset({"Tls"}),
        "permission_groups": frozenset({"AnonymousUsers"}),
        "bindings": ("0.0.0.0:25",),
        "remote_ip_ranges": ("0.0.0.0-255.255.255.255",),
        "require_tls": False,
        "enabled": True,
        "domain_secure_enabled": False,
        "transport_role": "",
    }
    return ReceiveConnector(**{**given, **changes})


def send(name: str = "To Internet", *spaces: str | AddressSpace, **changes: Any) -> SendConnector:
    """A send connector; its address spaces cost 1 where only a domain is given."""
    given: dict[str, Any] = {
        "identity": name,
        "name": name,
        "enabled": True,
        "address_spaces": tuple(AddressSpace(s) if isinstance(s, str) else s for s in spaces or ("*",)),
        "fqdn": "",
        "tls_certificate_name": "",
        "require_tls": False,
        "ignore_starttls": False,
        "tls_auth_level": "",
        "tls_domain": "",
        "dns_routing_enabled": True,
        "domain_secure_enabled": False,
        "smart_hosts": (),
        "source_transport_servers": (),
        "frontend_proxy_enabled": False,
        "cloud_services_mail_enabled": False,
        "is_scoped": False,
        "port": 25,
        "max_message_size": "35 MB (36,700,160 bytes)",
    }
    return SendConnector(**{**given, **changes})


def make_state(*certificates: ExchangeCertificate, **changes: Any) -> ServerState:
    """An Edge server with its default certificate, those that are given, and one receive connector."""
    given: dict[str, Any] = {
        "name": "EDGE1",
        "fqdn": "edge1.corp.local",
        "version": SE,
        "is_edge": True,
        "role": "Edge",
        "edge_subscribed": False,
        "certificates": (default_certificate(), *certificates),
        "internal_transport_thumbprint": DEFAULT,
        "receive_connectors": (receive(),),
        "send_connectors": (),
        "intermediates": frozenset(),
    }
    subscriptions = ("EDGE1",) if changes.get("edge_subscribed") else ()
    return ServerState(**{**given, "edge_subscriptions": subscriptions, **changes})


def target_of(state: ServerState, parameters: Mapping[str, frozenset[str]] = PARAMETERS) -> Target:
    return Target(state.name, state.is_edge, state.version, parameters)


def greeting_of(state: ServerState, parameters: Mapping[str, frozenset[str]] = PARAMETERS) -> Greeting:
    return Greeting(state.name, "5.1.17763.1", state.is_edge, "15.02.2562.017", parameters)
