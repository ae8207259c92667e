"""What the rows have in common: a lab with its folder, commands with their time and CPU, and whether all was done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults import processes
from tests.support.command import plain_environment
from tests.support.lab_process import LabProcess
from tlsrunbook.adapters.store import RunStore
from tlsrunbook.evidence.record import Record
from tlsrunbook.lab.places import SitePlan, plan_world
from tlsrunbook.ports import Attempt
from tlsrunbook.steps.registry import STEP_IDS, STEPS

_HOURS = 3 * 3600


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Args:
        name: What ``--row`` takes.
        what: What was measured.
        rival: What it was compared with; empty when with nothing.
        aim: As the issue has it.
        figure: What came out.
        met: Whether it is what was aimed for.
        details: All figures behind it.
    """

    name: str
    what: str
    rival: str
    aim: str
    figure: str
    met: bool
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Ran:
    """A command that has ended.

    Args:
        wall: Seconds from its start to its end.
        cpu: CPU seconds of it and of all that it started.
        output: What it printed.
    """

    wall: float
    cpu: float
    output: str


class NotDone(Exception):
    """A run did not do what it was to do, so its figures are worth nothing."""


class Bench:
    """A lab in a process of its own, and a folder.

    Args:
        folder: A fresh one.
        sizes: Number of servers per site.
        world: Further arguments of the lab.
    """

    def __init__(self, folder: Path, sizes: Sequence[int], **world: Any) -> None:
        plan = tuple(_site(at, count) for at, count in enumerate(sizes))
        self.folder = folder
        self.runs = folder / "runs"
        self.python = sys.executable
        self.lab = LabProcess(quick_keys=2 * sum(sizes) + 8, plan=plan, **world)
        self.sites = self.lab.write_site_files(folder / "sites")
        self.servers = [[server.name for server in site.servers] for site in plan]
        self.mark = uuid.uuid4().hex
        self.environment = plain_environment(folder, **{processes.VARIABLE: self.mark})

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start ``python COMMAND``."""
        return subprocess.Popen(
            [self.python, *command],
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )

    def run(self, *command: str) -> Ran:
        """Run ``python COMMAND`` to its end.

        Raises:
            NotDone: Its exit code is not 0.
        """
        before, begun = children_cpu(), time.monotonic()
        running = self.start(*command)
        output, _ = running.communicate(timeout=_HOURS)
        wall = time.monotonic() - begun
        if running.returncode:
            raise NotDone(f"{' '.join(command)} ended with {running.returncode}: {output[-3000:]}")
        return Ran(wall, children_cpu() - before, output)

    def command(self, site: int | None, *options: str) -> list[str]:
        """Give the command that runs the six steps on a site, or on all of them side by side."""
        place = self.sites[0].parent if site is None else self.sites[site]
        return ["run", str(place), "--runs", str(self.runs), *(["--side-by-side"] if site is None else []), *options]

    def driven(self, site: int | None, stats: str, *options: str, per_notebook: bool = False) -> list[str]:
        """Give the same command with a stop-watch on its kernels; what it saw is in the file ``stats``."""
        own = ["--session-per-notebook"] if per_notebook else []
        module = ["-m", "tests.benchmarks.batch_rows.driven", str(self.folder / stats)]
        return [*module, *own, "--", *self.command(site, *options)]

    def stats(self, name: str) -> dict[str, Any]:
        """Give what the stop-watch saw."""
        return dict(json.loads((self.folder / name).read_bytes()))

    def check(self, site: int, servers: Sequence[str] = (), *, notebooks: bool = True) -> None:
        """See that every server has its six good records, each with its executed notebook beside it.

        Raises:
            NotDone: Something is missing.
        """
        store = RunStore(self.runs, self.sites[site].stem)
        for server in servers or self.servers[site]:
            good = [
                record.step
                for record, attempt in _done(store, server)
                if not notebooks or _executed(attempt, record.step)
            ]
            if missing := [step for step in STEP_IDS if step not in good]:
                raise NotDone(f"{server} has no good record with its notebook of {missing}")

    def close(self) -> None:
        """End the lab, and whatever a command has left running."""
        processes.kill(processes.marked(self.mark))
        self.lab.stop()


@contextmanager
def bench(folder: Path, *sizes: int, **world: Any) -> Iterator[Bench]:
    """Give a lab with so many servers per site, while the block lasts."""
    folder.mkdir()
    made = Bench(folder, sizes, **world)
    try:
        yield made
    finally:
        made.close()


def children_cpu() -> float:
    """Give the CPU seconds of all children that have ended, theirs included."""
    spent = os.times()
    return spent.children_user + spent.children_system


def _site(at: int, servers: int) -> SitePlan:
    return plan_world(at + 1, servers)[at]


def _done(store: RunStore, server: str) -> Iterator[tuple[Record, Attempt]]:
    for change in store.changes():
        for attempt in store.attempts(change, server):
            record = store.record(attempt)
            if record and record.mode == "apply" and record.status.done:
                yield record, attempt


def _executed(attempt: Attempt, step: str) -> bool:
    """Whether the notebook beside a record was executed to its last cell."""
    name = next(one.notebook for one in STEPS if one.id == step)
    try:
        notebook = json.loads((attempt.folder / name).read_bytes())
    except (OSError, ValueError):
        return False
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return bool(cells) and all(cell["execution_count"] for cell in cells if cell["source"])
