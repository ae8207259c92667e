"""Runs the cells of a notebook in a kernel that is there already, and says truthfully what became of each."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from nbclient.exceptions import CellExecutionError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient

from tlsrunbook.run.kernels.running import RunningKernel
from tlsrunbook.run.papermill_manager import TruthfulManager

#: nbclient tells of every failure twice: in its log too. Here the notebook and the record tell.
_SILENT = logging.getLogger("tlsrunbook.notebooks")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False

#: What a kernel said just before it died is still read, for so long, in seconds.
_LAST_WORDS = 0.1

#: How long outputs may come after the cell has ended, in seconds.
_OUTPUT_SECONDS = 60


class RunbookClient(PapermillNotebookClient):  # type: ignore[misc]
    """Nbclient as papermill uses it, for many kernels on one event loop.

    Args:
        manager: Keeps the cells' states.
        kernel: Executes the cells.
        options: See nbclient's ``NotebookClient``; ``timeout`` is for one cell, in seconds.
    """

    def __init__(self, manager: TruthfulManager, kernel: RunningKernel, **options: Any) -> None:
        settings = {"store_widget_state": False, "coalesce_streams": True, "iopub_timeout": _OUTPUT_SECONDS}
        super().__init__(manager, km=kernel.manager, **{**settings, "log": _SILENT, **options})
        self.kc = kernel.client
        self._kernel = kernel

    async def run(self) -> None:
        """Run the cells in order, until one fails.

        Raises:
            DeadKernelError: The kernel ended before its cell.
            CellTimeoutError: A cell took too long, and goes on in the kernel.
        """
        self.nb.metadata["language_info"] = dict(self._kernel.language)
        for index, cell in enumerate(self.nb.cells):
            self.nb_man.cell_start(cell, index)
            try:
                await self._run_cell(cell, index)
            except CellExecutionError as error:
                self.nb_man.cell_exception(self.nb.cells[index], cell_index=index, exception=error)
                break
            except BaseException:
                self.nb_man.cell_exception(self.nb.cells[index], cell_index=index)
                raise
            finally:
                self.nb_man.cell_complete(self.nb.cells[index], cell_index=index)

    async def _run_cell(self, cell: Any, index: int) -> None:
        """Run a cell, or see at once that its kernel has died; nbclient alone looks once a second."""
        if cell.cell_type != "code":
            return
        running = asyncio.create_task(self.async_execute_cell(cell, index))
        ended = self._kernel.ended
        try:
            await asyncio.wait({running, *([ended] if ended else [])}, return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                await asyncio.wait({running}, timeout=_LAST_WORDS)
            if not running.done():
                raise DeadKernelError("Kernel died")
        finally:
            if not running.done():
                running.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await running
        running.result()
