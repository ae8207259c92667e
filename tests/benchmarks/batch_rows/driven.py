"""The command line with a stop-watch on its kernels: ``python -m tests.benchmarks.batch_rows.driven STATS -- run ...``.

With ``--session-per-notebook`` every notebook gets a kernel and a PowerShell of its own: the rival of one per server.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tlsrunbook.run import server_kernel
from tlsrunbook.run.engine import Execution, NotebookJob
from tlsrunbook.run.server_kernel import Kernels, ServerKernel


@dataclass
class Stats:
    """What the kernels did, in seconds.

    Args:
        ends: How long each took to end.
        executions: How long each notebook took.
        ended_by: What ended notebooks early.
    """

    ends: list[float] = field(default_factory=list)
    executions: list[float] = field(default_factory=list)
    ended_by: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def write(self, path: Path) -> None:
        """Write them as JSON."""
        data = {"ends": self.ends, "executions": self.executions, "ended_by": self.ended_by}
        path.write_text(json.dumps(data), encoding="utf-8")


class WatchedKernel:
    """A kernel under the stop-watch."""

    def __init__(self, inner: ServerKernel, stats: Stats) -> None:
        self._inner = inner
        self._stats = stats

    def execute(self, job: NotebookJob) -> Execution:
        begun = time.monotonic()
        done = self._inner.execute(job)
        with self._stats.lock:
            self._stats.executions.append(time.monotonic() - begun)
            if done.ended_by:
                self._stats.ended_by.append(done.ended_by)
        return done

    def kill(self) -> None:
        self._inner.kill()

    def close(self) -> None:
        begun = time.monotonic()
        self._inner.close()
        with self._stats.lock:
            self._stats.ends.append(time.monotonic() - begun)


class KernelPerNotebook:
    """In place of a server's kernel: a new one for every notebook."""

    def __init__(self, kernels: Kernels, environment: Mapping[str, str]) -> None:
        self._kernels = kernels
        self._environment = environment
        self._now: ServerKernel | None = None

    def execute(self, job: NotebookJob) -> Execution:
        self._now = self._kernels.start(self._environment)
        try:
            return self._now.execute(job)
        finally:
            self._now.close()

    def kill(self) -> None:
        if self._now:
            self._now.kill()

    def close(self) -> None:
        """Each has ended after its notebook."""


class WatchedKernels:
    """A source of kernels under the stop-watch."""

    def __init__(self, inner: Kernels, stats: Stats, *, per_notebook: bool) -> None:
        self._inner = inner
        self._stats = stats
        self._per_notebook = per_notebook

    def start(self, environment: Mapping[str, str]) -> ServerKernel:
        if self._per_notebook:
            return WatchedKernel(KernelPerNotebook(self._inner, environment), self._stats)
        return WatchedKernel(self._inner.start(environment), self._stats)

    def close(self) -> None:
        self._inner.close()


def main() -> None:
    """Run the command line."""
    own, command = sys.argv[1 : sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1 :]
    stats, per_notebook = Stats(), "--session-per-notebook" in own
    plain = server_kernel.open_kernels

    def watched(kind: str = "auto", lanes: int = 1) -> Kernels:
        return WatchedKernels(plain(kind, lanes), stats, per_notebook=per_notebook)

    # The command line asks this module for its kernels when it runs.
    server_kernel.open_kernels = watched
    sys.argv = ["tlsrunbook", *command]
    from tlsrunbook.cli import main as command_line  # noqa: PLC0415

    try:
        command_line()
    finally:
        stats.write(Path(own[0]))


if __name__ == "__main__":
    main()
