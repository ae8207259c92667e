"""The executor: a process that drives many kernels on one event loop, and has neither a credential nor the key.

It reads JSON lines from its standard input and answers on its standard output; when its input ends, because the
runner has ended, it ends every kernel and itself. What executes in a kernel cannot reach it, so what happens to a
kernel happens to one server only.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from tlsrunbook.evidence.dsse import KEY_VARIABLE
from tlsrunbook.run.engine import Execution, NotebookJob
from tlsrunbook.run.kernels.running import KernelTroubleError, RunningKernel
from tlsrunbook.run.kernels.sources import KernelSource, open_source
from tlsrunbook.run.kernels.words import FEW_ARENAS, GRAMMAR_COMPILER, do_without
from tlsrunbook.run.notices import NOTICES_VARIABLE
from tlsrunbook.secret import passwords_in

#: How long the session with a server may take to end, in seconds; then it is left to the server's own time-out.
PART_SECONDS = 10.0

KILLED = "the kernel was ended by the runner"


class Server:
    """One server's kernel, started when it is needed.

    Args:
        source: Gives kernels.
        environment: The kernel's own variables.
        folder: Where the kernel works.
    """

    def __init__(self, source: KernelSource, environment: Mapping[str, str], folder: str) -> None:
        self._source = source
        self._environment = environment
        self._folder = folder
        self._kernel: RunningKernel | None = None
        self._killed = asyncio.Event()

    async def execute(self, job: NotebookJob) -> Execution:
        """Execute a notebook. After one that ended early nothing else is executed in its kernel."""
        from tlsrunbook.run.notebook_execution import execute  # noqa: PLC0415 - papermill is slow to import

        try:
            kernel = await self._ready()
            done = await execute(job, kernel, passwords_in(self._environment))
        except (KernelTroubleError, OSError) as error:
            done = Execution(" ".join(f"{type(error).__name__}: {error}".split()), "")
        if done.ended_by.startswith("CellTimeoutError"):  # the cell goes on, so the kernel answers nobody
            await self.kill()
        elif done.ended_by:
            await self.close()
        return done

    async def _ready(self) -> RunningKernel:
        if self._kernel is None:
            self._killed.clear()
            kernel = await self._source.take()
            self._kernel = kernel
            if self._killed.is_set():  # while it was starting
                await self.kill()
                raise KernelTroubleError(KILLED)
            await kernel.adopt(self._environment, self._folder)
        return self._kernel

    async def kill(self) -> None:
        """End the kernel at once."""
        self._killed.set()
        kernel, self._kernel = self._kernel, None
        if kernel:
            await kernel.kill()

    async def close(self) -> None:
        """Let the helper package end its session with the server, then end the kernel."""
        if self._kernel and self._kernel.alive:
            await self._kernel.part(PART_SECONDS)
        await self.kill()


class Executor:
    """Does what the runner asks for.

    Args:
        source: Gives kernels.
        out: Where answers are written, one JSON line each.
    """

    def __init__(self, source: KernelSource, out: BinaryIO) -> None:
        self._source = source
        self._out = out
        self._servers: dict[int, Server] = {}
        self._work: set[asyncio.Task[None]] = set()

    def asked(self, line: bytes) -> None:
        """Begin something; its answer carries the same number."""
        task = asyncio.create_task(self._answer(json.loads(line)))
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _answer(self, asked: dict[str, Any]) -> None:
        answer: dict[str, Any] = {"number": asked["number"]}
        try:
            answer |= await self._do(asked)
        except Exception as error:  # noqa: BLE001 - the runner waits for an answer, whatever happens
            answer["error"] = " ".join(f"{type(error).__name__}: {error}".split())
        self._out.write(json.dumps(answer).encode() + b"\n")
        self._out.flush()

    async def _do(self, asked: dict[str, Any]) -> dict[str, Any]:
        number, what = asked["server"], asked["do"]
        if what == "start":
            self._servers[number] = Server(self._source, asked["environment"], asked["folder"])
        elif what == "execute":
            return asdict(await self._servers[number].execute(_job(asked["job"])))
        elif what == "kill":
            await self._servers[number].kill()
        elif what == "close":
            await self._servers.pop(number).close()
        return {}

    async def close(self) -> None:
        """End everything at once."""
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, *(server.kill() for server in self._servers.values()), return_exceptions=True)
        await self._source.close()


def _job(data: Mapping[str, Any]) -> NotebookJob:
    return NotebookJob(Path(data["source"]), Path(data["output"]), data["parameters"], data["cell_seconds"])


async def serve(kind: str, size: int, place: str, lines: BinaryIO, out: BinaryIO) -> None:
    """Serve until there are no more lines.

    Args:
        kind: Where kernels come from.
        size: How many kernels a pool keeps ready.
        place: A folder for the kernels' own ones.
        lines: What is asked for.
        out: Where the answers go.
    """
    source = open_source(kind, size, place)
    await source.start()
    executor = Executor(source, out)
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def read() -> None:
        with contextlib.suppress(OSError, RuntimeError):  # the loop is closed
            for line in lines:
                loop.call_soon_threadsafe(executor.asked, line)
            loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=read, daemon=True).start()
    try:
        await ended.wait()
    finally:
        await executor.close()


def main() -> None:
    """Run an executor: the arguments are where kernels come from, how many a pool keeps ready, and its folder."""
    for name in ("SIGINT", "SIGTERM"):
        signal.signal(getattr(signal, name), lambda *_: None)  # the runner alone decides what is next
    do_without(GRAMMAR_COMPILER)
    # A batch seals itself, also one that JupyterLab has started.
    for name in (KEY_VARIABLE, NOTICES_VARIABLE, *FEW_ARENAS):
        os.environ.pop(name, None)
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    # Nothing but answers may reach the runner: what a library prints goes where errors go.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:  # ZeroMQ needs it on Windows
        runner.run(serve(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.stdin.buffer, out))
    shutil.rmtree(sys.argv[3], ignore_errors=True)  # the runner may have been killed


if __name__ == "__main__":
    main()
