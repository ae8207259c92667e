"""The lab's world on paper: sites, servers and their names.

The names have the shape of names that public CAs sign; ``example.net`` and ``example.org`` belong to nobody (RFC 2606).
"""

from __future__ import annotations

from dataclasses import dataclass

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
    """

    name: str
    is_edge: bool
    fqdn: str
    internal_fqdn: str


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


def plan_world(sites: int, servers: int) -> tuple[SitePlan, ...]:
    """Lay out the world.

    Args:
        sites: How many.
        servers: How many in each site.

    Raises:
        UsageError: A number is below 1.
    """
    if sites < 1 or servers < 1:
        raise UsageError(f"a lab cannot have {sites} sites with {servers} servers each", todo="use 1 or more of each")
    return tuple(_site(number, servers) for number in range(sites))


def _site(number: int, servers: int) -> SitePlan:
    name, country = _CITIES[number] if number < len(_CITIES) else (f"site{number + 1}", "GB")
    domain = f"{name}.example.net"
    internal = f"corp.{domain}"
    return SitePlan(name, country, domain, internal, tuple(_server(at, domain, internal) for at in range(servers)))


def _server(at: int, domain: str, internal: str) -> ServerPlan:
    name = f"{'MBX' if at % 2 else 'EDGE'}{at // 2 + 1}"
    return ServerPlan(name, at % 2 == 0, f"mx{at + 1}.{domain}", f"{name.lower()}.{internal}")
