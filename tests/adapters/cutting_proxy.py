"""A TCP proxy that drops connections when a test says so: the wire between a client and the lab."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tlsrunbook.lab.loop import LoopThread


class CuttingProxy:
    """Passes bytes on, both ways.

    Attributes:
        connections: How many were accepted.
        drop_answer: Asked for every piece of an answer; when true, the piece is lost and the connection with it.
    """

    def __init__(self, host: str, port: int) -> None:
        self.connections = 0
        self.cuts = 0
        self.drop_answer: Callable[[bytes], bool] = lambda _: False
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self.cut()

    async def cut(self) -> None:
        """Drop all connections."""
        self.cuts += bool(self._writers)
        for writer in list(self._writers):
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        self.connections += 1  # only now: what is counted can be cut
        both = {writer, far_writer}
        self._writers |= both
        try:
            await asyncio.gather(
                self._pump(reader, far_writer, lambda _: False),
                self._pump(far_reader, writer, self._loses),
            )
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers -= both
            for each in both:
                each.transport.abort()

    def _loses(self, data: bytes) -> bool:
        return self.drop_answer(data)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lose: Callable[[bytes], bool]
    ) -> None:
        while data := await reader.read(65536):
            if lose(data):
                await self.cut()
                return
            writer.write(data)
            await writer.drain()
        writer.transport.abort()


@contextmanager
def cutting(loop: LoopThread, port: int) -> Iterator[CuttingProxy]:
    """Run a proxy in front of a port on loopback while the block lasts."""
    proxy = CuttingProxy("127.0.0.1", port)
    loop.run(proxy.start())
    try:
        yield proxy
    finally:
        loop.run(proxy.stop())
