"""The process that kernels are forked from: it has imported everything, and never held a secret.

It has one thread, no ZeroMQ context, no event loop and no open connection but the one to the executor, which it
reads JSON lines from: a number and the connection file of a kernel to start, or a signal to send. It answers with
JSON lines, and ends with all its kernels when the executor ends.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import random
import selectors
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

from tlsrunbook.run.kernels.kernel import RunbookApp, end, serve
from tlsrunbook.run.kernels.layout import hot, lay_out
from tlsrunbook.run.kernels.prepare import prepare
from tlsrunbook.run.kernels.words import FEW_ARENAS

_CHUNK = 1 << 16


class Template:
    """Forks a kernel whenever it is asked to.

    Args:
        executor: The connection with the executor.
        app: Prepared, but for its connection.
    """

    def __init__(self, executor: socket.socket, app: Any) -> None:
        self._app = app
        self._executor = executor
        self._kernels: dict[int, int] = {}
        self._rest = b""
        self._woken, self._wake = socket.socketpair()

    def run(self) -> None:
        """Serve until the executor is gone; then end every kernel."""
        self._woken.setblocking(False)
        self._wake.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # a handler, or the wake-up would not happen
        self._say(ready=os.getpid())
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._executor, selectors.EVENT_READ)
            waiting.register(self._woken, selectors.EVENT_READ)
            try:
                while self._serve(waiting.select()):
                    pass
            finally:
                for process in self._kernels:
                    _signal(process, signal.SIGKILL)

    def _serve(self, ready: list[tuple[selectors.SelectorKey, int]]) -> bool:
        sources = {key.fileobj for key, _ in ready}
        if self._woken in sources:
            with contextlib.suppress(BlockingIOError):
                self._woken.recv(_CHUNK)
        self._reap()
        if self._executor not in sources:
            return True
        data = self._executor.recv(_CHUNK)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._do(json.loads(line))
        return bool(data)

    def _do(self, asked: dict[str, Any]) -> None:
        number = asked["number"]
        if "signal" in asked:
            for process, own in self._kernels.items():
                if own == number:
                    _signal(process, asked["signal"])
            return
        if threads() != 1:
            self._say(number=number, refused="the template has more than one thread")
            return
        process = os.fork()
        if process == 0:
            self._become_kernel(asked["connection_file"], asked["said"])
        self._kernels[process] = number
        self._say(number=number, process=process)

    def _reap(self) -> None:
        """Tell of every kernel that ended. Until then its number cannot be given to another process."""
        for process, number in list(self._kernels.items()):
            found, status = os.waitpid(process, os.WNOHANG)
            if found:
                del self._kernels[process]
                self._say(number=number, ended=os.waitstatus_to_exitcode(status))

    def _say(self, **facts: Any) -> None:
        self._executor.sendall(json.dumps(facts).encode() + b"\n")

    def _become_kernel(self, connection_file: str, said: str) -> NoReturn:
        code = 1
        try:
            template = os.getppid()
            self._forget()
            _stand_alone(said)
            sys.argv = [sys.argv[0], "-f", connection_file]
            self._app.forked(connection_file, template)
            serve(self._app)
            code = 0
        except BaseException:  # noqa: BLE001 - nothing may return into the template's loop
            sys.excepthook(*sys.exc_info())
        end(code)

    def _forget(self) -> None:
        """Let go of what is the template's own."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for name in ("SIGCHLD", "SIGTERM"):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        for one in (self._executor, self._woken, self._wake):
            one.close()


def _stand_alone(said: str) -> None:
    """Be a process of one's own: a session, standard streams, random numbers."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    errors = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for source, standard in ((nothing, 0), (nothing, 1), (errors, 2)):
        os.dup2(source, standard)
    os.close(nothing)
    os.close(errors)
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()


def _signal(process: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process, number)
        return
    with contextlib.suppress(ProcessLookupError):  # not yet the head of its group
        os.kill(process, number)


def threads() -> int:
    """Give the number of this process's threads, those of libraries too where the system tells."""
    tasks = Path("/proc/self/task")
    return sum(1 for _ in tasks.iterdir()) if tasks.is_dir() else threading.active_count()


def main() -> None:
    """Run a template on the connection whose file descriptor is the first argument; see ``names.py``."""
    for name in ("SIGINT", "SIGTERM"):
        signal.signal(getattr(signal, name), lambda *_: None)  # the executor alone decides
    prepare()
    from tlsrunbook.run.kernels.warm import number, warm  # noqa: PLC0415

    warm()
    for name in FEW_ARENAS:  # not for what a notebook may start
        os.environ.pop(name, None)
    app: Any = RunbookApp.instance()
    app.prepare([])
    app.build()
    lay_out(hot())
    number()
    gc.collect()
    gc.freeze()
    Template(socket.socket(fileno=int(sys.argv[1])), app).run()
