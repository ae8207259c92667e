"""Executes one notebook in a kernel as papermill would, without what papermill does to the whole process."""

from __future__ import annotations

import copy
import functools
import hashlib
from collections.abc import Iterable
from typing import Any

import nbformat
from papermill.exceptions import PapermillExecutionError
from papermill.execute import prepare_notebook_metadata, raise_for_execution_errors, remove_error_markers
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from tlsrunbook.run.engine import Execution, NotebookJob
from tlsrunbook.run.executed import ended_early
from tlsrunbook.run.kernels.manager import NATIVE
from tlsrunbook.run.kernels.running import RunningKernel
from tlsrunbook.run.papermill_client import RunbookClient
from tlsrunbook.run.papermill_manager import TruthfulManager


async def execute(job: NotebookJob, kernel: RunningKernel, secrets: Iterable[str] = ()) -> Execution:
    """Execute a notebook. How the step went is in its record only.

    Args:
        job: What to execute.
        kernel: Where; its name space is emptied first.
        secrets: Masked in what is written.

    Raises:
        OSError: The notebook cannot be read or written.
    """
    notebook, sha256 = _filled_in(job)
    job.output.parent.mkdir(parents=True, exist_ok=True)
    manager = TruthfulManager(notebook, secrets, output_path=str(job.output), progress_bar=False, autosave_cell_every=0)
    manager.notebook_start()
    try:
        await kernel.begin()
        await RunbookClient(manager, kernel, timeout=job.cell_seconds).run()
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - a dead kernel has many names; the runner writes the record
        manager.ended_by = " ".join(f"{type(error).__name__}: {error}".split())
    manager.notebook_complete()
    return Execution(manager.ended_by or _error_marked(manager), sha256)


def _filled_in(job: NotebookJob) -> tuple[Any, str]:
    """Give the notebook as papermill prepares it, and the SHA-256 of its file."""
    content = job.source.read_bytes()
    notebook = copy.deepcopy(_loaded(content))  # the same few notebooks, for every server
    notebook = parameterize_notebook(notebook, dict(job.parameters), kernel_name=NATIVE, language="python")
    notebook = prepare_notebook_metadata(notebook, "", "", False)
    return remove_error_markers(notebook), hashlib.sha256(content).hexdigest()


@functools.lru_cache(maxsize=32)
def _loaded(content: bytes) -> Any:
    notebook = nbformat.reads(content.decode("utf-8"), as_version=4)  # type: ignore[no-untyped-call]
    return load_notebook_node(notebook)


def _error_marked(manager: TruthfulManager) -> str:
    """Say what ended the notebook, and let papermill put its remarks beside the error, as people know them."""
    early = ended_early(manager.nb)
    try:
        raise_for_execution_errors(manager.nb, None)
    except PapermillExecutionError as error:
        manager.save()
        return f"{error.ename}: {error.evalue}"
    return early
