"""The kernel's program: ipykernel's own kernel, which knows three requests more and keeps secrets out of what it says.

The same program is a cold kernel, one of a pool, and what a forked child goes on with.
"""

from __future__ import annotations

import os
import random
import sys
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


def serve(arguments: list[str]) -> None:
    """Be a kernel until its end.

    Args:
        arguments: Of the kernel's command line.
    """
    remember_values(passwords_in(os.environ))
    app: Any = RunbookApp.instance()
    app.initialize([*OPTIONS, *arguments])
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
    serve(arguments)
    end()


if __name__ == "__main__":
    main()
