"""What only shows when several keys are seen together.

These checks take the data as it was read, so that they speak even when single values are wrong too. They are tolerant:
what has the wrong shape is left to the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from tlsrunbook.site.names import is_ip
from tlsrunbook.site.values import CONNECTOR_NAME_LIMIT, SERVER_PLACEHOLDER

Loc: TypeAlias = tuple[int | str, ...]
_KINDS = ("required", "never", "default")


@dataclass(frozen=True)
class Problem:
    """One problem.

    Args:
        loc: Keys and list positions that lead to it.
        what: What is wrong.
        todo: What to write instead.
    """

    loc: Loc
    what: str
    todo: str


def together(data: Mapping[str, object]) -> tuple[Problem, ...]:
    """Find all problems between keys.

    Args:
        data: The site file as nested tables, checked or not.
    """
    servers = _rows(data.get("servers"))
    connectors = _table(data.get("send_connectors"))
    found = [
        *_same_server(servers),
        *(problem for index, server in servers for problem in _one_server(("servers", index), server)),
        *_domains(connectors),
        *_connector_names(connectors, [server for _, server in servers if "send" in _texts(server.get("roles"))]),
    ]
    if data.get("send_connectors") is None:
        found.extend(_no_connectors(servers))
    return tuple(found)


def _same_server(servers: list[tuple[int, Mapping[str, object]]]) -> Iterator[Problem]:
    advice = {
        "name": "give each server its own name",
        "fqdn": "give each server its own FQDN; a name they share may stand in names of each",
        "address": "write the address of this server; two entries of one server would change it twice",
    }
    seen: dict[tuple[str, str], int] = {}
    for index, server in servers:
        port = _table(server.get("logon")).get("port", 5986)
        keys = {"name": _key(server, "name"), "fqdn": _key(server, "fqdn"), "address": _key(server, "address")}
        for key, value in keys.items():
            if not value:
                continue
            first = seen.setdefault((key, f"{value} port {port}" if key == "address" else value), index)
            if first != index:
                port_too = " with the same port" if key == "address" else ""
                what = f'"{server[key]}" is also the {key} of servers[{first}]{port_too}'
                yield Problem(("servers", index, key), what, advice[key])


def _one_server(loc: Loc, server: Mapping[str, object]) -> Iterator[Problem]:
    roles = _texts(server.get("roles"))
    if "receive" in roles and not server.get("endpoints"):
        host = server.get("fqdn") or "mx1.example.net"
        todo = f'write the public SMTP endpoints to verify: ["{host}:25"]'
        yield Problem((*loc, "endpoints"), "is missing: the server has the role receive", todo)
    if roles and "receive" not in roles and server.get("receive_connectors"):
        todo = 'add "receive" to roles, or take this key out'
        yield Problem((*loc, "receive_connectors"), "the server does not have the role receive", todo)
    address = server.get("address")
    if _table(server.get("logon")).get("method") == "kerberos" and isinstance(address, str) and is_ip(address):
        yield Problem((*loc, "address"), "is an IP address, and Kerberos needs a name", "write the server's DNS name")
    seen = {_key(server, "fqdn"): "fqdn"}
    for index, name in enumerate(_texts(server.get("names"))):
        first = seen.setdefault(_normal(name), f"names[{index}]")
        if first != f"names[{index}]":
            yield Problem((*loc, "names", index), f'"{name}" is already {first}', "take it out")


def _no_connectors(servers: list[tuple[int, Mapping[str, object]]]) -> Iterator[Problem]:
    senders = [_key(server, "name").upper() for _, server in servers if "send" in _texts(server.get("roles"))]
    if senders:
        todo = "write [send_connectors.required], [send_connectors.never] and [send_connectors.default]"
        yield Problem(("send_connectors",), f"is missing: {', '.join(senders)} has the role send", todo)


def _domains(connectors: Mapping[str, object]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for kind in ("required", "never"):
        for index, entry in enumerate(_items(_table(connectors.get(kind)).get("domains"))):
            domain = entry if isinstance(entry, str) else _table(entry).get("domain")
            if not isinstance(domain, str):
                continue
            place = f"send_connectors.{kind}.domains[{index}]"
            first = seen.setdefault(_normal(domain), place)
            if first != place:
                loc: Loc = ("send_connectors", kind, "domains", index)
                todo = "leave it in one of them: Exchange would choose between two equal address spaces by itself"
                yield Problem(loc, f'"{domain}" is also {first}', todo)


def _connector_names(connectors: Mapping[str, object], senders: list[Mapping[str, object]]) -> Iterator[Problem]:
    owner: dict[str, str] = {}
    servers = [_key(server, "name").upper() for server in senders]
    for kind in _KINDS:
        name = _table(connectors.get(kind)).get("name")
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


def _table(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _items(value: object) -> list[object]:
    return list(value) if isinstance(value, (list, tuple, set, frozenset)) else []


def _rows(value: object) -> list[tuple[int, Mapping[str, object]]]:
    return [(index, _table(row)) for index, row in enumerate(_items(value))]


def _texts(value: object) -> list[str]:
    return [item for item in _items(value) if isinstance(item, str)]


def _key(table: Mapping[str, object], key: str) -> str:
    value = table.get(key)
    return _normal(value) if isinstance(value, str) else ""


def _normal(text: str) -> str:
    return text.strip().lower().removesuffix(".")
