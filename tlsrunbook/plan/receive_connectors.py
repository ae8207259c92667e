"""The TLS certificate name of the receive connectors: which connectors, and what differs."""

from __future__ import annotations

from collections.abc import Iterable

from tlsrunbook.exchange import cmdlets
from tlsrunbook.exchange.command import Later
from tlsrunbook.exchange.state import ReceiveConnector
from tlsrunbook.exchange.version import Target
from tlsrunbook.plan.model import Change, PlanItem, Reverse


def receive_items(
    connectors: Iterable[ReceiveConnector], target: Target, certificate_name: str | Later
) -> tuple[PlanItem, ...]:
    """Give the items that set the TLS certificate name where it differs.

    Args:
        connectors: Those that shall show the certificate.
        certificate_name: As the server spelled it, or what it will be.
    """
    return tuple(
        _item(connector, target, certificate_name)
        for connector in connectors
        if connector.tls_certificate_name != certificate_name
    )


def _item(connector: ReceiveConnector, target: Target, certificate_name: str | Later) -> PlanItem:
    have = connector.tls_certificate_name or None
    return PlanItem(
        "Let the connector show this certificate, whatever its Fqdn is",
        (cmdlets.set_receive_connector(target, connector.identity, tls_certificate_name=certificate_name),),
        (Change(f"receive connector {connector.identity}", "TlsCertificateName", have, certificate_name),),
        Reverse(((cmdlets.set_receive_connector(target, connector.identity, tls_certificate_name=have),),)),
    )
