"""A rehearsal's site file leads to this computer and nowhere else."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping

from tlsrunbook.site.raw import Loc, Problem, key, rows, table, texts

_WHAT = "is not on this computer, and this is the site file of a rehearsal"
_TODO = "tlsrunbook rehearse writes such files; take [rehearsal] out of any other one"


def only_this_computer(data: Mapping[str, object]) -> Iterator[Problem]:
    """Find every address of a rehearsal's site file that is not on this computer.

    Args:
        data: The site file as nested tables.
    """
    if not table(data.get("rehearsal")):
        return
    if not _here(key(table(data.get("dns")), "server")):
        yield Problem(("dns", "server"), _WHAT, _TODO)
    for index, server in rows(data.get("servers")):
        if not _here(key(server, "address")):
            yield Problem(("servers", index, "address"), _WHAT, _TODO)
        for at, endpoint in enumerate(texts(server.get("endpoints"))):
            if not _here(endpoint):
                loc: Loc = ("servers", index, "endpoints", at)
                yield Problem(loc, _WHAT, _TODO)


def _here(text: str) -> bool:
    bare = text.rsplit(":", 1)[0] if text.count(":") == 1 or text.startswith("[") else text
    try:
        return ipaddress.ip_address(bare.strip("[]")).is_loopback
    except ValueError:
        return False
