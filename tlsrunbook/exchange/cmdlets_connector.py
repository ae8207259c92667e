"""Builders for receive and send connectors.

What may be set is one table per kind: the keys are the fields of :class:`~tlsrunbook.exchange.state.ReceiveConnector`
and :class:`~tlsrunbook.exchange.state.SendConnector`, so that what was read can be set again (which is what undo does).
Only settings that are given are sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypedDict, Unpack

from tlsrunbook.exchange.command import Command, Later, Value
from tlsrunbook.exchange.dialect import checked_identity, make, on_server, settings_for, version_has
from tlsrunbook.exchange.state import AddressSpace
from tlsrunbook.exchange.version import Target


class ReceiveSettings(TypedDict, total=False):
    """What may be set on a receive connector; empty text means Exchange's ``$null``."""

    fqdn: str | None
    tls_certificate_name: str | Later | None
    auth_mechanism: Iterable[str]
    permission_groups: Iterable[str]
    bindings: tuple[str, ...]
    remote_ip_ranges: tuple[str, ...]
    require_tls: bool
    enabled: bool
    domain_secure_enabled: bool
    transport_role: str


class SendSettings(TypedDict, total=False):
    """What may be set on a send connector; empty text means Exchange's ``$null``."""

    enabled: bool
    address_spaces: tuple[AddressSpace, ...]
    fqdn: str | None
    tls_certificate_name: str | Later | None
    require_tls: bool
    ignore_starttls: bool
    tls_auth_level: str | None
    tls_domain: str | None
    dns_routing_enabled: bool
    domain_secure_enabled: bool
    smart_hosts: tuple[str, ...]
    source_transport_servers: tuple[str, ...]
    frontend_proxy_enabled: bool
    cloud_services_mail_enabled: bool
    is_scoped: bool
    port: int
    max_message_size: str


#: Setting -> Exchange's parameter and property, in the order they are shown.
RECEIVE_PARAMETERS: Mapping[str, str] = {
    "bindings": "Bindings",
    "remote_ip_ranges": "RemoteIPRanges",
    "transport_role": "TransportRole",
    "fqdn": "Fqdn",
    "tls_certificate_name": "TlsCertificateName",
    "auth_mechanism": "AuthMechanism",
    "permission_groups": "PermissionGroups",
    "require_tls": "RequireTLS",
    "domain_secure_enabled": "DomainSecureEnabled",
    "enabled": "Enabled",
}

#: Setting -> Exchange's parameter and property, in the order they are shown.
SEND_PARAMETERS: Mapping[str, str] = {
    "address_spaces": "AddressSpaces",
    "source_transport_servers": "SourceTransportServers",
    "fqdn": "Fqdn",
    "tls_certificate_name": "TlsCertificateName",
    "require_tls": "RequireTLS",
    "ignore_starttls": "IgnoreSTARTTLS",
    "tls_auth_level": "TlsAuthLevel",
    "tls_domain": "TlsDomain",
    "dns_routing_enabled": "DNSRoutingEnabled",
    "smart_hosts": "SmartHosts",
    "domain_secure_enabled": "DomainSecureEnabled",
    "frontend_proxy_enabled": "FrontendProxyEnabled",
    "cloud_services_mail_enabled": "CloudServicesMailEnabled",
    "is_scoped": "IsScopedConnector",
    "port": "Port",
    "max_message_size": "MaxMessageSize",
    "enabled": "Enabled",
}

#: Flags in the order Exchange prints them.
AUTH_MECHANISMS = ("Tls", "Integrated", "BasicAuth", "BasicAuthRequireTLS", "ExchangeServer", "ExternalAuthoritative")
PERMISSION_GROUPS = (
    "AnonymousUsers",
    "ExchangeUsers",
    "ExchangeServers",
    "ExchangeLegacyServers",
    "Partners",
    "Custom",
)

_FLAGS = {"auth_mechanism": AUTH_MECHANISMS, "permission_groups": PERMISSION_GROUPS}
_NULLABLE = frozenset({"fqdn", "tls_certificate_name", "tls_auth_level", "tls_domain"})

_RECEIVE_ALWAYS = (
    "Identity",
    "Name",
    "Fqdn",
    "AuthMechanism",
    "PermissionGroups",
    "Bindings",
    "RemoteIPRanges",
    "RequireTLS",
    "Enabled",
    "DomainSecureEnabled",
)
_SEND_ALWAYS = (
    "Identity",
    "Name",
    "Enabled",
    "AddressSpaces",
    "Fqdn",
    "RequireTLS",
    "IgnoreSTARTTLS",
    "DNSRoutingEnabled",
    "DomainSecureEnabled",
    "SmartHosts",
    "SourceTransportServers",
    "IsScopedConnector",
    "Port",
    "MaxMessageSize",
)
_RECEIVE_BY_VERSION = ("TlsCertificateName", "TransportRole")
_SEND_BY_VERSION = (
    "TlsCertificateName",
    "TlsAuthLevel",
    "TlsDomain",
    "FrontendProxyEnabled",
    "CloudServicesMailEnabled",
)


def get_receive_connectors(target: Target) -> Command:
    """List the receive connectors of the server."""
    name = "Get-ReceiveConnector"
    # A property exists by version, whatever parameters the account may set.
    extra = tuple(p for p in _RECEIVE_BY_VERSION if version_has(target, "Set-ReceiveConnector", p))
    return make(name, on_server(target, name), _RECEIVE_ALWAYS + extra)


def set_receive_connector(target: Target, identity: str, **settings: Unpack[ReceiveSettings]) -> Command:
    """Change a receive connector.

    Raises:
        ValueError: The identity is empty, or there is nothing to set.
        UsageError: The server does not know one of the settings.
    """
    name = "Set-ReceiveConnector"
    parameters = _settings(target, name, RECEIVE_PARAMETERS, _role(target, settings))
    return make(name, {"Identity": checked_identity(identity, name), **parameters})


def new_receive_connector(
    target: Target, name: str, bindings: tuple[str, ...], /, **settings: Unpack[ReceiveSettings]
) -> Command:
    """Make a receive connector for the Internet (anonymous senders, TLS offered).

    Args:
        target: The server.
        name: The connector's name.
        bindings: At least one, such as ``192.0.2.1:25``; not among the settings once more.
        settings: Further settings. With remote ranges, which the usage Internet does not take, it is the usage Custom
            with what Internet would have given it.

    Raises:
        ValueError: There is no name, or no binding.
        UsageError: The server does not know one of the settings.
    """
    cmdlet = "New-ReceiveConnector"
    if not bindings or "bindings" in settings:
        raise ValueError(f"{cmdlet} {name!r} needs bindings, and once")
    settings["bindings"] = bindings
    usage = "Internet"
    if settings.get("remote_ip_ranges"):
        usage = "Custom"
        settings.setdefault("auth_mechanism", ("Tls",))
        settings.setdefault("permission_groups", ("AnonymousUsers",))
    first: dict[str, Value] = {"Name": checked_identity(name, cmdlet), "Usage": usage, **on_server(target, cmdlet)}
    return make(cmdlet, {**first, **_settings(target, cmdlet, RECEIVE_PARAMETERS, _role(target, settings))})


def remove_receive_connector(target: Target, identity: str) -> Command:  # noqa: ARG001 - builders share one shape
    """Remove a receive connector."""
    name = "Remove-ReceiveConnector"
    return Command.of(name, Identity=checked_identity(identity, name), Confirm=False)


def get_send_connectors(target: Target) -> Command:
    """List all send connectors of the organisation (on Edge: of the server)."""
    extra = tuple(p for p in _SEND_BY_VERSION if version_has(target, "Set-SendConnector", p))
    return Command.of("Get-SendConnector", select=_SEND_ALWAYS + extra)


def new_send_connector(
    target: Target, name: str, address_spaces: tuple[AddressSpace, ...], /, **settings: Unpack[SendSettings]
) -> Command:
    """Make a send connector to the Internet.

    Args:
        target: The server the command runs on.
        name: The connector's name.
        address_spaces: At least one; not among the settings once more.
        settings: Further settings. On an Edge server ``source_transport_servers`` is left out: it is its own source.

    Raises:
        ValueError: There is no name or no address space, or other sources are named on an Edge server.
        UsageError: The server does not know one of the settings.
    """
    cmdlet = "New-SendConnector"
    if not address_spaces or "address_spaces" in settings:
        raise ValueError(f"{cmdlet} {name!r} needs address spaces, and once")
    settings["address_spaces"] = address_spaces
    first: dict[str, Value] = {"Name": checked_identity(name, cmdlet), "Usage": "Internet"}
    return make(cmdlet, {**first, **_settings(target, cmdlet, SEND_PARAMETERS, _sources(target, settings))})


def set_send_connector(target: Target, identity: str, **settings: Unpack[SendSettings]) -> Command:
    """Change a send connector.

    Raises:
        ValueError: The identity is empty, there is nothing to set, or sources are named on an Edge server.
        UsageError: The server does not know one of the settings.
    """
    name = "Set-SendConnector"
    parameters = _settings(target, name, SEND_PARAMETERS, _sources(target, settings))
    return make(name, {"Identity": checked_identity(identity, name), **parameters})


def remove_send_connector(target: Target, identity: str) -> Command:  # noqa: ARG001
    """Remove a send connector."""
    name = "Remove-SendConnector"
    return Command.of(name, Identity=checked_identity(identity, name), Confirm=False)


def _role(target: Target, settings: ReceiveSettings) -> ReceiveSettings:
    if "transport_role" not in settings:
        return settings
    if settings["transport_role"] and target.is_edge:
        raise ValueError(f"{target.name} is an Edge server, and its receive connectors have no transport role")
    kept = settings.copy()
    if not kept["transport_role"]:
        del kept["transport_role"]
    return kept


def _sources(target: Target, settings: SendSettings) -> SendSettings:
    if not target.is_edge or "source_transport_servers" not in settings:
        return settings
    others = {name.upper() for name in settings["source_transport_servers"]} - {target.name.upper()}
    if others:
        raise ValueError(f"{target.name} is an Edge server and its own only source, not {', '.join(sorted(others))}")
    kept = settings.copy()
    del kept["source_transport_servers"]
    return kept


def _settings(
    target: Target, cmdlet: str, table: Mapping[str, str], settings: Mapping[str, object]
) -> dict[str, Value]:
    unknown = settings.keys() - table.keys()
    if unknown:
        raise TypeError(f"{cmdlet} has no setting {', '.join(sorted(unknown))}")
    values = {parameter: _value(key, settings[key]) for key, parameter in table.items() if key in settings}
    if not values:
        raise ValueError(f"{cmdlet} is given nothing to set")
    return settings_for(target, cmdlet, values)


def _value(key: str, value: object) -> Value:
    if key in _FLAGS:
        return _flags(key, value)
    if key == "address_spaces" and isinstance(value, tuple):
        return tuple(str(space) for space in value)
    if value == "" and key in _NULLABLE:
        return None
    if value is None or isinstance(value, str | bool | int | tuple | Later):
        return value
    raise TypeError(f"{key}: {type(value).__name__} cannot be a setting")


def _flags(key: str, value: object) -> str:
    order = _FLAGS[key]
    given = set(value) if isinstance(value, Iterable) and not isinstance(value, str) else {value}
    unknown = given - set(order)
    if unknown:
        raise ValueError(f"{key}: {sorted(map(str, unknown))} is none of {', '.join(order)}")
    return ", ".join(flag for flag in order if flag in given) or "None"
