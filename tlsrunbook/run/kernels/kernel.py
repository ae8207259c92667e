"""The kernel's program: ipykernel's own kernel, which knows three requests more and keeps secrets out of what it says.

The same program is a cold kernel, one of a pool, and what a forked child goes on with.
"""

from __future__ import annotations

import os
import random
import sys
import uuid
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from tlsrunbook.run.kernels.words import ADOPT, BEGIN, GRAMMAR_COMPILER, PART, REPLY, REQUEST, do_without

# Nobody debugs a batch; importing the debugger takes 80 ms and a thread.
do_without(GRAMMAR_COMPILER, "debugpy")

from ipykernel.ipkernel import IPythonKernel  # noqa: E402
from ipykernel.kernelapp import IPKernelApp  # noqa: E402
from jupyter_client.session import Session  # noqa: E402
from traitlets import default  # noqa: E402

from tlsrunbook.run.kept import close_kept  # noqa: E402
from tlsrunbook.run.redaction import Redaction  # noqa: E402
from tlsrunbook.secret import known_values, passwords_in, remember_values  # noqa: E402

#: Nothing is written into a history: its database costs a thread.
OPTIONS = ("--HistoryManager.enabled=False",)


class DiscreetSession(Session):
    """Masks, in all that leaves the kernel, every secret that this process has ever held."""

    _masks: tuple[int, Redaction] = (0, Redaction(()))

    def serialize(self, msg: dict[str, Any], ident: list[bytes] | bytes | None = None) -> list[bytes]:
        """See jupyter_client's ``Session``."""
        values = known_values()
        if len(values) != self._masks[0]:  # none is ever forgotten
            self._masks = len(values), Redaction(values)
        if self._masks[1] and isinstance(msg.get("content"), dict):
            msg = {**msg, "content": self._masks[1].data(msg["content"])}
        return super().serialize(msg, ident)


class RunbookKernel(IPythonKernel):
    """A kernel that one server's notebooks are executed in, one after another."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        self.shell_handlers[REQUEST] = self._request
        self._folder = os.getcwd()  # noqa: PTH109 - as text, to go back to
        self._adopted = dict(os.environ)
        self._used = False

    @classmethod
    def instance(cls, *args: Any, **kwargs: Any) -> RunbookKernel:
        """Give the kernel, the only one in its process. One that was built before the fork is connected now."""
        built = cls.initialized()
        kernel: RunbookKernel = super().instance(*args, **kwargs)
        if built:
            kernel.connected(**kwargs)
        return kernel

    def connected(self, **connection: Any) -> None:
        """Take over what ipykernel hands to a kernel that is built after its sockets."""
        for name in ("control_stream", "debugpy_stream", "debug_shell_socket", "shell_stream", "stdin_socket"):
            setattr(self, name, connection[name])
        for name in ("control_thread", "shell_channel_thread", "iopub_thread", "iopub_socket"):
            setattr(self, name, connection[name])
        if self.shell:
            for part in (self.shell.displayhook, self.shell.display_pub):
                part.pub_socket = self.iopub_socket

    async def _request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        content = parent["content"]
        verbs: dict[str, Callable[[Mapping[str, Any]], None]]
        verbs = {ADOPT: self._adopt, BEGIN: self._begin, PART: lambda _: close_kept()}
        try:
            verbs[content["do"]](content)
            reply = {"status": "ok"}
        except Exception as error:  # noqa: BLE001 - whatever it was, the engine has to know
            reply = {"status": "error", "ename": type(error).__name__, "evalue": str(error)}
        if self.session:
            self.session.send(stream, REPLY, reply, parent, ident)

    def _adopt(self, content: Mapping[str, Any]) -> None:
        os.environ.update(content["environment"])
        remember_values(passwords_in(os.environ))
        os.chdir(content["folder"])
        self._folder, self._adopted = content["folder"], dict(os.environ)

    def _begin(self, _: Mapping[str, Any]) -> None:
        if self._used:
            os.chdir(self._folder)
            if os.environ != self._adopted:
                os.environ.clear()
                os.environ.update(self._adopted)
            random.seed()
            if self.shell:
                self.shell.reset()
        self._used = True


class RunbookApp(IPKernelApp):
    """Starts the kernel."""

    @default("kernel_class")
    def _the_kernel(self) -> type[RunbookKernel]:
        return RunbookKernel

    @default("session")
    def _the_session(self) -> Session:
        return DiscreetSession(parent=self)

    def prepare(self, arguments: list[str]) -> None:
        """Do the part of ``initialize`` that needs no thread and no connection, so that forked kernels share it.

        Args:
            arguments: Of the kernel's command line.
        """
        super(IPKernelApp, self).initialize([*OPTIONS, *arguments])  # type: ignore[no-untyped-call]
        # The logger takes everything for its handler to choose from; a kernel has much to say that nobody chooses.
        self.log.setLevel(self.log_level)
        self.init_pdb()  # type: ignore[no-untyped-call]
        self.init_blackhole()  # type: ignore[no-untyped-call]

    def build(self) -> None:
        """Build the kernel and its shell too, without a connection, and let the shell execute a first cell.

        Building touches every module there is; and what a first cell has to set up, none of the forked kernels has to.
        """
        self.kernel = RunbookKernel.instance(
            parent=self, session=self.session, log=self.log, profile_dir=self.profile_dir, user_ns=self.user_ns
        )
        if shell := self.kernel.shell:
            shell.run_cell("pass", store_history=True)
            shell.reset()

    def forked(self, connection_file: str, parent: int) -> None:
        """Become the application of a process of its own.

        Args:
            connection_file: Of the kernel.
            parent: The process whose end is the kernel's end.
        """
        self.connection_file, self.parent_handle = connection_file, parent
        self.session.pid, self.session.session = os.getpid(), str(uuid.uuid4())

    def connect(self) -> None:
        """Do the other part, in ipykernel's order; a test compares the two parts with the whole.

        Extensions and start-up files of the user's profile are left out: nothing runs here but the notebook. So is the
        heartbeat, which costs three threads: who started this kernel sees its process end.
        """
        for part in (
            self.init_connection_file,
            self.init_poller,
            self.init_sockets,
            self.write_connection_file,
            self.log_connection_info,
            self.init_io,
            self.init_signal,
            self.init_kernel,
            self.init_path,
            self.init_shell,
            self.init_gui_pylab,
        ):
            part()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()


def serve(app: Any) -> None:
    """Be a kernel until its end.

    Args:
        app: Prepared.
    """
    remember_values(passwords_in(os.environ))
    app.connect()
    app.start()


def end(code: int = 0) -> NoReturn:
    """End this process at once: an orderly end may stall for seconds, and there is nothing left to tidy up."""
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream:
            stream.flush()
    os._exit(code)


def main() -> None:
    """Be a cold kernel, or with ``--prepared`` one whose helper package is imported before anyone asks for it."""
    arguments = sys.argv[1:]
    if "--prepared" in arguments:
        from tlsrunbook.run.kernels.prepare import prepare  # noqa: PLC0415

        arguments.remove("--prepared")
        prepare()
    app: Any = RunbookApp.instance()
    app.prepare(arguments)
    serve(app)
    end()


if __name__ == "__main__":
    main()
