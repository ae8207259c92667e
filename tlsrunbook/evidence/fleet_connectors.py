"""Connectors that name a certificate which is gone, over, or replaced by a newer one; and FQDNs nothing answers for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from tlsrunbook.certificates.facts import names_cover
from tlsrunbook.evidence.fleet_model import StaleName
from tlsrunbook.exchange.state import ExchangeCertificate, ReceiveConnector, SendConnector, ServerState
from tlsrunbook.plan.outdated import outdated_names, sent_from
from tlsrunbook.plan.target import USABLE, chosen_certificate
from tlsrunbook.policy.confirm import concerned
from tlsrunbook.policy.followers import label_of
from tlsrunbook.policy.tls_names import certificates_named, common_name_in, readable_names, same_name
from tlsrunbook.site import Server, Site

_OWN = "run activate, and on sending servers connectors"


def stale_names(site: Site, server: Server, state: ServerState | None, at: datetime) -> tuple[StaleName, ...]:
    """Judge what a server's connectors name, as the server was read last.

    Args:
        site: For the certificate that should be named.
        server: Of the site file.
        state: None when it was never read: then nothing is known, and nothing is said.
        at: Now, UTC.
    """
    if state is None:
        return ()
    return (*_named(site, server, state, at), *_unnamed(server, state, at))


def naming_connectors(state: ServerState) -> tuple[ReceiveConnector | SendConnector, ...]:
    """Give the connectors that name a certificate which has to be on this server."""
    own: tuple[ReceiveConnector | SendConnector, ...] = (*state.receive_connectors, *sent_from(state))
    return tuple(connector for connector in own if connector.tls_certificate_name)


def _named(site: Site, server: Server, state: ServerState, at: datetime) -> Iterator[StaleName]:
    chosen = chosen_certificate(state, site, server, at)
    older = outdated_names(state, server, chosen) if chosen else ()
    for connector in naming_connectors(state):
        name = connector.tls_certificate_name or ""
        bearing = [one for one in certificates_named(state, name) if not one.pending]
        found = _judged(name, bearing, older, at, chosen, tell=readable_names(state))
        if found:
            what = f"{found[1]}: {_effect(connector, found[0])}"
            yield StaleName(label_of(connector), name, found[0], what, _todo(name, found[0], server))


def _judged(
    name: str,
    bearing: list[ExchangeCertificate],
    older: tuple[str, ...],
    at: datetime,
    chosen: ExchangeCertificate | None,
    *,
    tell: bool,
) -> tuple[str, str] | None:
    """Give kind and sentence, or None when the name leads where it should.

    Args:
        tell: Whether the server told the name of every certificate: only then is one that is not there gone.
    """
    if not bearing:
        return ("gone", "no certificate of the server bears this name any more") if tell else None
    newest = bearing[0]
    if newest.not_after <= at:
        return "expired", f"its certificate {newest.thumbprint[:8]}… ended on {newest.not_after:%Y-%m-%d}"
    if chosen and any(same_name(name, one) for one in older):
        ends = f"{newest.thumbprint[:8]}… until {newest.not_after:%Y-%m-%d}"
        return "older", f"an older one ({ends}); the newest is {chosen.thumbprint[:8]}…"
    return None


def _effect(connector: ReceiveConnector | SendConnector, kind: str) -> str:
    if isinstance(connector, SendConnector):
        return "once it is gone, mail queues (454 4.7.5)" if kind == "older" else "mail queues (454 4.7.5)"
    if kind == "older":
        return "once it is gone, no STARTTLS is offered (event 12014)"
    if kind == "gone":
        return "no STARTTLS is offered (event 12014)"
    return "partners that check certificates do not deliver (event 12016)"


def _todo(name: str, kind: str, server: Server) -> str:
    """The steps set what stood for the server's own names, and leave the rest alone."""
    if kind == "older" or common_name_in(name) in server.all_names:
        return _OWN
    return "install the certificate it means, or correct its TlsCertificateName: no step touches it"


def _unnamed(server: Server, state: ServerState, at: datetime) -> Iterator[StaleName]:
    """Look at the Internet-facing receive connectors that name none: Exchange goes by their FQDN."""
    for connector in concerned(state, server) if "receive" in server.roles else ():
        fqdn = connector.fqdn or state.fqdn
        if not connector.tls_certificate_name and not any(_serves(one, fqdn, at) for one in state.certificates):
            what = "names no certificate, and no valid one with SMTP has its FQDN: no STARTTLS is offered (event 12014)"
            yield StaleName(label_of(connector), fqdn, "unmatched", what, _OWN)


def _serves(one: ExchangeCertificate, fqdn: str, at: datetime) -> bool:
    """Whether Exchange may take this certificate for an FQDN; what the server did not tell speaks for it."""
    return (
        not one.pending
        and one.status in USABLE
        and one.not_before <= at < one.not_after
        and (one.services is None or one.serves_smtp)
        and names_cover(one.names, fqdn)
    )
