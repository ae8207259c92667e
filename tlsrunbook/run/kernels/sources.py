"""Where kernels come from: forked from a template, prestarted in a pool, or started when one is asked for."""

from __future__ import annotations

import asyncio
from typing import Protocol

import zmq
import zmq.asyncio

from tlsrunbook.run.kernels.forked import ForkProvisioner, ForkServer
from tlsrunbook.run.kernels.manager import PrivateKernelManager
from tlsrunbook.run.kernels.popen import ChildProvisioner
from tlsrunbook.run.kernels.running import KernelTroubleError, RunningKernel, started
from tlsrunbook.run.server_kernel import can_fork

#: Two kernels may pick the same TCP port; the one that came late is started again.
_TRIES = 3


class KernelSource(Protocol):
    """Gives kernels that nobody has used."""

    async def start(self) -> None:
        """Do what can be done before the first kernel is asked for."""

    async def take(self) -> RunningKernel:
        """Give a kernel.

        Raises:
            KernelTroubleError: None could be started.
        """

    async def close(self) -> None:
        """End what is prepared. Kernels that were given are the taker's."""


def open_source(kind: str, size: int, place: str | None = None) -> KernelSource:
    """Give a source of kernels.

    Args:
        kind: ``fork``, ``pool``, ``cold``, or ``auto``.
        size: How many kernels a pool keeps ready.
        place: Where the kernels' folders are made; None: where temporary files are.
    """
    context = zmq.asyncio.Context()
    context.set(zmq.MAX_SOCKETS, context.get(zmq.SOCKET_LIMIT))
    if kind == "auto":
        kind = "fork" if can_fork() else "pool"
    if kind == "fork":
        return ForkSource(context, place)
    return PoolSource(context, size, place) if kind == "pool" else ColdSource(context, place)


class ColdSource:
    """Starts a kernel when it is asked for.

    Args:
        context: ZeroMQ's, shared by all clients.
        place: Where the kernels' folders are made.
        prepared: Whether the kernel imports the helper package at its start.
    """

    def __init__(self, context: zmq.asyncio.Context, place: str | None, *, prepared: bool = False) -> None:
        self._context = context
        self._place = place
        self._prepared = prepared

    async def start(self) -> None:
        """See :class:`KernelSource`."""

    async def take(self) -> RunningKernel:
        """See :class:`KernelSource`."""
        for left in reversed(range(_TRIES)):
            try:
                return await started(self._manager(), self._context)
            except KernelTroubleError:
                if not left:
                    raise
        raise AssertionError("there is at least one try")

    def _manager(self) -> PrivateKernelManager:
        manager = PrivateKernelManager(prepared=self._prepared, place=self._place)
        manager.provisioner = ChildProvisioner(kernel_id="", kernel_spec=manager.kernel_spec, parent=manager)
        return manager

    async def close(self) -> None:
        """See :class:`KernelSource`."""
        self._context.destroy(linger=0)


class ForkSource(ColdSource):
    """Forks kernels from a template.

    Args:
        context: ZeroMQ's, shared by all clients.
        place: Where the kernels' folders are made.
    """

    def __init__(self, context: zmq.asyncio.Context, place: str | None) -> None:
        super().__init__(context, place)
        self._server = ForkServer()

    async def start(self) -> None:
        """See :class:`KernelSource`."""
        await self._server.start()

    def _manager(self) -> PrivateKernelManager:
        manager = PrivateKernelManager(place=self._place)
        manager.provisioner = ForkProvisioner(
            self._server, kernel_id="", kernel_spec=manager.kernel_spec, parent=manager
        )
        return manager

    async def close(self) -> None:
        """See :class:`KernelSource`."""
        await self._server.close()
        await super().close()


class PoolSource:
    """Keeps kernels ready that have imported the helper package; each is used by one server only.

    Args:
        context: ZeroMQ's, shared by all clients.
        size: How many are kept ready.
        place: Where the kernels' folders are made.
    """

    def __init__(self, context: zmq.asyncio.Context, size: int, place: str | None) -> None:
        self._cold = ColdSource(context, place, prepared=True)
        self._size = size
        self._coming: list[asyncio.Task[RunningKernel]] = []

    async def start(self) -> None:
        """See :class:`KernelSource`."""
        while len(self._coming) < self._size:
            self._coming.append(asyncio.create_task(self._cold.take()))

    async def take(self) -> RunningKernel:
        """See :class:`KernelSource`. One that ended while it waited is left out."""
        await self.start()
        while True:
            kernel = await self._coming.pop(0)
            await self.start()
            if kernel.alive:
                return kernel
            await kernel.kill()

    async def close(self) -> None:
        """See :class:`KernelSource`."""
        for coming in self._coming:
            coming.cancel()
        for kernel in await asyncio.gather(*self._coming, return_exceptions=True):
            if isinstance(kernel, RunningKernel):
                await kernel.kill()
        await self._cold.close()
