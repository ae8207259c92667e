"""Kernels that are forked from the template process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from tlsrunbook.run.kernels.popen import ended
from tlsrunbook.run.kernels.words import FEW_ARENAS

_PROGRAM = "tlsrunbook.run.kernels.names"

#: A kernel whose template died has ended too, but nobody saw how.
_WITH_THE_TEMPLATE = -signal.SIGTERM


class TemplateGone(RuntimeError):
    """The template process ended, or would not fork."""


class ForkServer:
    """The executor's side of the template process. It starts with the first use, and anew after it died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._ready: asyncio.Future[int] | None = None
        self._born: dict[int, asyncio.Future[int]] = {}
        self._gone: dict[int, asyncio.Future[int]] = {}
        self._number = 0
        self._listening: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the template, if there is none.

        Raises:
            OSError: The system has no more processes to give.
            TemplateGone: It ended before it was ready.
        """
        if self._ready is None:
            self._ready = asyncio.get_running_loop().create_future()
            await self._launch()
        await asyncio.shield(self._ready)

    async def _launch(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter
                [sys.executable, "-m", _PROGRAM, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={**os.environ, **FEW_ARENAS},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        reader, self._writer = await asyncio.open_connection(sock=ours)
        self._listening = asyncio.create_task(self._listen(reader))

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while line := await reader.readline():
                self._hear(json.loads(line))
        self._all_gone()

    def _hear(self, said: dict[str, Any]) -> None:
        number = said.get("number", 0)
        if "ready" in said and self._ready:
            self._ready.set_result(said["ready"])
        elif "process" in said:
            self._born[number].set_result(said["process"])
        elif "refused" in said:
            self._born[number].set_exception(TemplateGone(said["refused"]))
        elif "ended" in said and not self._gone[number].done():
            self._gone[number].set_result(said["ended"])

    def _all_gone(self) -> None:
        """Note that the template has ended. Its kernels see that within a second; here they are ended at once."""
        gone = TemplateGone("the template of the kernels ended")
        ready, self._ready, self._writer = self._ready, None, None
        for waiting in (ready, *self._born.values()):
            if waiting and not waiting.done():
                waiting.set_exception(gone)
                waiting.exception()  # perhaps nobody waits
        for number, end in self._gone.items():
            born = self._born[number]
            if not end.done():
                if not born.exception():
                    with contextlib.suppress(OSError):
                        os.killpg(born.result(), signal.SIGKILL)
                end.set_result(_WITH_THE_TEMPLATE)
        if self._process:
            self._process.poll()

    async def fork(self, connection_file: str) -> tuple[int, int, asyncio.Future[int]]:
        """Fork a kernel.

        Returns:
            Its number here, its process, and a future of its exit code.

        Raises:
            TemplateGone: There is no template any more, or it will not fork.
        """
        await self.start()
        self._number += 1
        number, loop = self._number, asyncio.get_running_loop()
        self._born[number], self._gone[number] = loop.create_future(), loop.create_future()
        self._ask(number=number, connection_file=connection_file, said=str(Path(connection_file).parent / "stderr"))
        return number, await asyncio.shield(self._born[number]), self._gone[number]

    def signal(self, number: int, signum: int) -> None:
        """Send a signal to a kernel and its group, if it has not ended."""
        self._ask(number=number, signal=int(signum))

    def forget(self, number: int) -> None:
        """Let go of what is known of a kernel that has ended."""
        self._born.pop(number, None)
        self._gone.pop(number, None)

    def _ask(self, **facts: Any) -> None:
        if self._writer is None:
            raise TemplateGone("the template of the kernels ended")
        self._writer.write(json.dumps(facts).encode() + b"\n")

    async def close(self) -> None:
        """End the template and every kernel of it."""
        if self._writer:
            self._writer.close()
        if self._listening:
            self._listening.cancel()
        if self._process:
            await ended(self._process)


class ForkProvisioner(LocalProvisioner):
    """Lets jupyter_client manage a forked kernel.

    Args:
        server: Forks it.
    """

    def __init__(self, server: ForkServer, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._server = server
        self._number = 0
        self._end: asyncio.Future[int] | None = None

    @property
    def has_process(self) -> bool:
        """See jupyter_client's ``KernelProvisionerBase``."""
        return self._end is not None

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """See jupyter_client's ``KernelProvisionerBase``. The command is what the template has imported already."""
        del kwargs
        connection_file = cmd[cmd.index("-f") + 1]
        self._number, self.pid, self._end = await self._server.fork(connection_file)
        self.pgid = self.pid
        return self.connection_info

    async def poll(self) -> int | None:
        """See jupyter_client's ``KernelProvisionerBase``."""
        return self._end.result() if self._end and self._end.done() else (None if self._end else 0)

    async def wait(self) -> int | None:
        """See jupyter_client's ``KernelProvisionerBase``."""
        if self._end is None:
            return 0
        code = await asyncio.shield(self._end)
        self._server.forget(self._number)
        self._end = None
        return code

    async def send_signal(self, signum: int) -> None:
        """See jupyter_client's ``KernelProvisionerBase``."""
        if self._end and not self._end.done():
            with contextlib.suppress(TemplateGone):  # then its end is known in a moment
                self._server.signal(self._number, signum)

    async def kill(self, restart: bool = False) -> None:
        """End the process and all of its group, and wait for it."""
        del restart
        await self.send_signal(signal.SIGKILL)
        if self._end:
            await asyncio.shield(self._end)

    async def terminate(self, restart: bool = False) -> None:
        """See jupyter_client's ``KernelProvisionerBase``."""
        del restart
        await self.send_signal(signal.SIGTERM)
