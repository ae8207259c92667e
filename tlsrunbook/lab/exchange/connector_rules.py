"""What Exchange refuses of connectors. Ids are those of the facts; where no text is known, the words are the lab's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tlsrunbook.lab.exchange.directory import Connector
from tlsrunbook.lab.exchange.values import Space, parse_space

if TYPE_CHECKING:
    from tlsrunbook.lab.exchange.world import LabServer


@dataclass(frozen=True)
class Rule:
    """A condition that a connector may not meet.

    Args:
        id: The rule's id.
        touches: Parameters of which one must be in the command for the rule to be looked at.
        broken: Whether a connector, as it would become, breaks it.
        message: What Exchange says.
    """

    id: str
    touches: frozenset[str]
    broken: Callable[[Connector], bool]
    message: str


def _rule(id_: str, touches: str, broken: Callable[[Connector], bool], message: str) -> Rule:
    return Rule(id_, frozenset(touches.split()), broken, message)


def spaces(connector: Connector) -> tuple[Space, ...]:
    """Give a send connector's address spaces."""
    return tuple(parse_space(text) for text in connector.properties["AddressSpaces"])


def _domain_secure_send(connector: Connector) -> bool:
    if not connector.get("DomainSecureEnabled"):
        return False
    wildcard = any(space.wildcard for space in spaces(connector))
    return not connector.get("DNSRoutingEnabled") or bool(connector.get("IgnoreSTARTTLS")) or wildcard


SEND_RULES = (
    _rule(
        "sc-ignorestarttls",
        "RequireTLS IgnoreSTARTTLS",
        lambda c: bool(c.get("RequireTLS") and c.get("IgnoreSTARTTLS")),
        "The RequireTLS parameter can't be set to $true when the IgnoreSTARTTLS parameter is set to $true.",
    ),
    _rule(
        "sc-tlsauthlevel",
        "TlsAuthLevel RequireTLS IgnoreSTARTTLS",
        lambda c: bool(c.get("TlsAuthLevel") and (not c.get("RequireTLS") or c.get("IgnoreSTARTTLS"))),
        "The TlsAuthLevel parameter can only be set when the RequireTLS parameter is $true and the IgnoreSTARTTLS "
        "parameter is $false.",
    ),
    _rule(
        "sc-tlsdomain",
        "TlsAuthLevel TlsDomain DNSRoutingEnabled",
        lambda c: (
            c.get("TlsAuthLevel") == "DomainValidation" and not c.get("DNSRoutingEnabled") and not c.get("TlsDomain")
        ),
        "The TlsDomain parameter must be set when the TlsAuthLevel parameter is DomainValidation and the "
        "DNSRoutingEnabled parameter is $false.",
    ),
    _rule(
        "sc-domainsecure",
        "DomainSecureEnabled DNSRoutingEnabled IgnoreSTARTTLS AddressSpaces",
        _domain_secure_send,
        "The DomainSecureEnabled parameter can only be $true when the DNSRoutingEnabled parameter is $true, the "
        "IgnoreSTARTTLS parameter is $false, and no address space has a wildcard.",
    ),
    _rule(
        "sc-smarthosts",
        "SmartHosts DNSRoutingEnabled",
        lambda c: bool(c.get("SmartHosts")) == bool(c.get("DNSRoutingEnabled")),
        "Smart hosts can be used only when the DNSRoutingEnabled parameter is $false, and then at least one is needed.",
    ),
    _rule(
        "sc-smarthost-auth",
        "SmartHostAuthMechanism",
        lambda c: (
            c.get("SmartHostAuthMechanism") in ("BasicAuth", "BasicAuthRequireTLS")
            and c.get("AuthenticationCredential") is None
        ),
        "The AuthenticationCredential parameter must be set when the SmartHostAuthMechanism parameter is BasicAuth or "
        "BasicAuthRequireTLS.",
    ),
)

RECEIVE_RULES = (
    _rule(
        "rc-requiretls-needs-tls",
        "RequireTLS AuthMechanism",
        lambda c: bool(c.get("RequireTLS")) and not c.has_auth("Tls"),
        "The RequireTLS parameter can only be $true when the AuthMechanism attribute contains the value Tls.",
    ),
    _rule(
        "rc-basicauthrequiretls",
        "AuthMechanism",
        lambda c: c.has_auth("BasicAuthRequireTLS") and not (c.has_auth("BasicAuth") and c.has_auth("Tls")),
        "If the AuthMechanism attribute contains the value BasicAuthRequireTLS, it must contain BasicAuth and Tls too.",
    ),
    _rule(
        "rc-external",
        "AuthMechanism PermissionGroups",
        lambda c: (
            c.has_auth("ExternalAuthoritative")
            and (
                bool(set(c.get("AuthMechanism")) - {"ExternalAuthoritative", "Tls"})
                or "ExchangeServers" not in c.get("PermissionGroups")
            )
        ),
        "If the AuthMechanism attribute contains the value ExternalAuthoritative, the only other value it can contain "
        "is Tls, and the PermissionGroups attribute must contain the value ExchangeServers.",
    ),
    _rule(
        "rc-domainsecure",
        "DomainSecureEnabled AuthMechanism",
        lambda c: bool(c.get("DomainSecureEnabled")) and (not c.has_auth("Tls") or c.has_auth("ExternalAuthoritative")),
        "The DomainSecureEnabled parameter can only be $true when the AuthMechanism attribute contains the value Tls "
        "and not the value ExternalAuthoritative.",
    ),
)


def fqdn_rule(owner: LabServer) -> Rule:
    """Make ``rc-fqdn-exchangeserver`` for one server; it does not hold on Edge."""
    allowed = {owner.fqdn, owner.name.lower()}
    return _rule(
        "rc-fqdn-exchangeserver",
        "Fqdn AuthMechanism",
        lambda c: bool(c.get("Fqdn")) and c.has_auth("ExchangeServer") and c.get("Fqdn").lower() not in allowed,
        "If the AuthMechanism attribute on a Receive connector contains the value ExchangeServer, you must set the "
        "FQDN parameter on the Receive connector to one of the following values: the FQDN of the transport server "
        f'"{owner.fqdn}", the NetBIOS name of the transport server "{owner.name}", or $null.',
    )


def clashing(connector: Connector, others: list[Connector]) -> str:
    """Say with which other receive connector of the server a connector clashes; empty when with none."""
    for other in others:
        if other.guid == connector.guid or not set(connector.bindings) & set(other.bindings):
            continue
        head = (
            "The values that you specified for the Bindings and RemoteIPRanges parameters conflict with the settings "
            f'on Receive connector "{other.identity}". '
        )
        if connector.get("TransportRole") != other.get("TransportRole"):
            return (
                head
                + "Receive connectors assigned to different Transport roles on a single server must listen on unique "
                "local IP address & port bindings."
            )
        if any(one.clashes(two) for one in connector.ranges for two in other.ranges):
            return (
                head
                + "Receive connectors must have unique combinations of local IP address & port bindings and remote "
                "IP address ranges. Change at least one of these values."
            )
    return ""
