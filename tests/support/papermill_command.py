"""The papermill command line, which knows the engines that this checkout's pyproject names, installed or not."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
GROUP = "papermill.engine"


def papermill(
    notebook: Path, output: str, folder: Path, *options: str, env: dict[str, str] | None = None, **parameters: str
) -> subprocess.CompletedProcess[str]:
    """Run ``papermill`` in a folder.

    Args:
        notebook: What to execute.
        output: Where to, relative to the folder.
        folder: Where it runs; a description of the engines is put there.
        options: Of the command line.
        env: Environment variables besides those of this process.
        parameters: Of the notebook.
    """
    given = [part for name, value in parameters.items() for part in ("-p", name, value)]
    path = os.pathsep.join((str(_engines(folder)), str(ROOT), os.environ.get("PYTHONPATH", "")))
    return subprocess.run(
        [sys.executable, "-m", "papermill", str(notebook), output, *given, *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, **(env or {})},
        capture_output=True,
        encoding="utf-8",
        timeout=150,
        check=False,
    )


def _engines(folder: Path) -> Path:
    """Describe the entry points as an installation of this checkout would."""
    points = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"][GROUP]
    place = folder / "installed" / "tlsrunbook_engines-1.dist-info"
    place.mkdir(parents=True, exist_ok=True)
    lines = [f"[{GROUP}]", *(f"{name} = {value}" for name, value in points.items())]
    (place / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (place / "METADATA").write_text("Name: tlsrunbook-engines\nVersion: 1\n", encoding="utf-8")
    return place.parent
