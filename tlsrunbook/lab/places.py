"""The lab's world on paper: sites, servers and their names.

The names have the shape of names that public CAs sign; ``example.net`` and ``example.org`` belong to nobody (RFC 2606).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tlsrunbook.errors import UsageError

_CITIES = (
    ("london", "GB"),
    ("dublin", "IE"),
    ("oslo", "NO"),
    ("lisbon", "PT"),
    ("vienna", "AT"),
    ("prague", "CZ"),
    ("madrid", "ES"),
    ("athens", "GR"),
    ("warsaw", "PL"),
    ("zurich", "CH"),
    ("paris", "FR"),
    ("rome", "IT"),
    ("berlin", "DE"),
    ("boston", "US"),
    ("toronto", "CA"),
    ("sydney", "AU"),
    ("tokyo", "JP"),
)


@dataclass(frozen=True)
class ServerPlan:
    """One server.

    Args:
        name: NetBIOS name, upper case; the same names occur in every site.
        is_edge: Edge Transport or Mailbox server.
        fqdn: What the world shall see.
        internal_fqdn: What it calls itself.
        version: ``2007`` to ``SE``, or an exact build; empty for the lab's own.
        send_through: The Mailbox server that an Edge is subscribed to; empty when it is not subscribed.
    """

    name: str
    is_edge: bool
    fqdn: str
    internal_fqdn: str
    version: str = ""
    send_through: str = ""


@dataclass(frozen=True)
class SitePlan:
    """One site with an Exchange organisation of its own.

    Args:
        name: Lower case.
        country: ISO 3166.
        domain: The mail domain.
        internal_domain: The Active Directory domain.
        servers: Edge and Mailbox servers in turn.
    """

    name: str
    country: str
    domain: str
    internal_domain: str
    servers: tuple[ServerPlan, ...]


def plan_world(sites: int, servers: int, *, edges: bool = True) -> tuple[SitePlan, ...]:
    """Lay out the world.

    Args:
        sites: How many.
        servers: How many in each site.
        edges: Whether Edge and Mailbox servers come in turn; without it all are Mailbox servers.

    Raises:
        UsageError: A number is below 1.
    """
    if sites < 1 or servers < 1:
        raise UsageError(f"a lab cannot have {sites} sites with {servers} servers each", todo="use 1 or more of each")
    return tuple(_site(number, servers, edges) for number in range(sites))


def _site(number: int, servers: int, edges: bool) -> SitePlan:
    name, country = _CITIES[number] if number < len(_CITIES) else (f"site{number + 1}", "GB")
    domain = f"{name}.example.net"
    internal = f"corp.{domain}"
    numbers = range(servers)
    return SitePlan(name, country, domain, internal, tuple(_server(at, domain, internal, edges) for at in numbers))


def _server(at: int, domain: str, internal: str, edges: bool) -> ServerPlan:
    is_edge = edges and at % 2 == 0
    name = f"{'EDGE' if is_edge else 'MBX'}{at // 2 + 1 if edges else at + 1}"
    return ServerPlan(name, is_edge, f"mx{at + 1}.{domain}", f"{name.lower()}.{internal}")


def with_subscriptions(world: tuple[SitePlan, ...]) -> tuple[SitePlan, ...]:
    """Subscribe every Edge: to the Mailbox server of the same number, or else to the first.

    Raises:
        UsageError: There is no Edge, or no Mailbox server that it could be subscribed to.
    """
    return tuple(replace(site, servers=tuple(_subscribed(one, site.servers) for one in site.servers)) for site in world)


def _subscribed(server: ServerPlan, servers: tuple[ServerPlan, ...]) -> ServerPlan:
    inside = [one.name for one in servers if not one.is_edge]
    if not inside or len(inside) == len(servers):
        raise UsageError("a subscription needs an Edge and a Mailbox server", todo="use 2 servers or more in each site")
    if not server.is_edge:
        return server
    beside = server.name.replace("EDGE", "MBX")
    return replace(server, send_through=beside if beside in inside else inside[0])
