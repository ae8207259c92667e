"""Which send connector mail to a domain takes, by Exchange's own order of choice, and why.

Source: Microsoft's ``connector-selection`` page. Disabled connectors drop out; the most specific address space wins
(exact, then the longest ``*.sub``, then ``*``) whatever its cost; then the lowest cost; then a local source server;
then the first name in the alphabet. A scoped connector counts only for its own servers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tlsrunbook.exchange.state import AddressSpace, SendConnector

#: What an exact address space weighs more than any ``*.sub``: no DNS name is this long.
_EXACT = 1000


@dataclass(frozen=True)
class RouteAnswer:
    """Which connector mail to one domain takes, and why.

    Args:
        taken: None: no connector covers it, and mail stays in the Unreachable queue.
        space: The address space of it that covers the domain; None without a connector.
        because: What decided, as a sentence.
        others: Every other connector by name, with why it is not taken.
    """

    taken: SendConnector | None
    space: AddressSpace | None
    because: str
    others: tuple[tuple[str, str], ...]


@dataclass(frozen=True, order=True)
class _Match:
    """One address space that covers the domain; the least of all is taken."""

    unspecific: int
    cost: int
    remote: bool
    sorted_name: str
    name: str
    space: AddressSpace


def route(connectors: Iterable[SendConnector], domain: str, server: str) -> SendConnector | None:
    """Give the connector that mail to ``domain`` takes from ``server``, or None (the Unreachable queue).

    Args:
        connectors: All send connectors the server knows.
        domain: ``example.com``; ``*`` asks for a domain that nobody names; ``*.example.com`` for one below it.
        server: NetBIOS name of the sending server, upper case.
    """
    name = _sample(domain)
    best = [(found, connector) for connector in connectors if (found := _best(connector, name, server))]
    return min(best, key=lambda pair: pair[0])[1] if best else None


def explain_route(connectors: Iterable[SendConnector], domain: str, server: str) -> RouteAnswer:
    """Say which connector mail to ``domain`` takes from ``server``, and why no other; arguments as of :func:`route`."""
    known = tuple(connectors)
    name, taken = _sample(domain), route(known, domain, server)
    best = {connector.name: found for connector in known if (found := _best(connector, name, server))}
    if taken is None:
        others = tuple((one.name, _out(one, server)) for one in known)
        because = "no connector has an address space that covers it: mail stays in the Unreachable queue"
        return RouteAnswer(None, None, because, others)
    won = best[taken.name]
    others = tuple(
        (one.name, _lost(best[one.name], won) if one.name in best else _out(one, server))
        for one in sorted(known, key=lambda one: (best.get(one.name, _LAST), one.name.lower()))
        if one is not taken
    )
    rivals = sorted(match for one, match in best.items() if one != taken.name)
    return RouteAnswer(taken, won.space, _won(won, rivals), others)


def _best(connector: SendConnector, name: str, server: str) -> _Match | None:
    """Give the address space of a connector that covers the name best; None when it is not in the running."""
    if not connector.enabled or not _in_scope(connector, server):
        return None
    remote = server not in connector.source_transport_servers
    found = (
        _Match(-specificity, space.cost, remote, connector.name.lower(), connector.name, space)
        for space in connector.address_spaces
        if (specificity := _covers(space, name)) is not None
    )
    return min(found, default=None)


_LAST = _Match(1, 0, True, "", "", AddressSpace("--"))


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


def _covers(space: AddressSpace, name: str) -> int | None:
    """Give how specific an address space is for a name; None when it does not cover it."""
    if space.kind != "SMTP":
        return None  # another address type, such as X400
    if space.domain == name:
        return _EXACT + len(name)
    if space.domain.startswith("*.") and name.endswith(space.domain[1:]):
        return len(space.domain)
    return 0 if space.domain == "*" else None


def _out(connector: SendConnector, server: str) -> str:
    if not connector.enabled:
        return "is disabled"
    if not _in_scope(connector, server):
        return f"is scoped to {', '.join(connector.source_transport_servers)}"
    return "has no address space that covers it"


def _lost(match: _Match, won: _Match) -> str:
    if match.unspecific != won.unspecific:
        return f"its {match.space} is less specific, whatever its cost"
    if match.cost != won.cost:
        return f"its {match.space} costs more"
    if match.remote != won.remote:
        return f"its {match.space} costs the same, and it sends from other servers"
    return f"its {match.space} is as good, and its name comes later in the alphabet"


def _won(won: _Match, rivals: list[_Match]) -> str:
    if not rivals:
        return f"its address space {won.space} is the only one that covers it"
    second = rivals[0]
    if second.unspecific != won.unspecific:
        return f"its address space {won.space} is the most specific one that covers it; cost is not asked then"
    if second.cost != won.cost:
        return f"its address space {won.space} has the lowest cost of those that cover it equally well"
    if second.remote != won.remote:
        return f"its address space {won.space} costs as much as that of {second.name}, and it sends from this server"
    return f"its address space {won.space} is as good as that of {second.name}; the first name in the alphabet decides"


def tls_of(connector: SendConnector | None) -> str:
    """Say in a word or two which TLS a connector uses: ``required``, ``never``, ``opportunistic``, or ``no route``."""
    if connector is None:
        return "no route"
    if connector.ignore_starttls:
        return "never"
    if connector.require_tls or connector.domain_secure_enabled:
        return f"required ({connector.tls_auth_level})" if connector.tls_auth_level else "required"
    return "opportunistic"
