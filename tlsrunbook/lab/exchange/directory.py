"""What lies in a directory: connectors, accepted domains, subscriptions. Active Directory, or an Edge's own."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from threading import RLock
from typing import Any

from tlsrunbook.lab.exchange.builds import Build
from tlsrunbook.lab.exchange.given import Flags
from tlsrunbook.lab.exchange.table import parameters_of
from tlsrunbook.lab.exchange.values import Binding, Range, parse_binding, parse_range, size_text

EVERYWHERE = ("::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "0.0.0.0-255.255.255.255")

_MB = 1 << 20
_SEND: dict[str, Any] = {
    "AddressSpaces": (),
    "AuthenticationCredential": None,
    "CloudServicesMailEnabled": False,
    "Comment": "",
    "ConnectionInactivityTimeOut": "00:10:00",
    "ConnectorType": "Default",
    "DNSRoutingEnabled": True,
    "DomainSecureEnabled": False,
    "Enabled": True,
    "ErrorPolicies": "Default",
    "ForceHELO": False,
    "Fqdn": None,
    "FrontendProxyEnabled": False,
    "IgnoreSTARTTLS": False,
    "IsCoexistenceConnector": False,
    "IsScopedConnector": False,
    "LinkedReceiveConnector": None,
    "MaxMessageSize": size_text(35 * _MB),
    "Port": 25,
    "ProtocolLoggingLevel": "None",
    "RequireOorg": False,
    "RequireTLS": False,
    "SmartHostAuthMechanism": "None",
    "SmartHosts": (),
    "SmtpMaxMessagesPerConnection": 20,
    "SourceIPAddress": "0.0.0.0",  # noqa: S104 - a property of the simulated connector, nothing is bound
    "SourceTransportServers": (),
    "TlsAuthLevel": None,
    "TlsCertificateName": None,
    "TlsDomain": None,
    "UseExternalDNSServersEnabled": False,
}
# Parameters of one role only; as properties both roles show them.
_ALWAYS_SEND = {"SourceIPAddress", "SourceTransportServers"}
_RECEIVE: dict[str, Any] = {
    "AdvertiseClientSettings": False,
    "AuthMechanism": Flags(("Tls",)),
    "AuthTarpitInterval": "00:00:05",
    "Banner": "",
    "BareLinefeedRejectionEnabled": False,
    "BinaryMimeEnabled": True,
    "Bindings": (),
    "ChunkingEnabled": True,
    "Comment": "",
    "ConnectionInactivityTimeout": "00:05:00",
    "ConnectionTimeout": "00:10:00",
    "DefaultDomain": None,
    "DeliveryStatusNotificationEnabled": True,
    "DomainSecureEnabled": False,
    "EightBitMimeEnabled": True,
    "EnableAuthGSSAPI": False,
    "Enabled": True,
    "EnhancedStatusCodesEnabled": True,
    "ExtendedProtectionPolicy": "None",
    "Fqdn": None,
    "LongAddressesEnabled": False,
    "MaxAcknowledgementDelay": "00:00:30",
    "MaxHeaderSize": size_text(256 << 10),
    "MaxHopCount": 30,
    "MaxInboundConnection": "5000",
    "MaxInboundConnectionPerSource": "20",
    "MaxInboundConnectionPercentagePerSource": 2,
    "MaxLocalHopCount": 8,
    "MaxLogonFailures": 3,
    "MaxMessageSize": size_text(36 * _MB),
    "MaxProtocolErrors": "5",
    "MaxRecipientsPerMessage": 200,
    "MessageRateLimit": "Unlimited",
    "MessageRateSource": "IPAddress",
    "OrarEnabled": False,
    "PermissionGroups": Flags(),
    "PipeliningEnabled": True,
    "ProtocolLoggingLevel": "None",
    "RejectReservedSecondLevelRecipientDomains": False,
    "RejectReservedTopLevelRecipientDomains": False,
    "RejectSingleLabelRecipientDomains": False,
    "RemoteIPRanges": (),
    "RequireEHLODomain": False,
    "RequireTLS": False,
    "ServiceDiscoveryFqdn": None,
    "SizeEnabled": "Enabled",
    "SuppressXAnonymousTls": False,
    "TarpitInterval": "00:00:05",
    "TlsCertificateName": None,
    "TlsDomainCapabilities": (),
    "TransportRole": None,
}


@dataclass
class Connector:
    r"""A send or receive connector.

    Args:
        name: Its name.
        properties: By name; only what this version has.
        server: NetBIOS name of the owner of a receive connector; empty for a send connector.
    """

    name: str
    properties: dict[str, Any]
    server: str = ""
    guid: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def identity(self) -> str:
        r"""``SERVER\Name`` for a receive connector, the name for a send connector."""
        return f"{self.server}\\{self.name}" if self.server else self.name

    def get(self, name: str) -> Any:
        """Give a property, None when there is none."""
        return self.properties.get(name)

    def copy(self) -> Connector:
        """Give a copy that can be altered alone."""
        return Connector(self.name, dict(self.properties), self.server, self.guid)

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """The local endpoints of a receive connector."""
        return tuple(parse_binding(text) for text in self.properties["Bindings"])

    @property
    def ranges(self) -> tuple[Range, ...]:
        """The remote addresses of a receive connector."""
        return tuple(parse_range(text) for text in self.properties["RemoteIPRanges"])

    def has_auth(self, mechanism: str) -> bool:
        """Whether ``AuthMechanism`` contains a mechanism."""
        return mechanism in self.properties["AuthMechanism"]


def send_connector(name: str, build: Build, wanted: Mapping[str, Any]) -> Connector:
    """Make a send connector with this version's properties and defaults."""
    known = {*parameters_of("Set-SendConnector", build, False), *_ALWAYS_SEND}
    return Connector(name, {key: wanted.get(key, value) for key, value in _SEND.items() if key in known})


def receive_connector(server: str, name: str, build: Build, is_edge: bool, wanted: Mapping[str, Any]) -> Connector:
    """Make a receive connector with this version's and role's properties and defaults."""
    known = parameters_of("Set-ReceiveConnector", build, is_edge)
    properties = {key: wanted.get(key, value) for key, value in _RECEIVE.items() if key in known}
    return Connector(name, properties, server)


@dataclass(frozen=True)
class AcceptedDomain:
    """A domain the organisation takes mail for."""

    name: str
    kind: str = "Authoritative"
    default: bool = False


@dataclass
class EdgeSubscription:
    """What the organisation remembers of a subscribed Edge Transport server.

    Args:
        name: The Edge's NetBIOS name.
        fqdn: Its FQDN.
        site: The Active Directory site.
        thumbprint: The certificate that is trusted: the Edge's internal transport certificate of that moment.
        display: The Edge's version of that moment.
        created: UTC.
        synchronised: When the last synchronisation succeeded; None before the first.
        inside: Mailbox server -> its internal transport certificate of that moment, which the Edge trusts.
        late: How many looks a synchronisation that is under way still needs; negative when it never ends.
    """

    name: str
    fqdn: str
    site: str
    thumbprint: str
    display: str
    created: datetime
    synchronised: datetime | None = None
    inside: Mapping[str, str] = field(default_factory=dict)
    late: int = 0


class Directory:
    """Connectors and domains under one lock. Take a server's lock before it, never after."""

    def __init__(self, accepted_domains: tuple[AcceptedDomain, ...] = ()) -> None:
        self.lock = RLock()
        self.send: dict[str, Connector] = {}
        self.receive: list[Connector] = []
        self.accepted_domains = accepted_domains

    def receive_of(self, server: str) -> list[Connector]:
        """Give a server's own receive connectors."""
        return [connector for connector in self.receive if connector.server == server]


class EdgeDirectory(Directory):
    """An Edge Transport server's own directory; once subscribed, its send connectors come from inside."""

    def __init__(self) -> None:
        super().__init__()
        self.subscribed = False
