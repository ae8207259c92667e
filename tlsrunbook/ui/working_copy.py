"""The operator's own copies of the notebooks, with the site filled in. The committed ones are never opened."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tlsrunbook.about import __version__
from tlsrunbook.errors import UsageError
from tlsrunbook.evidence.data import readable_json
from tlsrunbook.run.notebooks import notebook_files

#: The notebook to open, and what to open where it is missing.
_FIRST = ("runbook.ipynb", "1-confirm-fqdn.ipynb")
_PARAMETERS = "parameters"


@dataclass(frozen=True)
class WorkingCopies:
    """A folder with a copy of every notebook.

    Args:
        folder: Where they are.
        opens: The one to open.
        notes: What the operator should know: which older copies were kept, and what to use instead.
    """

    folder: Path
    opens: Path
    notes: tuple[str, ...]


def working_copies(folder: Path, given: Mapping[str, str]) -> WorkingCopies:
    """Make a copy of each notebook that has none yet. A copy that is there is never touched.

    A copy that was made from another version of its notebook, or for another site file or evidence folder, is kept
    too; a fresh one is put beside it.

    Args:
        folder: The operator's; made if need be.
        given: Values for the cell tagged ``parameters``, by name; a notebook without one of these names goes without.

    Raises:
        UsageError: It is the folder of the committed notebooks, or it cannot be written.
    """
    sources = notebook_files()
    if any(folder.resolve() == source.parent.resolve() for source in sources):
        raise UsageError(
            "these are the committed notebooks, which are never worked on",
            where=str(folder),
            todo="give another folder with --work",
        )
    notes: list[str] = []
    copies = {source.name: _copy_of(source, folder, given, notes) for source in sources}
    opens = next(copies[name] for name in (*_FIRST, *copies) if name in copies)
    return WorkingCopies(folder, opens, tuple(notes))


def _copy_of(source: Path, folder: Path, given: Mapping[str, str], notes: list[str]) -> Path:
    """Give the copy to work on: the one that fits, or a new one under the next free name."""
    content = source.read_bytes()
    origin = {
        "source": source.name,
        "source_sha256": hashlib.sha256(content).hexdigest(),
        "package": __version__,
    }
    number, kept = 1, ""
    while True:
        place = folder / (source.name if number == 1 else f"{source.stem}-{number}.ipynb")
        if not place.exists() and _written(place, _filled_in(content, given, origin)):
            break
        why = _does_not_fit(place, origin, given)
        if not why:
            break
        kept = f"{place.name} is {why}, and is kept"
        number += 1
    if kept:
        notes.append(f"{kept}; use {place.name}")
    return place


def _written(place: Path, content: bytes) -> bool:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as file:
            file.write(content)
    except FileExistsError:
        return False
    except OSError as error:
        raise UsageError(
            f"the working copy cannot be written: {error.strerror or error}",
            where=str(place),
            todo="give a folder of yours with --work",
        ) from error
    return True


def _filled_in(content: bytes, given: Mapping[str, str], origin: Mapping[str, str]) -> bytes:
    notebook = json.loads(content)
    for cell in notebook["cells"]:
        if _PARAMETERS in cell["metadata"].get("tags", ()):
            cell["source"] = with_values("".join(cell["source"]), given).splitlines(keepends=True)
    notebook["metadata"]["tlsrunbook"] = dict(origin)
    return readable_json(notebook)


def with_values(source: str, given: Mapping[str, str]) -> str:
    """Put values into assignments of text at the top of a cell; whatever a value holds, it stays a value.

    Args:
        source: Python, each assignment on a line of its own.
        given: Values by name; names that are not assigned are left out.
    """
    lines = source.encode("utf-8").splitlines(keepends=True)
    for node in reversed(list(_assignments(source))):
        name, value = node.target.id, node.value  # type: ignore[union-attr]
        if name in given and value and value.lineno == value.end_lineno:
            line = lines[value.lineno - 1]
            literal = ascii(given[name]).encode("ascii")
            lines[value.lineno - 1] = line[: value.col_offset] + literal + line[value.end_col_offset :]
    return b"".join(lines).decode("utf-8")


def _values(source: str) -> dict[str, Any]:
    """Give the text that is assigned, by name."""
    return {
        node.target.id: node.value.value  # type: ignore[union-attr]
        for node in _assignments(source)
        if isinstance(node.value, ast.Constant)
    }


def _assignments(source: str) -> list[ast.AnnAssign]:
    found = [node for node in ast.parse(source).body if isinstance(node, ast.AnnAssign)]
    return [node for node in found if isinstance(node.target, ast.Name)]


def _does_not_fit(place: Path, origin: Mapping[str, str], given: Mapping[str, str]) -> str:
    """Say why a copy is not the one to work on; empty when it is."""
    try:
        notebook = json.loads(place.read_bytes())
        made_from = notebook["metadata"].get("tlsrunbook", {})
        cells = [cell for cell in notebook["cells"] if _PARAMETERS in cell["metadata"].get("tags", ())]
        values = _values("".join(cells[0]["source"])) if cells else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return "no notebook that can be read"
    if made_from.get("source_sha256") != origin["source_sha256"]:
        return f"made from that of tlsrunbook {made_from.get('package', '(not known)')}"
    for name in ("site", "runs"):
        if name in values and name in given and values[name] != given[name]:
            return f"for {name} = {values[name]!r}"
    return ""
