"""Reading an address space: what Exchange prints and what it takes."""

from __future__ import annotations

import re

from tlsrunbook.exchange.state import AddressSpace

_KIND = re.compile(r"([A-Za-z0-9]+):(.*)\Z", re.DOTALL)
_COST = re.compile(r"(.*);([0-9]{1,9})\Z", re.DOTALL)
_DOMAIN = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\Z")


def parse_address_space(text: str) -> AddressSpace:
    """Read ``SMTP:example.com;1``; type and cost may be left out.

    Raises:
        ValueError: The cost is not 1 to 100, or an SMTP space is not ``*``, ``--``, a domain or ``*.domain``.
    """
    kind, rest = "SMTP", text.strip()
    if match := _KIND.match(rest):
        kind, rest = match[1].upper(), match[2]
    domain, cost = rest, 1
    if match := _COST.match(rest):
        domain, cost = match[1], int(match[2])
    if not 1 <= cost <= 100:
        raise ValueError(f"address space {text!r}: the cost is not 1 to 100")
    domain = domain.lower() if kind == "SMTP" else domain
    if not domain or (kind == "SMTP" and domain not in ("*", "--") and not _DOMAIN.match(domain)):
        raise ValueError(f"address space {text!r} is not '*', a domain or '*.domain'")
    return AddressSpace(domain, cost, kind)
