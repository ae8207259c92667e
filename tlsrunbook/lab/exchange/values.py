"""Exchange's own value types: sizes, time spans, address spaces, bindings, IP ranges."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

_UNITS = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|KB|MB|GB|TB)?(?:\s*\([\d,]+ bytes\))?\Z", re.IGNORECASE)
_SPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2})(?:\.\d+)?\Z")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*\Z")
_ADDRESS_SPACE = re.compile(r"(?:([A-Za-z0-9]+):)?([^;:]+?)(?:;\s*(\d+))?\s*\Z")
_BINDING = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):(\d{1,5})\Z")
_MASKED = re.compile(r"([0-9.]+)\(([0-9.]+)\)\Z")


def size_bytes(text: str) -> int:
    """Read ``36 MB``, ``36MB``, ``37748736`` or ``36 MB (37,748,736 bytes)``.

    Raises:
        ValueError: It is no size.
    """
    match = _SIZE.match(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no size")
    number = float(match.group(1)) * _UNITS[(match.group(2) or "B").upper()]
    return int(number)


def size_text(count: int) -> str:
    """Print a size as Exchange does: ``36 MB (37,748,736 bytes)``."""
    for unit in ("TB", "GB", "MB", "KB"):
        if count >= _UNITS[unit]:
            return f"{_rounded(count / _UNITS[unit])} {unit} ({count:,} bytes)"
    return f"{count} B ({count:,} bytes)"


def _rounded(number: float) -> str:
    return f"{number:.4g}" if number < 1000 else f"{number:.0f}"


def span_seconds(text: str) -> int:
    """Read ``[d.]hh:mm:ss``.

    Raises:
        ValueError: It is no time span.
    """
    match = _SPAN.match(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no time span")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    if hours > 23 or minutes > 59 or seconds > 59:
        raise ValueError(f"{text!r} is no time span")
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def span_text(seconds: int) -> str:
    """Print a time span as .NET does."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{f'{days}.' if days else ''}{hours:02d}:{minutes:02d}:{rest:02d}"


def is_fqdn(text: str) -> bool:
    """Whether the type Fqdn takes it: an underscore passes (and hurts later), a blank does not."""
    return len(text) <= 255 and bool(_HOST.match(text)) and "*" not in text


@dataclass(frozen=True)
class Space:
    """An address space: ``SMTP:*.example.com;1``."""

    kind: str
    domain: str
    cost: int

    def __str__(self) -> str:
        return f"{self.kind}:{self.domain};{self.cost}"

    @property
    def wildcard(self) -> bool:
        """Whether it is ``*`` or ``*.domain``."""
        return self.domain.startswith("*")


def parse_space(text: str) -> Space:
    """Read ``SMTP:domain;cost``, of which type and cost may be left out.

    Raises:
        ValueError: It is no address space; the reason is the text.
    """
    match = _ADDRESS_SPACE.match(text.strip())
    if match is None:
        raise ValueError("it is not type:space;cost")
    kind, domain, cost = match.group(1) or "SMTP", match.group(2).strip(), int(match.group(3) or 1)
    if not 1 <= cost <= 100:
        raise ValueError("the cost is not between 1 and 100")
    if kind.upper() == "SMTP":
        bare = domain.removeprefix("*.")
        if domain not in ("*", "--") and not (is_fqdn(bare) and "_" not in bare):
            raise ValueError("the domain is not *, *.domain or domain")
    return Space(kind.upper() if kind.upper() == "SMTP" else kind, domain, cost)


@dataclass(frozen=True)
class Binding:
    """A local IP address with its port."""

    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    port: int

    def __str__(self) -> str:
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{host}:{self.port}"


def parse_binding(text: str) -> Binding:
    """Read ``0.0.0.0:25`` or ``[::]:25``.

    Raises:
        ValueError: It is neither.
    """
    match = _BINDING.match(text.strip())
    if match is None or not 1 <= int(match.group(3)) <= 65535:
        raise ValueError(f"{text!r} is not address:port")
    return Binding(ipaddress.ip_address(match.group(1) or match.group(2)), int(match.group(3)))


@dataclass(frozen=True)
class Range:
    """Remote IP addresses from low to high, as they were written."""

    text: str
    low: ipaddress.IPv4Address | ipaddress.IPv6Address
    high: ipaddress.IPv4Address | ipaddress.IPv6Address

    def __str__(self) -> str:
        return self.text

    @property
    def width(self) -> int:
        """How many addresses, less one."""
        return int(self.high) - int(self.low)

    def holds(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        """Whether an address lies in it."""
        return address.version == self.low.version and int(self.low) <= int(address) <= int(self.high)

    def clashes(self, other: Range) -> bool:
        """Whether both overlap with neither lying (truly) inside the other."""
        if self.low.version != other.low.version:
            return False
        if (self.low, self.high) == (other.low, other.high):
            return True
        if int(self.high) < int(other.low) or int(other.high) < int(self.low):
            return False
        inside = self.holds(other.low) and self.holds(other.high)
        outside = other.holds(self.low) and other.holds(self.high)
        return not inside and not outside


def parse_range(text: str) -> Range:
    """Read ``a-b``, ``a``, ``a/prefix`` or ``a(mask)``.

    Raises:
        ValueError: It is none of these.
    """
    written = text.strip()
    if masked := _MASKED.match(written):
        written = f"{masked.group(1)}/{masked.group(2)}"
    if "/" in written:
        network = ipaddress.ip_network(written, strict=False)
        return Range(text.strip(), network[0], network[-1])
    low, _, high = written.partition("-")
    first = ipaddress.ip_address(low.strip())
    last = ipaddress.ip_address(high.strip()) if high else first
    if first.version != last.version or int(last) < int(first):
        raise ValueError(f"{text!r} does not go upwards")
    return Range(text.strip(), first, last)
