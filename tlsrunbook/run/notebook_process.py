"""A process that executes notebooks one after another: what happens to it happens to one server only."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections.abc import Iterator, Mapping
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from tlsrunbook.run.engine import Execution, NotebookJob, execute, leave_signals_to_the_runner, prepare_process

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

DIED = "the process that executed the notebook died"


class NotebookProcess:
    """Executes notebooks elsewhere. The process starts with the first one, and anew after it died."""

    def __init__(self) -> None:
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None

    def execute(self, job: NotebookJob) -> Execution:
        """Execute a notebook and wait for its end, also when the process dies."""
        pipe = self._pipe or self._start()
        try:
            pipe.send(job)
            done: Execution = pipe.recv()
        except (EOFError, OSError):
            self.close()
            return Execution(DIED, "")
        return done

    def _start(self) -> Connection:
        spawn = multiprocessing.get_context("spawn")
        ours, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs,), daemon=True)
        with _signals_held():
            self._process.start()
        theirs.close()  # or its end would never be seen
        self._pipe = ours
        return ours

    def kill(self) -> None:
        """End it at once, from any thread; an execution under way ends as one whose process died."""
        process = self._process
        if process:
            process.kill()

    def close(self) -> None:
        """End it when its work is done."""
        if self._pipe:
            self._pipe.close()
        if self._process:
            self._process.join()
        self._process = self._pipe = None


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Let a new process start with signals held back, until it is ready to take them; else Ctrl-C breaks its start."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(pipe: Connection) -> None:
    leave_signals_to_the_runner()
    prepare_process()
    with contextlib.suppress(EOFError, OSError):  # the runner is gone, or has no more work
        while True:
            pipe.send(execute(pipe.recv()))


class Processes:
    """Gives each server a process of its own."""

    def start(self, environment: Mapping[str, str]) -> NotebookProcess:
        """See :class:`~tlsrunbook.run.server_kernel.Kernels`."""
        del environment
        return NotebookProcess()

    def close(self) -> None:
        """See :class:`~tlsrunbook.run.server_kernel.Kernels`."""
