"""Small notebooks for tests, shaped like the committed ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

#: Put before a cell's source to make it Markdown.
TEXT = "%%md "


def a_notebook(path: Path, **cells: str) -> Path:
    """Write a notebook with these cells, by id; the first one is tagged ``parameters``.

    Args:
        path: Where to; its folder exists.
        cells: Source of each code cell; Markdown where it begins with ``%%md``.
    """
    first = next(iter(cells))
    made = [
        _cell(name.replace("_", "-"), source, ["parameters"] if name == first else []) for name, source in cells.items()
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    notebook = {"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path


def _cell(name: str, source: str, tags: list[str]) -> dict[str, Any]:
    if source.startswith(TEXT):
        return {"cell_type": "markdown", "id": name, "metadata": {}, "source": source.removeprefix(TEXT)}
    code = {"execution_count": None, "outputs": []}
    return {"cell_type": "code", "id": name, "metadata": {"tags": tags}, "source": source, **code}


def states(notebook: dict[str, Any]) -> dict[str, str]:
    """Give what an executed notebook says of each of its cells; papermill's own remarks are left out."""
    return {
        cell["id"]: cell["metadata"]["papermill"]["status"]
        for cell in notebook["cells"]
        if "papermill" in cell["metadata"]
    }
