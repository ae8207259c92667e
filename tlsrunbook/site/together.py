"""What only shows when several keys are seen together.

These checks take the data as it was read, so that they speak even when single values are wrong too. They are tolerant:
what has the wrong shape is left to the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tlsrunbook.site.loopback import only_this_computer
from tlsrunbook.site.names import is_ip
from tlsrunbook.site.raw import Loc, Problem, Row, items, key, normal, rows, table, texts
from tlsrunbook.site.relations import relations
from tlsrunbook.site.values import CONNECTOR_NAME_LIMIT, SERVER_PLACEHOLDER

_KINDS = ("required", "never", "default")


def together(data: Mapping[str, object]) -> tuple[Problem, ...]:
    """Find all problems between keys.

    Args:
        data: The site file as nested tables, checked or not.
    """
    servers = rows(data.get("servers"))
    connectors = table(data.get("send_connectors"))
    found = [
        *_same_server(servers),
        *(problem for index, server in servers for problem in _one_server(("servers", index), server)),
        *_domains(connectors),
        *_connector_names(connectors, [server for _, server in servers if "send" in texts(server.get("roles"))]),
        *relations(data, servers),
        *only_this_computer(data),
    ]
    if data.get("send_connectors") is None:
        found.extend(_no_connectors(servers))
    return tuple(found)


def _same_server(servers: list[Row]) -> Iterator[Problem]:
    advice = {
        "name": "give each server its own name",
        "address": "write the address of this server; two entries of one server would change it twice",
    }
    seen: dict[tuple[str, str], int] = {}
    for index, server in servers:
        port = table(server.get("logon")).get("port", 5986)
        for name, todo in advice.items():
            value = key(server, name)
            if not value:
                continue
            first = seen.setdefault((name, f"{value} port {port}" if name == "address" else value), index)
            if first != index:
                port_too = " with the same port" if name == "address" else ""
                what = f'"{server[name]}" is also the {name} of servers[{first}]{port_too}'
                yield Problem(("servers", index, name), what, todo)


def _one_server(loc: Loc, server: Mapping[str, object]) -> Iterator[Problem]:
    roles = texts(server.get("roles"))
    if "receive" in roles and not server.get("endpoints"):
        host = server.get("fqdn") or "mx1.example.net"
        todo = f'write the public SMTP endpoints to verify: ["{host}:25"]'
        yield Problem((*loc, "endpoints"), "is missing: the server has the role receive", todo)
    if roles and "receive" not in roles and server.get("receive_connectors"):
        todo = 'add "receive" to roles, or take this key out'
        yield Problem((*loc, "receive_connectors"), "the server does not have the role receive", todo)
    if roles and "receive" not in roles and server.get("internet_connector"):
        todo = 'add "receive" to roles, or take this table out'
        yield Problem((*loc, "internet_connector"), "the server does not have the role receive", todo)
    yield from _internet_connector_name(loc, server)
    address = server.get("address")
    if table(server.get("logon")).get("method") == "kerberos" and isinstance(address, str) and is_ip(address):
        yield Problem((*loc, "address"), "is an IP address, and Kerberos needs a name", "write the server's DNS name")
    seen = {key(server, "fqdn"): "fqdn"}
    for index, name in enumerate(texts(server.get("names"))):
        first = seen.setdefault(normal(name), f"names[{index}]")
        if first != f"names[{index}]":
            yield Problem((*loc, "names", index), f'"{name}" is already {first}', "take it out")


def _internet_connector_name(loc: Loc, server: Mapping[str, object]) -> Iterator[Problem]:
    name = table(server.get("internet_connector")).get("name")
    if not isinstance(name, str):
        return
    filled = name.replace(SERVER_PLACEHOLDER, key(server, "name").upper())
    if len(filled) > CONNECTOR_NAME_LIMIT:
        what = f'becomes "{filled}", longer than {CONNECTOR_NAME_LIMIT} characters'
        yield Problem((*loc, "internet_connector", "name"), what, "use a shorter name")


def _no_connectors(servers: list[Row]) -> Iterator[Problem]:
    senders = [key(server, "name").upper() for _, server in servers if "send" in texts(server.get("roles"))]
    if senders:
        todo = "write [send_connectors.required], [send_connectors.never] and [send_connectors.default]"
        yield Problem(("send_connectors",), f"is missing: {', '.join(senders)} has the role send", todo)


def _domains(connectors: Mapping[str, object]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for kind in ("required", "never"):
        for index, entry in enumerate(items(table(connectors.get(kind)).get("domains"))):
            domain = entry if isinstance(entry, str) else table(entry).get("domain")
            if not isinstance(domain, str):
                continue
            place = f"send_connectors.{kind}.domains[{index}]"
            first = seen.setdefault(normal(domain), place)
            if first != place:
                loc: Loc = ("send_connectors", kind, "domains", index)
                todo = "leave it in one of them: Exchange would choose between two equal address spaces by itself"
                yield Problem(loc, f'"{domain}" is also {first}', todo)


def _connector_names(connectors: Mapping[str, object], senders: list[Mapping[str, object]]) -> Iterator[Problem]:
    owner: dict[str, str] = {}
    servers = [key(server, "name").upper() for server in senders]
    for kind in _KINDS:
        name = table(connectors.get(kind)).get("name")
        if not isinstance(name, str):
            continue
        loc: Loc = ("send_connectors", kind, "name")
        filled = [name.replace(SERVER_PLACEHOLDER, server) for server in servers] or [name]
        long = next((text for text in filled if len(text) > CONNECTOR_NAME_LIMIT), "")
        if long and len(name.replace(SERVER_PLACEHOLDER, "")) <= CONNECTOR_NAME_LIMIT:
            what = f'becomes "{long}", longer than {CONNECTOR_NAME_LIMIT} characters'
            yield Problem(loc, what, "use a shorter name")
        clash = next((text for text in filled if owner.get(text.lower(), kind) != kind), "")
        if clash:
            what = f'"{clash}" is also the name of send_connectors.{owner[clash.lower()]}'
            yield Problem(loc, what, "give each send connector its own name")
        owner.update(dict.fromkeys((text.lower() for text in filled), kind))
