"""Executes one notebook with papermill, in a process of its own pool, and says truthfully how that went."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tlsrunbook.evidence.data import readable_json
from tlsrunbook.evidence.dsse import KEY_VARIABLE


@dataclass(frozen=True)
class NotebookJob:
    """One notebook to execute.

    Args:
        source: The committed notebook.
        output: Where the executed one is written while it runs.
        parameters: All text.
    """

    source: Path
    output: Path
    parameters: Mapping[str, str]


def prepare_process() -> None:
    """Import papermill once per pool process, without the grammar compiler that its JSON-schema checker drags in."""
    # jsonschema asks for it by import and does without it; it costs a second of CPU and checks only IRIs.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    os.environ.pop(KEY_VARIABLE, None)  # neither this process nor its kernels learn where the signing key is
    import papermill  # noqa: F401, PLC0415 - only pool processes pay for it


def execute(job: NotebookJob) -> str:
    """Execute a notebook.

    Returns:
        Empty when every cell ran; else one line that says what ended it. How the step went is in its record only.
    """
    import nbformat  # noqa: PLC0415
    import papermill  # noqa: PLC0415

    notebook = nbformat.read(job.source, as_version=4)  # type: ignore[no-untyped-call]
    notebook.metadata.setdefault("papermill", {})
    job.output.parent.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(
            notebook,
            _unformatted(job.output),
            dict(job.parameters),
            progress_bar=False,
            request_save_on_cell_execute=False,
            kernel_manager_class="tlsrunbook.run.kernels.PrivateKernelManager",
            shutdown_kernel="immediate",
            store_widget_state=False,
            coalesce_streams=True,
            start_timeout=120,
        )
    except papermill.PapermillExecutionError as error:
        return f"{error.ename}: {error.evalue}"
    except Exception as error:  # noqa: BLE001 - a dead kernel has many names; the runner writes the record
        return f"{type(error).__name__}: {error}"
    return ""


def _unformatted(path: Path) -> str:
    """Papermill applies ``str.format`` to paths; braces are doubled to come out as they are."""
    return str(path).replace("{", "{{").replace("}", "}}")


def filed(output: Path, place: Path, note: str) -> None:
    """Put an executed notebook beside its record, once, without this computer's paths in its metadata.

    Args:
        output: Where papermill wrote it; gone afterwards.
        place: Its final name.
        note: What ended it early, for the notebook's metadata; may be empty.
    """
    try:
        notebook: dict[str, Any] = json.loads(output.read_bytes())
    except (OSError, ValueError):
        output.unlink(missing_ok=True)
        return
    facts = notebook.get("metadata", {}).get("papermill", {})
    facts.pop("input_path", None)
    facts.pop("output_path", None)
    facts["ended_by"] = note
    temporary = output.with_suffix(".part")
    temporary.write_bytes(readable_json(notebook))
    temporary.replace(place)
    output.unlink(missing_ok=True)
