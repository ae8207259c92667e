"""Our engine for papermill: papermill's own, only that the notebook on disk is whole and true at any moment.

Papermill marks every cell as completed when a kernel dies, those that never ran too, and writes no notebook at all when
saving per cell is off. Here the notebook is saved whenever a cell starts; :mod:`tlsrunbook.run.executed` reads from it
which cells ran. Only a process that executes notebooks imports this.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines

NAME = "tlsrunbook"


class _Manager(NotebookExecutionManager):  # type: ignore[misc]
    """Keeps the cells' states, and puts them on disk."""

    def save(self, **kwargs: Any) -> None:
        """Write the notebook whole or not at all, without the schema check, which costs more than everything else."""
        del kwargs
        if self.output_path:
            path = Path(self.output_path)
            part = path.with_name(f"{path.name}.{os.getpid()}.part")
            try:
                part.write_text(json.dumps(self.nb, ensure_ascii=False), encoding="utf-8", errors="backslashreplace")
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
        self.last_save_time = self.now()

    def notebook_complete(self, **kwargs: Any) -> None:
        """Note the end; a cell that was never started stays ``pending``."""
        del kwargs
        self.end_time = self.now()
        facts = self.nb.metadata.papermill
        facts["end_time"] = self.end_time.isoformat()
        facts["duration"] = (self.end_time - self.start_time).total_seconds()
        self.save()


class TruthfulEngine(NBClientEngine):  # type: ignore[misc]
    """Executes with nbclient, as papermill does."""

    @classmethod
    def execute_notebook(
        cls, nb: Any, kernel_name: str, output_path: str | None = None, progress_bar: Any = False, **kwargs: Any
    ) -> Any:
        """See papermill's ``Engine``."""
        del progress_bar
        kwargs.pop("autosave_cell_every", None)
        manager = _Manager(nb, output_path=output_path, progress_bar=False)
        manager.notebook_start()
        try:
            cls.execute_managed_notebook(manager, kernel_name, **kwargs)
        finally:
            manager.notebook_complete()
        return manager.nb


def register() -> str:
    """Make the engine known to papermill, and give its name."""
    papermill_engines.register(NAME, TruthfulEngine)
    return NAME
