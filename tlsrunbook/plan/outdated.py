"""TLS certificate names that no connector shall go on naming, and the connectors that do.

A connector holds issuer and subject, no thumbprint. When the CA signs a renewal with another intermediate, the name it
holds leads nowhere as soon as the old certificate is gone: event 12014 on a receive connector, 454 4.7.5 on a send
connector. So connectors are found by what they name, whatever they are called.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tlsrunbook.certificates.facts import names_cover
from tlsrunbook.exchange import cmdlets
from tlsrunbook.exchange.command import Later
from tlsrunbook.exchange.state import ExchangeCertificate, ReceiveConnector, SendConnector, ServerState
from tlsrunbook.exchange.version import Target
from tlsrunbook.plan.model import Change, PlanItem, Reverse
from tlsrunbook.policy.tls_names import certificates_named, common_name_in, readable_names, same_name
from tlsrunbook.site import Server

#: TLS certificate name -> the names on the certificate that bore it when this server was read before.
Remembered = Mapping[str, tuple[str, ...]]


def dangling_names(state: ServerState) -> tuple[str, ...]:
    """Give what this server's connectors name and none of its certificates bears; nothing when that cannot be told."""
    if not readable_names(state):
        return ()
    held = [connector.tls_certificate_name or "" for connector in state.receive_connectors]
    held += [connector.tls_certificate_name or "" for connector in sent_from(state)]
    return tuple(name for name in dict.fromkeys(held) if name and not certificates_named(state, name))


def sent_from(state: ServerState) -> tuple[SendConnector, ...]:
    """Give the send connectors that send from this server: the certificates they name have to be here."""
    return tuple(
        connector
        for connector in state.send_connectors
        if state.is_edge or state.name.upper() in (name.upper() for name in connector.source_transport_servers)
    )


def outdated_names(
    state: ServerState, server: Server, new: ExchangeCertificate | None, remembered: Remembered | None = None
) -> tuple[str, ...]:
    """Give the TLS certificate names whose connectors shall name the new certificate.

    Args:
        state: As observed.
        server: Of the site file.
        new: The certificate they shall name; None while it is not issued.
        remembered: What this server's certificates were called when it was read before.

    Returns:
        The names of certificates for the same FQDN that the new one replaces, and names that no certificate of the
        server bears any more and that stood for the same FQDN. A name whose certificate has a DNS name which the new
        one lacks is left alone: some connector may need it.
    """
    has = new.names if new else server.all_names
    kept = new.tls_certificate_name if new else ""
    found = [
        certificate.tls_certificate_name
        for certificate in state.certificates
        if certificate.tls_certificate_name  # a connector that names none is no connector that names this one
        and not certificate.pending
        and not certificate.self_signed
        and _replaced(certificate.names, has, server)
    ]
    found += [name for name in dangling_names(state) if _stood_for(name, has, server, remembered or {})]
    return tuple(name for name in dict.fromkeys(found) if not same_name(name, kept))


def _replaced(names: Iterable[str], has: tuple[str, ...], server: Server) -> bool:
    old = tuple(names)
    return names_cover(old, server.fqdn) and all(names_cover(has, name) for name in old)


def _stood_for(name: str, has: tuple[str, ...], server: Server, remembered: Remembered) -> bool:
    known = next((names for other, names in remembered.items() if same_name(other, name)), None)
    if known is not None:
        return _replaced(known, has, server)
    # Nobody remembers the certificate: its subject tells one of its names.
    common = common_name_in(name)
    return bool(common) and common in (server.fqdn, *server.all_names) and names_cover(has, common)


def names_one_of(connector: ReceiveConnector | SendConnector, names: Iterable[str]) -> bool:
    """Whether a connector names one of these certificates."""
    return any(same_name(connector.tls_certificate_name or "", name) for name in names)


def following_receivers(state: ServerState, names: Iterable[str]) -> tuple[ReceiveConnector, ...]:
    """Give the receive connectors that name one of these certificates, whatever they are called."""
    wanted = tuple(names)
    return tuple(connector for connector in state.receive_connectors if names_one_of(connector, wanted))


def following_senders(
    state: ServerState, names: Iterable[str], besides: Iterable[str] = ()
) -> tuple[SendConnector, ...]:
    """Give the send connectors of this server that name one of these certificates.

    Args:
        state: As observed.
        names: TLS certificate names.
        besides: Names of send connectors that are looked after elsewhere.
    """
    wanted, own = tuple(names), {name.lower() for name in besides}
    return tuple(c for c in sent_from(state) if c.name.lower() not in own and names_one_of(c, wanted))


def sender_items(
    connectors: Iterable[SendConnector], target: Target, certificate_name: str | Later
) -> tuple[PlanItem, ...]:
    """Give the items that set the TLS certificate name of send connectors, and nothing else of them."""
    return tuple(_sender_item(connector, target, certificate_name) for connector in connectors)


def _sender_item(connector: SendConnector, target: Target, certificate_name: str | Later) -> PlanItem:
    have = connector.tls_certificate_name or None
    return PlanItem(
        "Let the connector name the new certificate; everything else of it stays",
        (cmdlets.set_send_connector(target, connector.identity, tls_certificate_name=certificate_name),),
        (Change(f"send connector {connector.name}", "TlsCertificateName", have, certificate_name),),
        Reverse(((cmdlets.set_send_connector(target, connector.identity, tls_certificate_name=have),),)),
    )
