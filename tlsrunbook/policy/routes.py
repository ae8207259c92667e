"""Which connector each domain of the site file will really take, across all connectors of the server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tlsrunbook.exchange.state import SendConnector
from tlsrunbook.plan.route import route, tls_of
from tlsrunbook.plan.send_connectors import WantedConnector
from tlsrunbook.policy.finding import Finding, Severity

RULES = {
    "takes-another-connector": "A domain of the site file takes the send connector the site file means",
    "connector-of-another-server": "A send connector of one of the three names belongs to this server alone",
    "edge-subscribed-blocked": "On a subscribed Edge, send connectors cannot be changed",
}


def route_table(
    wanted: Sequence[WantedConnector], before: Sequence[SendConnector], after: Sequence[SendConnector], server: str
) -> list[dict[str, str]]:
    """Give one row per domain: the connector it takes now, the one it will take, and with which TLS."""
    rows = []
    for one in wanted:
        for domain in one.domains:
            now, then = route(before, domain, server), route(after, domain, server)
            rows.append(
                {
                    "domain": "every other domain" if domain == "*" else domain,
                    "takes now": now.name if now else "",
                    "TLS now": tls_of(now),
                    "will take": then.name if then else "",
                    "TLS then": tls_of(then),
                }
            )
    return rows


def judge_routes(wanted: Sequence[WantedConnector], after: Sequence[SendConnector], server: str) -> Iterable[Finding]:
    """Refuse where a domain would take another connector than the one the site file puts it in."""
    named = {domain for one in wanted for domain in one.domains}
    for one in wanted:
        for domain in (*one.domains, *_below(one, named, after)):
            taken = route(after, domain, server)
            if taken is None or taken.name.lower() == one.name.lower():
                continue
            if domain not in named and tls_of(taken).startswith(one.tls):
                continue
            shown = "mail to every other domain" if domain == "*" else f"mail to {domain}"
            yield Finding(
                "takes-another-connector",
                Severity.REFUSE,
                f"{shown} would take send connector {taken.name} (TLS {tls_of(taken)}), not {one.name} (TLS {one.tls})",
                f"remove the domain from {taken.name}, disable it, or give it a higher cost",
                f"send connector {taken.name}",
            )


def _below(one: WantedConnector, named: set[str], after: Sequence[SendConnector]) -> list[str]:
    """Give what connectors name below ``*.example.com``: a more specific space takes its mail past the wanted TLS."""
    suffixes = tuple(domain[1:] for domain in one.domains if domain.startswith("*."))
    spaces = {space.domain for connector in after for space in connector.address_spaces if space.kind == "SMTP"}
    return sorted(domain for domain in spaces - named if suffixes and domain.endswith(suffixes))


def judge_owners(wanted: Sequence[WantedConnector], present: Iterable[SendConnector], server: str) -> Iterable[Finding]:
    """Refuse where a connector of the wanted name works for other servers too."""
    names = {one.name.lower() for one in wanted}
    for connector in present:
        others = [name for name in connector.source_transport_servers if name.upper() != server.upper()]
        if connector.name.lower() in names and others:
            yield Finding(
                "connector-of-another-server",
                Severity.REFUSE,
                f"send connector {connector.name} is there already and sends from {', '.join(others)}",
                "put {server} into the connector's name in the site file, so that each server has its own",
                f"send connector {connector.name}",
            )
