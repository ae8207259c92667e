"""The port 25 of a simulated server, as the Internet sees it.

Every connection meets the server's state of that moment: Exchange's own rules choose the receive connector and the
certificate (``exchange.selection``), so a wrong activation shows on the wire. All listeners share one event loop.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from email.utils import format_datetime

from tlsrunbook.lab.exchange.inbound import InboundServer, InboundTls
from tlsrunbook.lab.faults import FaultBoard
from tlsrunbook.lab.port import Port
from tlsrunbook.lab.smtp_session import Face, Session
from tlsrunbook.lab.smtp_tls import TlsContexts

#: Who calls, for receive connectors with ranges: somebody on the Internet (RFC 5737), although it is loopback here.
STRANGER = "198.51.100.25"
SMTP_PORT = 25


class SmtpListener:
    """Listens on a free port for what would come to port 25 of one server.

    Args:
        server: Whose port it is.
        contexts: Where TLS contexts come from; shared by all listeners of a lab.
        faults: What goes wrong.
        listen: Address to listen on.
        connector: Which of the server's ports it is, or the identity of one receive connector.
    """

    def __init__(
        self,
        server: InboundServer,
        contexts: TlsContexts,
        faults: FaultBoard,
        *,
        listen: str = "127.0.0.1",
        connector: str | int = SMTP_PORT,
    ) -> None:
        self._server = server
        self._contexts = contexts
        self._faults = faults
        self._connector = connector
        self._port = Port(listen, 0, lambda: faults.hits("smtp-closed", server.name))
        self._sessions: set[Session] = set()
        self._at_start = InboundTls(certificate=None, key=None)

    @property
    def endpoint(self) -> str:
        """``address:port``, from :meth:`start` on."""
        host, number = self._port.host, self._port.number
        return f"[{host}]:{number}" if ":" in host else f"{host}:{number}"

    async def start(self) -> None:
        """Take a port and listen, unless the fault ``smtp-closed`` is in force."""
        self._at_start = self._server.inbound(self._connector, STRANGER)
        await self._port.start(self._answer, None)

    async def obey_faults(self) -> None:
        """Close or open the port as the fault ``smtp-closed`` says now. The port number stays."""
        await self._port.adjust()
        if self._faults.hits("smtp-closed", self._server.name):
            await self._hang_up()

    async def stop(self) -> None:
        """Give the port back and end all connections."""
        await self._port.stop()
        await self._hang_up()

    async def _hang_up(self) -> None:
        tasks = [session.task for session in self._sessions if session.task is not None]
        for session in tuple(self._sessions):
            session.hang_up()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _answer(self) -> asyncio.BaseProtocol:
        face = self._face()
        if face is None:
            return _HangUp()
        return Session(face, asyncio.get_running_loop(), self._sessions.add, self._sessions.discard)

    def _face(self) -> Face | None:
        """Look at the server as it is now; None when no receive connector takes the connection."""
        tls = self._server.inbound(self._connector, STRANGER)
        listener = next((item for item in self._server.receive_connectors() if item.identity == tls.connector), None)
        if listener is None or not listener.enabled:
            return None
        if self._faults.hits("smtp-old-certificate", self._server.name):
            tls = self._at_start
        offered = tls.offered and not self._faults.hits("smtp-no-starttls", self._server.name)
        leaf_only = self._faults.hits("smtp-leaf-only", self._server.name)
        now = format_datetime(datetime.now(UTC))
        return Face(
            fqdn=listener.fqdn,
            banner=listener.banner or f"{listener.fqdn} Microsoft ESMTP MAIL Service ready at {now}",
            auth=listener.auth,
            require_tls=listener.require_tls,
            context=self._contexts.context(tls, leaf_only=leaf_only) if offered else None,
        )


class _HangUp(asyncio.Protocol):
    """Ends a connection that no receive connector takes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
