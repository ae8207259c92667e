"""Executes one notebook with papermill, in a process of its own pool, and says truthfully how that went."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tlsrunbook.evidence.dsse import KEY_VARIABLE
from tlsrunbook.run.notices import NOTICES_VARIABLE


@dataclass(frozen=True)
class NotebookJob:
    """One notebook to execute.

    Args:
        source: The committed notebook.
        output: Where the executed one is written while it runs.
        parameters: All text.
        cell_seconds: How long a cell may take; a step that takes longer hangs.
    """

    source: Path
    output: Path
    parameters: Mapping[str, str]
    cell_seconds: int = 4 * 3600


@dataclass(frozen=True)
class Execution:
    """How an execution went.

    Args:
        ended_by: Empty when every cell ran; else one line that says what ended it.
        sha256: Of the source notebook as it was read.
    """

    ended_by: str
    sha256: str


def prepare_process() -> None:
    """Import papermill once per process, without the grammar compiler that its JSON-schema checker drags in."""
    # jsonschema asks for it by import and does without it; it costs a second of CPU and checks only IRIs.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    os.environ.pop(NOTICES_VARIABLE, None)  # a batch seals itself, also one that is started from JupyterLab
    os.environ.pop(KEY_VARIABLE, None)  # neither this process nor its kernels learn where the signing key is
    import papermill  # noqa: F401, PLC0415 - only these processes pay for it


def leave_signals_to_the_runner() -> None:
    """Go on with the cell under way when a signal is sent to the whole group: the runner alone decides what is next.

    A handler, and not ``SIG_IGN``, which the kernels would inherit.
    """
    for name in ("SIGINT", "SIGTERM"):
        signal.signal(getattr(signal, name), lambda *_: None)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})


def execute(job: NotebookJob) -> Execution:
    """Execute a notebook. How the step went is in its record only."""
    import nbformat  # noqa: PLC0415
    import papermill  # noqa: PLC0415

    from tlsrunbook.run.executed import ended_early  # noqa: PLC0415
    from tlsrunbook.run.papermill_engine import register  # noqa: PLC0415

    content = job.source.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    notebook = nbformat.reads(content.decode("utf-8"), as_version=4)  # type: ignore[no-untyped-call]
    notebook.metadata.setdefault("papermill", {})
    try:
        job.output.parent.mkdir(parents=True, exist_ok=True)
        done = papermill.execute_notebook(
            notebook,
            _unformatted(job.output),
            dict(job.parameters),
            engine_name=register(),
            progress_bar=False,
            kernel_manager_class="tlsrunbook.run.kernels.PrivateKernelManager",
            shutdown_kernel="immediate",
            store_widget_state=False,
            coalesce_streams=True,
            start_timeout=120,
            iopub_timeout=60,
            execution_timeout=job.cell_seconds,
        )
    except papermill.PapermillExecutionError as error:
        return Execution(f"{error.ename}: {error.evalue}", sha256)
    except Exception as error:  # noqa: BLE001 - a dead kernel has many names; the runner writes the record
        return Execution(" ".join(f"{type(error).__name__}: {error}".split()), sha256)
    return Execution(ended_early(done), sha256)


def _unformatted(path: Path) -> str:
    """Papermill applies ``str.format`` to paths; braces are doubled to come out as they are."""
    return str(path).replace("{", "{{").replace("}", "}}")
