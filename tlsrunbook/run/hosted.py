"""The runner's side of the executor processes."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from tlsrunbook.evidence.dsse import KEY_VARIABLE
from tlsrunbook.run.engine import Execution, NotebookJob
from tlsrunbook.run.kernels.words import FEW_ARENAS, FOLDERS, KEEP_SESSION
from tlsrunbook.run.notices import NOTICES_VARIABLE
from tlsrunbook.secret import CREDENTIAL_VARIABLES

DIED = "the process that executed the notebook died"

#: An executor that was told to end ends its kernels first; after so many seconds it is ended by force.
_END_SECONDS = 20.0

_PROGRAM = "tlsrunbook.run.notebook_executor"


class Executor:
    """One executor process.

    Args:
        kind: Where its kernels come from.
        size: How many kernels its pool keeps ready.
    """

    def __init__(self, kind: str, size: int) -> None:
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Future[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._gone = False
        self._folder = tempfile.mkdtemp(prefix=FOLDERS)  # removed here, also after the executor was killed
        process = subprocess.Popen(  # noqa: S603 - this interpreter
            [sys.executable, "-m", _PROGRAM, kind, str(size), self._folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**_without_secrets(os.environ), **FEW_ARENAS},
            start_new_session=True,  # what is sent to the runner's group, such as Ctrl-C, is the runner's business
        )
        assert process.stdin  # noqa: S101 - for the type checker
        assert process.stdout  # noqa: S101
        self._process, self._in, self._out = process, process.stdin, process.stdout
        self._reader = threading.Thread(target=self._read, daemon=True, name="executor")
        self._reader.start()

    @property
    def gone(self) -> bool:
        """Whether it has ended."""
        return self._gone

    def ask(self, what: str, server: int, **facts: Any) -> Future[dict[str, Any]]:
        """Ask for something; the answer of one that died is an ``EOFError``."""
        answer: Future[dict[str, Any]] = Future()
        with self._lock:
            if self._gone:
                answer.set_exception(EOFError())
                return answer
            number = next(self._numbers)
            self._waiting[number] = answer
            line = json.dumps({"number": number, "do": what, "server": server, **facts}).encode() + b"\n"
            try:
                self._in.write(line)
                self._in.flush()
            except OSError:
                del self._waiting[number]
                answer.set_exception(EOFError())
        return answer

    def _read(self) -> None:
        with self._out as answers:
            for line in answers:
                answer = json.loads(line)
                self._waiting.pop(answer.pop("number")).set_result(answer)
        with self._lock:
            self._gone = True
        while self._waiting:
            self._waiting.popitem()[1].set_exception(EOFError())
        self._process.wait()

    def close(self) -> None:
        """End it and all of its kernels."""
        with self._lock, contextlib.suppress(OSError):  # it has ended
            self._in.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._reader.join()
        shutil.rmtree(self._folder, ignore_errors=True)


class HostedKernels:
    """Gives each server a kernel in one of some executor processes.

    Args:
        kind: Where kernels come from.
        executors: How many processes drive them.
        size: How many kernels a pool keeps ready, in each.
    """

    def __init__(self, kind: str, executors: int, size: int) -> None:
        self._kind = kind
        self._size = size
        self._lock = threading.Lock()
        self._executors: list[Executor | None] = [None] * executors
        self._numbers = itertools.count(1)
        self._closed = False

    def start(self, environment: Mapping[str, str]) -> HostedKernel:
        """See :class:`~tlsrunbook.run.server_kernel.Kernels`."""
        own = {name: value for name, value in os.environ.items() if name.startswith(CREDENTIAL_VARIABLES)}
        given = {name: value for name, value in environment.items() if name != KEY_VARIABLE}
        return HostedKernel(self, next(self._numbers), {**own, KEEP_SESSION: "1", **given})

    def executor(self, number: int) -> Executor:
        """Give the executor of a server; a new one where there is none, or it has died."""
        place = number % len(self._executors)
        with self._lock:
            one = self._executors[place]
            if one is None or one.gone:
                if one:
                    one.close()
                one = self._executors[place] = Executor(self._kind, self._size)
            return one

    def close(self) -> None:
        """See :class:`~tlsrunbook.run.server_kernel.Kernels`."""
        for one in self._executors:
            if one:
                one.close()


class HostedKernel:
    """One server's kernel; see :class:`~tlsrunbook.run.server_kernel.ServerKernel`.

    Args:
        kernels: Gives executors.
        number: Of the server, in this run.
        environment: The kernel's own variables.
    """

    def __init__(self, kernels: HostedKernels, number: int, environment: Mapping[str, str]) -> None:
        self._kernels = kernels
        self._number = number
        self._environment = environment
        self._executor: Executor | None = None

    def execute(self, job: NotebookJob) -> Execution:
        """See :class:`~tlsrunbook.run.server_kernel.ServerKernel`."""
        data = {
            "source": str(job.source),
            "output": str(job.output),
            "parameters": dict(job.parameters),
            "cell_seconds": job.cell_seconds,
        }
        try:
            done = self._started().ask("execute", self._number, job=data).result()
        except EOFError:
            return Execution(DIED, "")
        return Execution(done.get("error") or done["ended_by"], done.get("sha256", ""))

    def _started(self) -> Executor:
        executor = self._kernels.executor(self._number)
        if executor is not self._executor:
            self._executor = executor
            facts = {"environment": dict(self._environment), "folder": os.getcwd()}  # noqa: PTH109
            executor.ask("start", self._number, **facts).result()
        return executor

    def kill(self) -> None:
        """See :class:`~tlsrunbook.run.server_kernel.ServerKernel`."""
        if self._executor:
            self._executor.ask("kill", self._number)

    def close(self) -> None:
        """See :class:`~tlsrunbook.run.server_kernel.ServerKernel`."""
        executor, self._executor = self._executor, None
        if executor:
            try:
                executor.ask("close", self._number).result()
            except EOFError:  # it died, and the kernel with it
                return


def _without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name not in (KEY_VARIABLE, NOTICES_VARIABLE) and not name.startswith(CREDENTIAL_VARIABLES)
    }
