"""What a server has, typed. Built only from answers that were understood: unknown is not empty."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tlsrunbook.exchange.version import ExchangeVersion


@dataclass(frozen=True, order=True)
class AddressSpace:
    """One address space of a send connector.

    Args:
        domain: ``*``, ``*.example.com``, ``example.com`` or ``--``, lower case.
        cost: 1 to 100.
        kind: Almost always ``SMTP``.
    """

    domain: str
    cost: int = 1
    kind: str = "SMTP"

    def __str__(self) -> str:
        return f"{self.kind}:{self.domain};{self.cost}"


@dataclass(frozen=True)
class ExchangeCertificate:
    """One entry of ``Get-ExchangeCertificate``, a pending request included.

    Args:
        thumbprint: 40 upper-case hex digits. A pending request has its own, which is not the issued certificate's.
        subject: As the server spells it.
        issuer: As the server spells it.
        tls_certificate_name: ``<I>issuer<S>subject``, built on the server.
        not_before: UTC.
        not_after: UTC.
        names: ``CertificateDomains``, lower case.
        services: Flags such as ``SMTP``; None when the server could not tell.
        status: ``Valid``, ``PendingRequest``, ``DateInvalid`` ...
        self_signed: Whether it signed itself; None when the server could not tell.
        has_private_key: Whether its key is on this server; None when the server could not tell.
        key_size: Bits, 0 when the server could not tell.
        friendly_name: May be empty.
        raw: The certificate as DER; empty for a pending request of a server that does not give it.
        request: The CSR as the server keeps it (base64 or PEM), pending requests only.
    """

    thumbprint: str
    subject: str
    issuer: str
    tls_certificate_name: str
    not_before: datetime
    not_after: datetime
    names: tuple[str, ...]
    services: frozenset[str] | None
    status: str
    self_signed: bool | None
    has_private_key: bool | None
    key_size: int
    friendly_name: str
    raw: bytes = b""
    request: str = ""

    @property
    def pending(self) -> bool:
        """Whether this is a request that waits for the CA's answer."""
        return self.status == "PendingRequest"

    @property
    def serves_smtp(self) -> bool:
        """Whether SMTP is among its services, as far as the server could tell."""
        return self.services is not None and "SMTP" in self.services


@dataclass(frozen=True)
class ReceiveConnector:
    r"""A receive connector.

    Args:
        identity: ``SERVER\\Name``.
        fqdn: What it answers with, lower case; empty means the server's own FQDN.
        tls_certificate_name: Empty when not set; None when this Exchange has no such property.
        auth_mechanism: Flags such as ``Tls``, ``ExchangeServer``.
        permission_groups: Flags such as ``AnonymousUsers``.
        bindings: ``0.0.0.0:25`` and the like.
        remote_ip_ranges: As the server prints them.
        transport_role: ``FrontendTransport``, ``HubTransport``, or empty on Edge.
    """

    identity: str
    name: str
    fqdn: str
    tls_certificate_name: str | None
    auth_mechanism: frozenset[str]
    permission_groups: frozenset[str]
    bindings: tuple[str, ...]
    remote_ip_ranges: tuple[str, ...]
    require_tls: bool
    enabled: bool
    domain_secure_enabled: bool
    transport_role: str

    @property
    def ports(self) -> frozenset[int]:
        """TCP ports of its bindings."""
        return frozenset(int(binding.rsplit(":", 1)[1]) for binding in self.bindings)

    @property
    def internet_facing(self) -> bool:
        """Whether anonymous senders can reach it on port 25 and it offers TLS."""
        return (
            self.enabled
            and 25 in self.ports
            and "AnonymousUsers" in self.permission_groups
            and "Tls" in self.auth_mechanism
        )


@dataclass(frozen=True)
class SendConnector:
    """A send connector.

    Args:
        fqdn: What it introduces itself with, lower case; empty means the server's own FQDN.
        tls_certificate_name: Empty when not set; None when this Exchange has no such property.
        tls_auth_level: ``EncryptionOnly``, ``CertificateValidation``, ``DomainValidation`` or empty.
        source_transport_servers: Short server names, upper case; empty on Edge.
    """

    identity: str
    name: str
    enabled: bool
    address_spaces: tuple[AddressSpace, ...]
    fqdn: str
    tls_certificate_name: str | None
    require_tls: bool
    ignore_starttls: bool
    tls_auth_level: str
    tls_domain: str
    dns_routing_enabled: bool
    domain_secure_enabled: bool
    smart_hosts: tuple[str, ...]
    source_transport_servers: tuple[str, ...]
    frontend_proxy_enabled: bool
    cloud_services_mail_enabled: bool
    is_scoped: bool
    port: int
    max_message_size: str


@dataclass(frozen=True)
class EdgeSync:
    """What a Mailbox server says of one Edge server's copy.

    Args:
        edge: NetBIOS name, upper case.
        status: ``Normal``, ``Inconclusive``, ``Failed`` ...
        detail: Why it failed; may be empty.
        send_connectors: ``Synchronized`` or ``NotSynchronized``; empty when it was not told.
    """

    edge: str
    status: str
    detail: str = ""
    send_connectors: str = ""

    @property
    def in_step(self) -> bool:
        """Whether the Edge has the send connectors of the organisation."""
        return self.status == "Normal" and self.send_connectors in ("", "Synchronized")

    @property
    def failed(self) -> bool:
        """Whether EdgeSync does not reach the Edge."""
        return self.status.startswith("Failed") or self.status == "CouldNotConnect"


@dataclass(frozen=True)
class ServerState:
    r"""One server as it was read, all of it or nothing.

    Args:
        name: NetBIOS name, upper case.
        fqdn: The server's own FQDN (often internal), lower case.
        role: ``Edge`` or ``Mailbox`` (whatever ``ServerRole`` says, for 2007 and 2010 too).
        internal_transport_thumbprint: The default SMTP certificate; empty when the server has none.
        edge_subscribed: Whether an Edge Subscription exists on it (Edge) or for its organisation (Mailbox).
        intermediates: SHA-1 thumbprints in ``LocalMachine\\CA``.
        edge_subscriptions: Names of those Edge Subscriptions, upper case.
    """

    name: str
    fqdn: str
    version: ExchangeVersion
    is_edge: bool
    role: str
    edge_subscribed: bool
    certificates: tuple[ExchangeCertificate, ...]
    internal_transport_thumbprint: str
    receive_connectors: tuple[ReceiveConnector, ...]
    send_connectors: tuple[SendConnector, ...]
    intermediates: frozenset[str]
    edge_subscriptions: tuple[str, ...] = ()

    def certificate(self, thumbprint: str) -> ExchangeCertificate | None:
        """Give the certificate with this thumbprint, or None when it is not listed."""
        return next((c for c in self.certificates if c.thumbprint == thumbprint), None)
