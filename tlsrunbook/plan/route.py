"""Which send connector mail to a domain takes, by Exchange's own order of choice.

Source: Microsoft's ``connector-selection`` page. Disabled connectors drop out; the most specific address space wins
(exact, then the longest ``*.sub``, then ``*``) whatever its cost; then the lowest cost; then a local source server;
then the first name in the alphabet. A scoped connector counts only for its own servers.
"""

from __future__ import annotations

from collections.abc import Iterable

from tlsrunbook.exchange.state import SendConnector


def route(connectors: Iterable[SendConnector], domain: str, server: str) -> SendConnector | None:
    """Give the connector that mail to ``domain`` takes from ``server``, or None (the Unreachable queue).

    Args:
        connectors: All send connectors the server knows.
        domain: ``example.com``; ``*`` asks for a domain that nobody names; ``*.example.com`` for one below it.
        server: NetBIOS name of the sending server, upper case.
    """
    name = _sample(domain)
    ranked = [
        (-specificity, cost, server not in connector.source_transport_servers, connector.name.lower(), connector)
        for connector in connectors
        if connector.enabled and _in_scope(connector, server)
        for specificity, cost in _matches(connector, name)
    ]
    return min(ranked, key=lambda entry: entry[:4])[4] if ranked else None


def _sample(domain: str) -> str:
    if domain == "*":
        return "nobody-names-this-domain.invalid"
    return "nobody-names-this-host." + domain[2:] if domain.startswith("*.") else domain


def _in_scope(connector: SendConnector, server: str) -> bool:
    return (
        not connector.is_scoped
        or not connector.source_transport_servers
        or server in connector.source_transport_servers
    )


def _matches(connector: SendConnector, name: str) -> list[tuple[int, int]]:
    found = []
    for space in connector.address_spaces:
        if space.kind != "SMTP":
            continue  # another address type, such as X400
        if space.domain == name:
            found.append((1000 + len(name), space.cost))
        elif space.domain.startswith("*.") and name.endswith(space.domain[1:]):
            found.append((len(space.domain), space.cost))
        elif space.domain == "*":
            found.append((0, space.cost))
    return found


def tls_of(connector: SendConnector | None) -> str:
    """Say in a word or two which TLS a connector uses: ``required``, ``never``, ``opportunistic``, or ``no route``."""
    if connector is None:
        return "no route"
    if connector.ignore_starttls:
        return "never"
    if connector.require_tls or connector.domain_secure_enabled:
        return f"required ({connector.tls_auth_level})" if connector.tls_auth_level else "required"
    return "opportunistic"
