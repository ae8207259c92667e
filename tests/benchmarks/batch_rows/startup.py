"""How long the command line takes to say what it can do."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests.benchmarks.batch_rows.measuring import Row

_TIMES, _RATIO, _SECONDS = 9, 5.0, 0.25


def rows(folder: Path, *, quick: bool) -> list[Row]:
    """Measure both in turn."""
    ours, theirs = [], []
    for _ in range(3 if quick else _TIMES):
        ours.append(_seconds(folder, "tlsrunbook"))
        theirs.append(_seconds(folder, "papermill"))
    own, rival = statistics.median(ours), statistics.median(theirs)
    row = Row(
        "startup",
        "start of tlsrunbook --help",
        "papermill --help",
        f"{_RATIO:.0f}x faster, under {_SECONDS} s",
        f"{rival / own:.1f}x: {own:.3f} s, the rival {rival:.3f} s",
        rival / own >= _RATIO and own < _SECONDS,
        {"seconds": sorted(ours), "seconds, the rival": sorted(theirs)},
    )
    return [row]


def _seconds(folder: Path, module: str) -> float:
    environment = os.environ | {"TERM": "dumb"}
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", module, "--help"], check=True, capture_output=True, env=environment, cwd=folder
    )
    return time.perf_counter() - begun
