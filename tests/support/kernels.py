"""Finds the kernels that a process has started, however they were started."""

from __future__ import annotations

import ast
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from tlsrunbook.run.server_kernel import can_fork

EXECUTOR = "tlsrunbook.run.notebook_executor"
TEMPLATE = "tlsrunbook.run.kernels.names"

#: Every way there is on this computer.
KINDS = [kind for kind in ("fork", "pool", "cold") if kind != "fork" or can_fork()]


def cells_of(notebook: Path) -> dict[str, Any]:
    """Give an executed notebook's code cells by id."""
    cells = json.loads(notebook.read_bytes())["cells"]
    return {cell["id"]: cell for cell in cells if cell["cell_type"] == "code"}


def result_of(notebook: Path, cell: str) -> Any:
    """Give the value that a cell of an executed notebook ended with."""
    outputs = cells_of(notebook)[cell]["outputs"]
    return ast.literal_eval("".join(outputs[-1]["data"]["text/plain"]))


def executors_of(process: psutil.Process) -> list[psutil.Process]:
    """Give the executor processes of a process."""
    return [child for child in process.children() if EXECUTOR in child.cmdline()]


def templates_of(process: psutil.Process) -> list[psutil.Process]:
    """Give the templates that the executors of a process fork kernels from."""
    return [child for one in executors_of(process) for child in one.children() if TEMPLATE in child.cmdline()]


def kernels_of(process: psutil.Process) -> list[psutil.Process]:
    """Give the kernels below a process; the template that some are forked from is none."""
    return list(_kernels(process))


def _kernels(process: psutil.Process) -> Iterator[psutil.Process]:
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            line = child.cmdline()
            if TEMPLATE in line:
                above = child.parent()
                if above is not None and TEMPLATE in above.cmdline():
                    yield child
            elif "ipykernel_launcher" in line or "tlsrunbook.run.kernels.kernel" in line:
                yield child
