"""Our engine for papermill: one notebook in a kernel of its own, truthful, private, masked and saved whole."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from papermill.exceptions import PapermillExecutionError
from papermill.log import logger

from tlsrunbook.evidence.dsse import KEY_VARIABLE
from tlsrunbook.run.executed import ended_early
from tlsrunbook.run.kernels.manager import NATIVE, PrivateKernelManager
from tlsrunbook.run.kernels.popen import ChildProvisioner
from tlsrunbook.run.kernels.running import START_SECONDS, RunningKernel, started
from tlsrunbook.run.kernels.words import KEEP_SESSION
from tlsrunbook.run.notices import NOTICES_VARIABLE
from tlsrunbook.run.papermill_client import RunbookClient
from tlsrunbook.run.papermill_manager import TruthfulManager
from tlsrunbook.secret import known_values, passwords_in

#: Options of ``execute_notebook`` that are papermill's book-keeping, with their defaults.
_KEEPING = {"progress_bar": True, "log_output": False, "autosave_cell_every": 30}

#: Where the signing key is, nobody in a kernel needs to know; and one notebook keeps no session for a next one.
_NOT_FOR_KERNELS = (KEY_VARIABLE, KEEP_SESSION, NOTICES_VARIABLE)

#: Options that say nothing here: there is one kernel, and papermill has read the notebook already.
_UNUSED = ("input_path", "kernel_manager_class", "km", "shutdown_kernel", "startup_timeout")


def execute_notebook(nb: Any, kernel_name: str, output_path: Any = None, **options: Any) -> Any:
    """Execute a notebook; see :class:`~tlsrunbook.run.papermill_entry.TlsRunbookEngine`.

    Args:
        nb: As papermill prepared it.
        kernel_name: ``python3`` is this package's kernel in this interpreter, others are as Jupyter knows them.
        output_path: Where it is saved; None: nowhere until papermill does it at the end.
        options: Papermill's and nbclient's.
    """
    keeping = {name: options.pop(name, default) for name, default in _KEEPING.items()}
    secrets = known_values() | passwords_in(os.environ)
    manager = TruthfulManager(nb, secrets, output_path=output_path, **keeping)
    seconds = float(options.pop("start_timeout", None) or START_SECONDS)
    options["timeout"] = options.pop("execution_timeout", None) or options.get("timeout")
    wanted = {name: value for name, value in options.items() if name not in _UNUSED}
    wanted |= {"log": logger, "log_output": keeping["log_output"]}
    manager.notebook_start()
    try:
        _run(lambda: _execute(manager, kernel_name, seconds, **wanted))
    except BaseException as error:
        manager.ended_by = " ".join(f"{type(error).__name__}: {error}".split())
        raise
    finally:
        manager.notebook_complete()
    _refuse_early_exit(manager.nb)
    return manager.nb


async def _execute(manager: TruthfulManager, kernel_name: str, seconds: float, **options: Any) -> None:
    private = PrivateKernelManager(kernel_name=kernel_name)
    if kernel_name == NATIVE:
        private.provisioner = ChildProvisioner(kernel_id="", kernel_spec=private.kernel_spec, parent=private)
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_FOR_KERNELS}
    kernel: RunningKernel = await started(private, seconds=seconds, env=environment)
    try:
        await RunbookClient(manager, kernel, **options).run()
    finally:
        await kernel.kill()
        private.context.destroy(linger=0)


def _refuse_early_exit(notebook: Any) -> None:
    """Say so when a cell left by ``sys.exit(0)``: the steps after it were not run, whatever the cell meant by it."""
    if not ended_early(notebook):
        return
    for index, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", ()):
            if output.get("output_type") == "error" and output.get("ename") == "SystemExit":
                raise PapermillExecutionError(
                    cell_index=index,
                    exec_count=cell.get("execution_count"),
                    source=cell.source,
                    ename=output["ename"],
                    evalue=output.get("evalue", ""),
                    traceback=output.get("traceback", []),
                )


def _run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run it to its end, also where an event loop runs already, as in a notebook that executes notebooks."""

    def alone() -> None:
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:  # ZeroMQ needs it on Windows
            runner.run(work())

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        alone()
        return
    with ThreadPoolExecutor(1) as thread:
        thread.submit(alone).result()
