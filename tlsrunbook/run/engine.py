"""What is asked of the engine, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


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
