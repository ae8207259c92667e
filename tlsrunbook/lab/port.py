"""A TCP port that can be taken, listened on, and made to refuse."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress


class Port:
    """One TCP port on loopback.

    While ``refused()`` says so the port is taken and not listened on, so that the system refuses connections for us.

    Args:
        host: A loopback address.
        number: 0 takes a free one; afterwards the one that was taken.
        refused: Whether connections shall be refused now.
    """

    def __init__(self, host: str, number: int, refused: Callable[[], bool]) -> None:
        self.host = host
        self.number = number
        self._refused = refused
        self._socket: socket.socket | None = None
        self._listener: asyncio.Server | None = None
        self._turn = asyncio.Lock()
        self._make: Callable[[], asyncio.BaseProtocol] = asyncio.Protocol
        self._tls: ssl.SSLContext | None = None

    async def start(self, make: Callable[[], asyncio.BaseProtocol], tls: ssl.SSLContext | None) -> None:
        """Take the port and listen.

        Args:
            make: Makes the protocol of each connection.
            tls: None for plain TCP.

        Raises:
            OSError: The port is taken.
        """
        self._make, self._tls = make, tls
        self._socket = self._take()
        await self.adjust()

    async def adjust(self) -> None:
        """Listen or refuse, as it shall be now. Does nothing before :meth:`start` and after :meth:`stop`."""
        async with self._turn:
            if self._socket is None:
                return
            if self._refused() and self._listener is not None:
                await self._give_back()
                self._socket = self._take()
            elif not self._refused() and self._listener is None:
                loop = asyncio.get_running_loop()
                self._listener = await loop.create_server(self._accept, sock=self._socket, ssl=self._tls, backlog=256)

    async def stop(self) -> None:
        """Give the port back. Connections that exist are left alone."""
        async with self._turn:
            await self._give_back()

    def _take(self) -> socket.socket:
        taken = socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET, socket.SOCK_STREAM)
        # On Windows SO_REUSEADDR means that somebody else may take the port as well.
        exclusive = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)
        taken.setsockopt(socket.SOL_SOCKET, exclusive or socket.SO_REUSEADDR, 1)
        try:
            taken.bind((self.host, self.number))
        except OSError:
            taken.close()
            raise
        self.number = taken.getsockname()[1]
        return taken

    def _accept(self) -> asyncio.BaseProtocol:
        return _HangUp() if self._refused() else self._make()

    async def _give_back(self) -> None:
        if self._listener is not None:
            # asyncio loses a connection that it has accepted and not yet handed over when its server closes: accept
            # no more, let that one pass, and close then. (Windows' proactor hands over at once.)
            if self._socket is not None:
                with suppress(NotImplementedError):
                    asyncio.get_running_loop().remove_reader(self._socket)
            await asyncio.sleep(0)
            self._listener.close()
        if self._socket is not None:
            self._socket.close()
        self._listener = self._socket = None


class _HangUp(asyncio.Protocol):
    """Drops a connection that came in the moment before the port began to refuse."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            transport.abort()
