"""The helper's own work, called in Python: ``python -m tests.benchmarks.batch_rows.direct SITE RUNS SERVER...``.

Prints the CPU seconds per server, without imports and without the first server, which warms up.
"""

from __future__ import annotations

import sys
import time

from tlsrunbook import open_run
from tlsrunbook.steps.registry import STEP_IDS


def change(site: str, runs: str, server: str) -> None:
    """Do the six steps on a server."""
    run = open_run(site, server, runs, "", "apply")
    try:
        for step in STEP_IDS:
            run.step(step)
    finally:
        run.close()


def main() -> None:
    """Do all servers, one after another."""
    site, runs, first, *others = sys.argv[1:]
    change(site, runs, first)
    begun = time.process_time()
    for server in others:
        change(site, runs, server)
    print((time.process_time() - begun) / len(others))


if __name__ == "__main__":
    main()
