"""What the servers of a site are to each other: one that sends through another, one that shares another's key.

Like ``together``, these checks take the data as it was read and leave what has the wrong shape to the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tlsrunbook.site.raw import Problem, Row, key, normal, table, texts
from tlsrunbook.site.values import SERVER_PLACEHOLDER

_KINDS = ("required", "never", "default")


def relations(data: Mapping[str, object], servers: list[Row]) -> Iterator[Problem]:
    """Find all problems between servers that name each other.

    Args:
        data: The site file as nested tables.
        servers: Its servers with their positions.
    """
    by_name = {key(server, "name").upper(): (index, server) for index, server in servers}
    for index, server in servers:
        yield from _through(_Pair.of("send_through", index, server, by_name))
        yield from _shared(_Pair.of("share_from", index, server, by_name), data)
    yield from _connector_names(data, servers)
    yield from _endpoints(servers)


@dataclass(frozen=True)
class _Pair:
    """A server and the one that a key of it names.

    Args:
        key: ``send_through`` or ``share_from``.
        index: The server's position.
        server: The server's table.
        wanted: The name as it stands there; empty when the key is not set.
        other: The named server's table; None when there is none of this name.
        place: The named server's position in words.
        known: All names.
    """

    key: str
    index: int
    server: Mapping[str, object]
    wanted: str
    other: Mapping[str, object] | None
    place: str
    known: tuple[str, ...]

    @classmethod
    def of(cls, name: str, index: int, server: Mapping[str, object], by_name: Mapping[str, Row]) -> _Pair:
        value = server.get(name)
        wanted = value.strip() if isinstance(value, str) else ""
        found = by_name.get(wanted.upper()) if wanted else None
        known = tuple(sorted(filter(None, by_name)))
        return cls(name, index, server, wanted, found and found[1], f"servers[{found[0]}]" if found else "", known)

    def problem(self, what: str, todo: str, key: str = "") -> Problem:
        return Problem(("servers", self.index, key or self.key), what, todo)

    def misnamed(self) -> Problem | None:
        """Give the problem of a name that cannot be meant, or None."""
        if self.other is None:
            others = ", ".join(name for name in self.known if name != key(self.server, "name").upper())
            return self.problem(f'"{self.wanted}" is no server of this site', f"write one of {others or 'its servers'}")
        if self.other is self.server:
            return self.problem("names the server itself", "take this key out, or name the other server")
        if self.other.get(self.key):
            what = f'"{self.wanted}" ({self.place}) has {self.key} itself'
            return self.problem(what, f'write the server that stands there: "{self.other[self.key]}"')
        return None


def _through(pair: _Pair) -> Iterator[Problem]:
    if not pair.wanted:
        return
    misnamed = pair.misnamed()
    if misnamed:
        yield misnamed
    roles = texts(pair.server.get("roles"))
    if roles and "send" not in roles:
        yield pair.problem("the server does not have the role send", 'add "send" to roles, or take this key out')


def _shared(pair: _Pair, data: Mapping[str, object]) -> Iterator[Problem]:
    if not pair.wanted:
        return
    if table(data.get("certificate")).get("exportable") is not True:
        todo = "write exportable = true under [certificate], or take this key out: it then makes its own request"
        yield pair.problem("the key of the other server cannot leave it: certificate.exportable is not true", todo)
    misnamed = pair.misnamed()
    if misnamed or pair.other is None:
        yield from filter(None, (misnamed,))
        return
    carried = {key(pair.other, "fqdn"), *map(normal, texts(pair.other.get("names")))}
    source = f"{key(pair.other, 'name').upper()} ({pair.place})"
    own = [("fqdn", key(pair.server, "fqdn")), *(("names", normal(name)) for name in texts(pair.server.get("names")))]
    for where, name in own:
        if name and name not in carried:
            what = f'"{name}" is not on the certificate of {source}, which it shares'
            yield pair.problem(what, f"add it to names of {pair.place}", where)


def _connector_names(data: Mapping[str, object], servers: list[Row]) -> Iterator[Problem]:
    """A server that makes the connectors of several servers needs a name for each."""
    makers: dict[str, list[str]] = {}
    for _, server in servers:
        if "send" in texts(server.get("roles")):
            own = key(server, "name").upper()
            makers.setdefault(key(server, "send_through").upper() or own, []).append(own)
    through = {key(server, "send_through").upper() for _, server in servers}
    for maker, senders in makers.items():
        for kind in _KINDS if maker in through and len(senders) > 1 else ():
            name = table(table(data.get("send_connectors")).get(kind)).get("name")
            if isinstance(name, str) and SERVER_PLACEHOLDER not in name:
                what = f'"{name}" would be the connector of {" and ".join(senders)} at once: {maker} makes it for each'
                yield Problem(("send_connectors", kind, "name"), what, f"put {SERVER_PLACEHOLDER} into the name")


def _endpoints(servers: list[Row]) -> Iterator[Problem]:
    """Two certificates at one endpoint cannot be told apart; servers that share one may share it."""
    seen: dict[str, tuple[int, str]] = {}
    for index, server in servers:
        name = key(server, "name").upper()
        source = key(server, "share_from").upper() or name
        for position, endpoint in enumerate(texts(server.get("endpoints"))):
            whole = normal(endpoint) if ":" in endpoint else f"{normal(endpoint)}:25"
            first, owner = seen.setdefault(whole, (index, source))
            if owner != source:
                what = f'"{endpoint}" is also an endpoint of servers[{first}], and each has its own certificate'
                todo = f"write an address that reaches {name or 'this server'} alone, or share the key: share_from"
                yield Problem(("servers", index, "endpoints", position), what, todo)
