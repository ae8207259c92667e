"""The lab's world on paper and its furniture, from a user's own site file, with or without saved state."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping

from tlsrunbook.errors import UsageError
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.exchange.state_data import SavedServer
from tlsrunbook.lab.authority import AuthorityDesk
from tlsrunbook.lab.ca import CsrRefused
from tlsrunbook.lab.exchange.builds import Build, parse_version
from tlsrunbook.lab.exchange.directory import Connector
from tlsrunbook.lab.exchange.rebuild import rebuild, subscribe_again
from tlsrunbook.lab.exchange.values import parse_binding, parse_range
from tlsrunbook.lab.exchange.world import LabServer
from tlsrunbook.lab.fleet import Fleet
from tlsrunbook.lab.places import ServerPlan, SitePlan
from tlsrunbook.lab.smtp import SMTP_PORT, STRANGER
from tlsrunbook.lab.stand_in import StandInKeys
from tlsrunbook.policy.confirm import concerned
from tlsrunbook.site import Server, Site

#: Saved servers by site and server name.
Saved = Mapping[tuple[str, str], SavedServer]


def site_plan(site: Site, saved: Saved, version: str, edges: Iterable[str]) -> SitePlan:
    """Lay out a site as its file has it.

    Args:
        site: The user's.
        saved: What was read of its servers; those that are not there are made up.
        version: Exchange's version for those.
        edges: Names of those that are Edge Transport servers, besides the ones that are called so.

    Raises:
        UsageError: A name is no server of the site.
    """
    named = {site.server(name).name for name in edges}
    domain = site.servers[0].fqdn.partition(".")[2]
    servers = tuple(_server(site, one, saved, version, is_edge=one.name in named) for one in site.servers)
    inside = [server.internal_fqdn.partition(".")[2] for server in servers if not server.is_edge]
    return SitePlan(site.name, site.certificate.country or "GB", domain, next(iter(inside), f"corp.{domain}"), servers)


def _server(site: Site, server: Server, saved: Saved, version: str, *, is_edge: bool) -> ServerPlan:
    was = saved.get((site.name, server.name))
    if was is None:
        internal = f"{server.name.lower().replace('_', '-')}.corp.{server.fqdn.partition('.')[2]}"
        edge = is_edge or bool(server.send_through) or called_edge(server.name)
        return ServerPlan(server.name, edge, server.fqdn, internal, version, server.send_through or "")
    return ServerPlan(server.name, was.state.is_edge, server.fqdn, was.state.fqdn, _build(was))


def called_edge(name: str) -> bool:
    """Whether a server's name says that it is an Edge Transport server: without its state nothing else does."""
    return "EDGE" in name.upper()


def _build(was: SavedServer) -> str:
    """Give the exact build: with its security update where the two numbers agree on the rest.

    Raises:
        UsageError: It is no Exchange that the lab knows.
    """
    base = str(was.state.version)
    try:
        exact = Build.of(was.greeting.exchange)
    except ValueError:
        return base
    try:
        parse_version(base)
    except UsageError as error:
        raise UsageError(error.what, where=f"saved state of {was.site} / {was.server}", todo=error.todo) from error
    shown = exact.display.replace("Version ", "").replace(" (Build ", ".").rstrip(")")
    return str(exact) if shown == base else base


def furnish(fleet: Fleet, desk: AuthorityDesk, sites: Iterable[Site], saved: Saved) -> None:
    """Make a fresh lab what was saved, and what the site files name.

    Args:
        fleet: Made by plans of :func:`site_plan`.
        desk: Gets the orders that the authority had.
        sites: The user's.
        saved: What was read of their servers.
    """
    keys = StandInKeys()
    for site in sites:
        here = [saved[site.name, server.name] for server in site.servers if (site.name, server.name) in saved]
        for was in here:
            rebuild(fleet.stations[site.name, was.server].server, was, keys)
            _orders(desk, was)
        subscribe_again(fleet.organizations[site.name], here)
        for server in site.servers:
            twin, known = fleet.stations[site.name, server.name].server, saved.get((site.name, server.name))
            if known is None:
                _name_connectors(twin, server)
            _let_mail_in(twin, server, known.state if known else None)


def _orders(desk: AuthorityDesk, was: SavedServer) -> None:
    for order in was.orders:
        if order.held:
            try:
                desk.remember(order.csr, order.reply)
            except CsrRefused:  # made with 1024 bits once: the lab's CA would not have it, and it is renewed anyway
                continue


def _name_connectors(server: LabServer, wanted: Server) -> None:
    """Give a made-up server the receive connectors that the site file names.

    The first one it lacks is its connector to the Internet under another name; each further one serves an address of
    documentation (RFC 5737), as two connectors cannot have the same binding and remote addresses.
    """
    with server.directory.lock:
        own = server.own_receive_connectors()
        lacking = [name.rpartition("\\")[2] for name in wanted.receive_connectors if not _has(own, name)]
        front = next(
            (one for one in own if "AnonymousUsers" in one.get("PermissionGroups") and _on_25(one)),
            next(one for one in own if _on_25(one)),
        )
        spare = not any(_has([front], name) for name in wanted.receive_connectors)
        for at, name in enumerate(lacking):
            if at == 0 and spare:
                front.name = name
                continue
            properties = {**front.properties, "RemoteIPRanges": (f"203.0.113.{at + 20}-203.0.113.{at + 20}",)}
            server.directory.receive.append(Connector(name, properties, server.name))


def _let_mail_in(server: LabServer, wanted: Server, state: ServerState | None) -> None:
    """Let mail from the Internet arrive where the site's own firewall sends it, from whom its connector takes it."""
    if wanted.internet_connector:
        bindings, allowed = wanted.internet_connector.bindings, wanted.internet_connector.remote_ip_ranges
    else:
        first = next(iter(concerned(state, wanted)), None) if state else None
        bindings, allowed = (first.bindings, first.remote_ip_ranges) if first else ((), ())
    here = [one.address for one in map(parse_binding, bindings) if one.port == SMTP_PORT]
    if here and not any(address.is_unspecified for address in here):
        server.public_side = str(here[0])
    spans, stranger = [parse_range(text) for text in allowed], ipaddress.ip_address(STRANGER)
    if spans and not any(span.holds(stranger) for span in spans):
        server.caller = str(spans[0].low)


def _has(own: Iterable[Connector], name: str) -> bool:
    return any(name.lower() in (one.name.lower(), one.identity.lower()) for one in own)


def _on_25(connector: Connector) -> bool:
    return any(binding.port == SMTP_PORT for binding in connector.bindings)
