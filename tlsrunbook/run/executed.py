"""The executed notebook as evidence: what its metadata say of each cell is what happened to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tlsrunbook.about import __version__
from tlsrunbook.errors import EvidenceError
from tlsrunbook.evidence.data import readable_json

COMPLETED, FAILED, NOT_RUN, NOT_KNOWN = "completed", "failed", "not_run", "not_known"

_PLACES = ("input_path", "output_path")
_NOT_RUN = {"exception": None, "start_time": None, "end_time": None, "duration": None, "status": NOT_RUN}


def ended_early(notebook: Mapping[str, Any]) -> str:
    """Say which cell ended a notebook before its last one, or give an empty text.

    A cell that leaves by ``sys.exit(0)`` ends it too, although papermill calls that a success.
    """
    cells = [cell for cell in notebook["cells"] if cell.get("cell_type") == "code"]
    for cell in cells:
        facts = cell.get("metadata", {}).get("papermill", {})
        if facts.get("exception"):
            return f"the cell {cell.get('id', '?')} ended by {_error(cell)}"
        if not facts.get("start_time"):
            return f"the cell {cell.get('id', '?')} was never run"
    return ""


def _error(cell: Mapping[str, Any]) -> str:
    for output in cell.get("outputs", ()):
        if output.get("output_type") == "error":
            return f"{output.get('ename', '')}: {output.get('evalue', '')}"
    return "an error without a message"


def truthful(notebook: dict[str, Any], ended_by: str) -> dict[str, Any]:
    """Correct the metadata of an executed notebook, in place.

    A cell without a start was not run. One that was started and not answered when the notebook ended has failed.
    The notebook as a whole has an exception when anything ended it early; ``ended_by`` says what.

    Args:
        notebook: As the engine saved it last.
        ended_by: What the runner saw; empty when it saw nothing.
    """
    metadata = notebook.setdefault("metadata", {})
    facts = metadata.setdefault("papermill", {})
    ended_by = ended_by or ended_early(notebook)
    for cell in notebook["cells"]:
        own = cell.get("metadata", {}).get("papermill")
        if own is None:
            continue  # put there by papermill: its remark about an error
        if not own.get("start_time"):
            own.update(_NOT_RUN)
        elif own.get("exception") or (ended_by and not _answered(cell)):
            own.update(exception=True, status=FAILED)
        else:
            own.update(status=COMPLETED)
    for name in _PLACES:
        facts.pop(name, None)
    facts["exception"] = bool(ended_by)
    facts["ended_by"] = ended_by
    return notebook


def _answered(cell: Mapping[str, Any]) -> bool:
    if cell.get("cell_type") != "code" or not str(cell.get("source", "")).strip():
        return True
    return "shell.execute_reply" in cell.get("metadata", {}).get("execution", {})


def _never_seen(source: Path, ended_by: str) -> dict[str, Any]:
    """Give the source notebook for one whose execution left nothing to read: no cell is claimed to have run."""
    notebook: dict[str, Any] = json.loads(source.read_bytes())
    for cell in notebook["cells"]:
        cell.setdefault("metadata", {})["papermill"] = {**_NOT_RUN, "status": NOT_KNOWN}
    notebook.setdefault("metadata", {})["papermill"] = {"exception": True, "ended_by": ended_by or "nothing was saved"}
    return notebook


def filed(source: Path, sha256: str, output: Path, place: Path, note: str) -> str:
    """Put an executed notebook beside its record, once, without this computer's paths in its metadata.

    Args:
        source: The committed notebook.
        sha256: Of the source as it was read to be executed; empty when that is not known, then of what it is now.
        output: Where the engine saved it; gone afterwards.
        place: Its final name.
        note: What ended it early, as the runner saw it; may be empty.

    Returns:
        What ended it early; empty when every cell ran.

    Raises:
        EvidenceError: The disk refuses.
    """
    try:
        notebook = truthful(json.loads(output.read_bytes()), note)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        notebook = _never_seen(source, note)
    sha256 = sha256 or hashlib.sha256(source.read_bytes()).hexdigest()
    notebook["metadata"]["tlsrunbook"] = {"source": source.name, "source_sha256": sha256, "package": __version__}
    temporary = output.with_suffix(".part")
    try:
        temporary.write_bytes(readable_json(notebook))
        temporary.replace(place)
        output.unlink(missing_ok=True)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        what = f"the executed notebook cannot be written: {error.strerror or error}"
        raise EvidenceError(what, where=str(place)) from error
    return str(notebook["metadata"]["papermill"]["ended_by"])
