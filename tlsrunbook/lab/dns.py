"""A small DNS server for the lab's names, over UDP and TCP on one port."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import ip_address
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rrset
from dns.rdatatype import RdataType

_TTL = 60
_ATTEMPTS = 20
_IDLE_SECONDS = 5.0
_MAX_UDP = 512


@dataclass(frozen=True)
class Zone:
    """The lab's names.

    Args:
        addresses: IP addresses by name, lower case without the final dot.
        exchangers: MX hosts by domain, the most preferred first.
        tlsa: TLSA records by owner such as ``_25._tcp.mx1.example.com``, as in a zone file; may change while served.
    """

    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    exchangers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tlsa: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name that exists: itself, or as the parent of one that does."""
        labels = [name.split(".") for name in (*self.addresses, *self.exchangers)]
        return frozenset(".".join(parts[at:]) for parts in labels for at in range(len(parts)))

    def records(self, name: str, kind: RdataType) -> list[str]:
        """Give a name's records of one type, in the text form of zone files."""
        if kind == RdataType.MX:
            hosts = self.exchangers.get(name, ())
            return [f"{10 * number} {host}." for number, host in enumerate(hosts, start=1)]
        if kind == RdataType.TLSA:
            return list(self.tlsa.get(name, ()))
        version = {RdataType.A: 4, RdataType.AAAA: 6}.get(kind)
        return [text for text in self.addresses.get(name, ()) if ip_address(text).version == version]

    def answer(self, query: bytes, *, limit: int = 65535) -> bytes | None:
        """Answer one query; None for what is no query.

        Args:
            query: The message as it came.
            limit: Bytes that fit; a longer answer is cut, and says so.
        """
        try:
            asked = dns.message.from_wire(query)
        except dns.exception.DNSException:
            return None
        if asked.flags & dns.flags.QR:
            return None
        answer = dns.message.make_response(asked)
        if asked.opcode() != dns.opcode.QUERY or len(asked.question) != 1:
            answer.set_rcode(dns.rcode.NOTIMP)
            return answer.to_wire()
        question = asked.question[0]
        answer.flags |= dns.flags.AA
        name = question.name.to_text(omit_final_dot=True).lower()
        if name not in self.names and name not in self.tlsa:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif records := self.records(name, question.rdtype):
            answer.answer.append(dns.rrset.from_text(question.name, _TTL, question.rdclass, question.rdtype, *records))
        return _wire(answer, limit)


def _wire(answer: dns.message.Message, limit: int) -> bytes:
    wire = answer.to_wire()
    if len(wire) > limit:
        answer.flags |= dns.flags.TC
        answer.answer.clear()
        wire = answer.to_wire()
    return wire


class DnsServer:
    """Answers for a zone on a free port.

    Args:
        zone: What it knows.
        listen: Address to listen on.
    """

    def __init__(self, zone: Zone, listen: str = "127.0.0.1") -> None:
        self._zone = zone
        self._listen = listen
        self._port = 0
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    @property
    def endpoint(self) -> str:
        """``address:port``, from :meth:`start` on."""
        return f"[{self._listen}]:{self._port}" if ":" in self._listen else f"{self._listen}:{self._port}"

    async def start(self) -> None:
        """Take a port that is free for both UDP and TCP, and answer there.

        Raises:
            OSError: There is none.
        """
        loop = asyncio.get_running_loop()
        for attempt in range(_ATTEMPTS):
            udp, _ = await loop.create_datagram_endpoint(lambda: _Udp(self._zone), local_addr=(self._listen, 0))
            port = udp.get_extra_info("sockname")[1]
            try:
                self._tcp = await asyncio.start_server(self._accept, self._listen, port)
            except OSError:
                udp.close()
                if attempt == _ATTEMPTS - 1:
                    raise
                continue
            self._udp, self._port = udp, port
            return

    async def stop(self) -> None:
        """Give the port back and end all connections."""
        if self._udp is not None:
            self._udp.close()
            self._udp = None
        tcp, self._tcp = self._tcp, None
        if tcp is not None:
            tcp.close()
            for task in self._clients:
                task.cancel()
            await asyncio.gather(*self._clients, return_exceptions=True)
            await tcp.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._tcp is None:  # it came while we stopped
            writer.close()
            return
        task = asyncio.get_running_loop().create_task(self._converse(reader, writer))
        self._clients.add(task)
        task.add_done_callback(self._clients.discard)
        task.add_done_callback(lambda _: writer.close())  # also when it never began

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Clients hang up in the middle, or keep a connection open that they do not use.
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            while True:
                async with asyncio.timeout(_IDLE_SECONDS):
                    (length,) = struct.unpack("!H", await reader.readexactly(2))
                    query = await reader.readexactly(length)
                answer = self._zone.answer(query)
                if answer is None:
                    return
                writer.write(struct.pack("!H", len(answer)) + answer)
                await writer.drain()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Python 3.11's own datagram transport is no DatagramTransport by its class.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, peer: tuple[str, int]) -> None:
        answer = self._zone.answer(data, limit=_MAX_UDP)
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, peer)
