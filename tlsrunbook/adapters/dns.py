"""DNS look-ups with dnspython, which tell "there is none" from "nobody answered"."""

from __future__ import annotations

from functools import cached_property
from ipaddress import ip_address

import dns.exception
import dns.resolver
from dns.rdatatype import RdataType

from tlsrunbook.errors import UsageError

_DNS_PORT = 53


class DnsResolver:
    """Asks one DNS server, or those the system is set up with.

    Args:
        server: ``ip``, ``ip:port`` or ``[ipv6]:port``; None for the system's servers.
        timeout: Seconds for one question, all servers and retries included.

    Raises:
        UsageError: ``server`` is none of these.
    """

    def __init__(self, server: str | None = None, timeout: float = 2.0) -> None:
        self._timeout = timeout
        self._server = _endpoint(server) if server else None

    def addresses(self, name: str) -> tuple[str, ...] | None:
        """Give all A and AAAA addresses; empty when the name has none; None when DNS did not answer."""
        found: list[str] = []
        for kind in (RdataType.A, RdataType.AAAA):
            records = self._ask(name, kind)
            if records is None:
                return None
            found += records
        return tuple(found)

    def exchangers(self, domain: str) -> tuple[str, ...] | None:
        """Give the MX hosts by preference; empty when there are none; None when DNS did not answer."""
        records = self._ask(domain, RdataType.MX)
        if records is None:
            return None
        ranked = sorted((int(preference), host) for preference, host in (record.split() for record in records))
        # A lone dot is RFC 7505's way to say that a domain takes no mail.
        return tuple(host.lower().rstrip(".") for _, host in ranked if host != ".")

    def tlsa(self, owner: str) -> tuple[str, ...] | None:
        """Give the TLSA records of ``_25._tcp.host`` as in a zone file; empty: none; None: DNS did not answer."""
        return self._ask(owner, RdataType.TLSA)

    def _ask(self, name: str, kind: RdataType) -> tuple[str, ...] | None:
        """Give the records in the text form of zone files, None when nobody answered."""
        try:
            answer = self._resolver.resolve(name, kind, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return ()
        except (dns.exception.DNSException, OSError):
            return None
        return tuple(record.to_text() for record in answer)

    @cached_property
    def _resolver(self) -> dns.resolver.Resolver:
        resolver = dns.resolver.Resolver(configure=self._server is None)
        if self._server is not None:
            resolver.nameservers = [self._server[0]]
            resolver.port = self._server[1]
        resolver.lifetime = self._timeout
        # A server that is down must leave time for the next one.
        resolver.timeout = self._timeout / max(1, len(resolver.nameservers))
        return resolver


def _endpoint(server: str) -> tuple[str, int]:
    host, port = server, ""
    if server.startswith("["):
        host, bracket, rest = server[1:].partition("]")
        host, port = host if bracket else "", rest.removeprefix(":")
    elif server.count(":") == 1:
        host, _, port = server.partition(":")
    try:
        address = ip_address(host)
        number = int(port or _DNS_PORT)
    except ValueError as error:
        raise UsageError(
            f"{server!r} is not the address of a DNS server",
            where="dns.server",
            todo="write an IP address, with a port if it is not 53: 10.0.0.53, 10.0.0.53:5353, [2001:db8::53]:5353",
        ) from error
    if not 0 < number < 65536:
        raise UsageError(f"{number} is not a port", where="dns.server", todo="write a port from 1 to 65535")
    return str(address), number
