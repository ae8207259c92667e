"""A kernel that has started and answers."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import time
from collections.abc import Mapping
from queue import Empty
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient

from tlsrunbook.run.kernels.manager import PrivateKernelManager
from tlsrunbook.run.kernels.words import ADOPT, BEGIN, PART, REPLY, REQUEST

#: How long a kernel may take to start, in seconds; a computer with hundreds of them has a lot to do.
START_SECONDS = 120.0

#: How long to wait for the news that the client hears the kernel's outputs; older kernels do not tell.
_WELCOME_SECONDS = 1.0

#: The kernel and the engine share a computer: an answer that took longer than this does not come.
_ANSWER_SECONDS = 60.0


class KernelTroubleError(RuntimeError):
    """A kernel did not start, or does not answer."""


class RunningKernel:
    """One kernel and the one client of it. Make one with :func:`started`.

    Args:
        manager: Of the kernel's process.
        client: Its shell and iopub channels are open.
        language: What the kernel says of its language, for the notebook's metadata.
    """

    def __init__(self, manager: PrivateKernelManager, client: AsyncKernelClient, language: Mapping[str, Any]) -> None:
        self.manager = manager
        self.client = client
        self.language = language
        self.ended = asyncio.create_task(manager.provisioner.wait()) if manager.provisioner else None

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.ended is not None and not self.ended.done()

    async def adopt(self, environment: Mapping[str, str], folder: str) -> None:
        """Give the kernel the variables and the folder that are its own.

        Raises:
            KernelTroubleError: It does not answer.
        """
        await self._ask({"do": ADOPT, "environment": dict(environment), "folder": folder}, _ANSWER_SECONDS)

    async def begin(self) -> None:
        """Give the next notebook an empty name space.

        Raises:
            KernelTroubleError: It does not answer.
        """
        await self._ask({"do": BEGIN}, _ANSWER_SECONDS)

    async def part(self, seconds: float) -> bool:
        """Let the helper package end what it kept. Gives whether it did within the time."""
        try:
            await self._ask({"do": PART}, seconds)
        except KernelTroubleError:
            return False
        return True

    async def _ask(self, content: dict[str, Any], seconds: float) -> None:
        message = self.client.session.msg(REQUEST, content)
        self.client.shell_channel.send(message)
        reply = await _answer(self.client, message["msg_id"], REPLY, seconds, self.ended)
        if reply["status"] != "ok":
            raise KernelTroubleError(f"the kernel refused: {reply['ename']}: {reply['evalue']}")

    async def kill(self) -> None:
        """End it at once and let go of everything that it held on this computer."""
        if self.manager.provisioner and self.alive:
            await self.manager.provisioner.kill()
        self.client.stop_channels()
        if self.ended:
            await self.ended
        await self.manager.cleanup_resources()


async def started(
    manager: PrivateKernelManager, context: Any = None, *, seconds: float = START_SECONDS, **options: Any
) -> RunningKernel:
    """Start a kernel and wait until it answers and its outputs are heard.

    Args:
        manager: Not yet started.
        context: A ZeroMQ context for the client, shared with other clients; None: one of its own.
        seconds: How long it may take.
        options: For the process, such as ``env``.

    Raises:
        KernelTroubleError: It ended, or did not answer in time.
    """
    if context is not None:
        manager.context = context
    with (manager.folder / "stderr").open("ab") as errors:
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": errors}
        await manager.start_kernel(**streams, **options)
    client = manager.client(context=manager.context)  # or each client would have two threads of its own
    client.start_channels(stdin=False, hb=False, control=False)
    kernel = RunningKernel(manager, client, {})
    try:
        kernel.language = await asyncio.wait_for(_greeting(kernel), seconds)
    except (TimeoutError, KernelTroubleError) as error:
        said = manager.said
        await kernel.kill()
        why = str(error) or f"it did not answer within {seconds:g} s"
        raise KernelTroubleError(f"the kernel did not start: {why}{f' ({said})' if said else ''}") from error
    except BaseException:
        await kernel.kill()
        raise
    return kernel


async def _greeting(kernel: RunningKernel) -> Mapping[str, Any]:
    client = kernel.client
    message = client.kernel_info()
    info = await _answer(client, message, "kernel_info_reply", START_SECONDS, kernel.ended)
    # Publishing is heard from here on only: with its first answer the kernel has not said who subscribed already.
    with contextlib.suppress(Empty):
        while True:
            heard = await client.get_iopub_msg(timeout=_WELCOME_SECONDS)
            if heard["msg_type"] == "iopub_welcome" or heard["parent_header"].get("msg_id") == message:
                break
    language: Mapping[str, Any] = info["language_info"]
    return language


async def _answer(
    client: AsyncKernelClient, message: str, kind: str, seconds: float, ended: asyncio.Task[Any] | None
) -> Mapping[str, Any]:
    """Wait for the reply to a request, or for the end of the kernel."""
    deadline = time.monotonic() + seconds
    while True:
        coming = asyncio.create_task(client.get_shell_msg(timeout=max(0.0, deadline - time.monotonic())))
        await asyncio.wait({coming, *([ended] if ended else [])}, return_when=asyncio.FIRST_COMPLETED)
        if not coming.done():
            coming.cancel()
            raise KernelTroubleError("it ended")
        try:
            reply = coming.result()
        except Empty as error:
            raise KernelTroubleError(f"it did not answer within {seconds:g} s") from error
        if reply["msg_type"] == kind and reply["parent_header"].get("msg_id") == message:
            content: Mapping[str, Any] = reply["content"]
            return content
