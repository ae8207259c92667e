"""Papermill's book-keeping of an execution, only that the notebook on disk is whole and true at any moment.

Papermill marks every cell as completed when a kernel dies, those that never ran too, writes files in place, and keeps
whatever secret was shown. Only a process that executes notebooks imports this.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from papermill.engines import NotebookExecutionManager
from papermill.iorw import write_ipynb

from tlsrunbook.run.executed import truthful
from tlsrunbook.run.redaction import Redaction


class TruthfulManager(NotebookExecutionManager):  # type: ignore[misc]
    """Keeps the cells' states, and puts them on disk whenever a code cell starts and when the notebook ends.

    Args:
        nb: The notebook, filled in.
        secrets: What must not be in it when it is written.
        options: See papermill's manager.
    """

    def __init__(self, nb: Any, secrets: Iterable[str] = (), **options: Any) -> None:
        super().__init__(nb, **options)
        self.output_path: str | None
        self._redaction = Redaction(secrets)
        self.ended_by = ""

    def save(self, **kwargs: Any) -> None:
        """Write the notebook whole or not at all, without the schema check, which costs more than everything else."""
        del kwargs
        if self.output_path:
            notebook = self.nb
            if self._redaction:  # what runs is not what is shown
                notebook = copy.deepcopy(notebook)
                self._redaction.notebook(notebook)
            _write(notebook, str(self.output_path))
        self.last_save_time = self.now()

    def cell_start(self, cell: Any, cell_index: int | None = None, **kwargs: Any) -> None:
        """Note the start; a cell of text is no reason to save."""
        self._quietly(cell.cell_type != "code", super().cell_start, cell, cell_index, **kwargs)

    def cell_complete(self, cell: Any, cell_index: int | None = None, **kwargs: Any) -> None:
        """Note the end; it is saved when the next cell starts, or the notebook ends, a moment later."""
        self._quietly(True, super().cell_complete, cell, cell_index, **kwargs)

    def _quietly(self, quiet: bool, note: Any, *facts: Any, **kwargs: Any) -> None:
        place = self.output_path
        if quiet:
            self.output_path = None
        try:
            note(*facts, **kwargs)
        finally:
            self.output_path = place

    def notebook_complete(self, **kwargs: Any) -> None:
        """Note the end, make the notebook say what became of each cell, and save it."""
        del kwargs
        self.end_time = self.now()
        facts = self.nb.metadata.papermill
        facts["end_time"] = self.end_time.isoformat()
        facts["duration"] = (self.end_time - self.start_time).total_seconds()
        truthful(self.nb, self.ended_by)
        self._redaction.notebook(self.nb)  # papermill itself writes it once more
        self.complete_pbar()
        self.cleanup_pbar()
        self.save()


def _write(notebook: Any, place: str) -> None:
    if "://" in place or place == "-":  # a place that only papermill knows how to write to
        write_ipynb(notebook, place)
        return
    path = Path(place)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_text(json.dumps(notebook, ensure_ascii=False), encoding="utf-8", errors="backslashreplace")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
