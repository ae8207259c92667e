"""Builders for the server itself, Edge Subscriptions and accepted domains."""

from __future__ import annotations

from tlsrunbook.exchange.command import Command, Value
from tlsrunbook.exchange.dialect import checked_identity, knows, make, on_server
from tlsrunbook.exchange.version import Target


def get_exchange_server(target: Target) -> Command:
    """Ask who the server is: name, FQDN, version, role.

    Raises:
        ValueError: The target has no name.
    """
    name = "Get-ExchangeServer"
    select = ("Name", "Fqdn", "AdminDisplayVersion", "ServerRole", "IsEdgeServer")
    return Command.of(name, select=select, Identity=checked_identity(target.name, name))


def get_transport_service(target: Target) -> Command:
    """Ask for the default SMTP certificate: ``Get-TransportService``, or ``Get-TransportServer`` before 2013.

    On Edge there is no identity to give.
    """
    cmdlet = "Get-TransportService"
    if not knows(target, cmdlet):
        cmdlet = "Get-TransportServer"
    identity: dict[str, Value] = {} if target.is_edge else {"Identity": checked_identity(target.name, cmdlet)}
    return make(cmdlet, identity, ("Name", "InternalTransportCertificateThumbprint"))


def get_edge_subscriptions(target: Target) -> Command:  # noqa: ARG001 - builders share one shape
    """List the Edge Subscriptions of the organisation (on Edge: its own)."""
    return Command.of("Get-EdgeSubscription", select=("Name",))


def start_edge_synchronization(target: Target, edge: str) -> Command:
    """Push the configuration to one subscribed Edge server now. Run on a Mailbox server.

    Args:
        target: The Mailbox server.
        edge: The Edge server's name.

    Raises:
        ValueError: There is no name.
    """
    name = "Start-EdgeSynchronization"
    return make(name, {**on_server(target, name), **_only(target, name, edge)}, ("Name", "Result", "FailureDetails"))


def test_edge_synchronization(target: Target, edge: str) -> Command:
    """Ask whether one Edge server has the configuration; recipients are left out, which takes long.

    Raises:
        ValueError: There is no name.
    """
    name = "Test-EdgeSynchronization"
    select = ("Name", "SyncStatus", "FailureDetail", "SendConnectorStatus")
    return make(name, {**_only(target, name, edge), "ExcludeRecipientTest": True}, select)


def _only(target: Target, cmdlet: str, edge: str) -> dict[str, Value]:
    checked = checked_identity(edge, cmdlet)
    return {"TargetServer": checked} if knows(target, cmdlet, "TargetServer") else {}


def get_accepted_domains(target: Target) -> Command:  # noqa: ARG001
    """List the accepted domains."""
    return Command.of("Get-AcceptedDomain", select=("DomainName",))
