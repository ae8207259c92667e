"""A rival: ``papermill.execute_notebook`` in a pool of processes, with papermill's own engine.

``python -m tests.benchmarks.batch_rows.pool SITE RUNS OUTPUT WORKERS SERVER...`` prints JSON: ``wall`` seconds for all
servers once the workers have imported papermill, and ``cpu`` seconds of workers and kernels.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path

from tlsrunbook.run.notebooks import notebook_path
from tlsrunbook.steps.registry import STEPS

_everybody: Barrier


def _meet_at(barrier: Barrier) -> None:
    global _everybody  # noqa: PLW0603 - a worker's own
    _everybody = barrier


def _ready(_: int) -> None:
    import papermill  # noqa: F401, PLC0415

    _everybody.wait(120)  # so that every worker gets one of these


def _server(site: str, runs: str, output: str, server: str) -> float:
    """Execute a server's notebooks in order, and give the CPU seconds it took."""
    import papermill  # noqa: PLC0415

    before = _cpu()
    for step in STEPS:
        parameters = {"site": site, "server": server, "runs": runs, "mode": "apply"}
        place = Path(output) / f"{server}-{step.notebook}"
        papermill.execute_notebook(notebook_path(step.notebook), place, parameters, progress_bar=False)
    return _cpu() - before


def _cpu() -> float:
    own, kernels = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + kernels.ru_utime + kernels.ru_stime


def main() -> None:
    """Run them."""
    site, runs, output, workers, *servers = sys.argv[1:]
    spawning = multiprocessing.get_context("spawn")
    start = (spawning.Barrier(int(workers)),)
    with ProcessPoolExecutor(int(workers), spawning, initializer=_meet_at, initargs=start) as pool:
        list(pool.map(_ready, range(int(workers))))
        begun = time.monotonic()
        cpu = sum(pool.map(partial(_server, site, runs, output), servers))
        wall = time.monotonic() - begun
    print(json.dumps({"wall": wall, "cpu": cpu}))


if __name__ == "__main__":
    main()
