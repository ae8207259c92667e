"""Servers per minute without network delay, CPU per notebook, and requests on the wire: all from one lab."""

from __future__ import annotations

import json
import time
from pathlib import Path

from tests.benchmarks.batch_rows.measuring import Bench, NotDone, Ran, Row, bench
from tests.benchmarks.batch_rows.wire import wire_row
from tlsrunbook.run.notebooks import notebook_path
from tlsrunbook.steps.registry import STEPS

#: Servers of the rivals: two for the shell loop, an even number for the pool, and those that Python does directly.
_LOOP, _POOL = 2, 4
_WORKERS = 8


def rows(folder: Path, *, quick: bool) -> list[Row]:
    """Measure."""
    count, direct_count = (10, 3) if quick else (50, 7)
    with bench(folder / "throughput", count, _LOOP + _POOL + direct_count) as made:
        others = made.servers[1]
        lab = made.lab.cpu()
        ours = made.run("-m", "tlsrunbook", *made.command(0, "--waves", "100%", "--workers", str(_WORKERS)))
        lab_cpu = made.lab.cpu() - lab
        made.check(0)
        wire = wire_row(made)
        loop = _shell_loop(made, others[:_LOOP])
        pool = _pool(made, others[_LOOP : _LOOP + _POOL])
        direct = _direct(made, others[_LOOP + _POOL :])
    facts = {
        "servers": count,
        "seconds": ours.wall,
        "servers per minute": 60 * count / ours.wall,
        "CPU seconds per server, all but the lab": ours.cpu / count,
        "CPU seconds per server, the lab": lab_cpu / count,
        "workers": _WORKERS,
    }
    return [
        _faster("shell-loop", "a shell loop over the papermill command line", 30, facts, loop),
        _faster("process-pool", "papermill.execute_notebook in a process pool of 2", 8, facts, pool["wall"] / _POOL),
        _cpu_row(ours, count, pool["cpu"] / _POOL, direct),
        wire,
    ]


def _faster(name: str, rival: str, aim: int, facts: dict[str, float], theirs: float) -> Row:
    """Compare with a rival's seconds per server."""
    ratio = theirs * facts["servers"] / facts["seconds"]
    figure = f"{ratio:.1f}x: {facts['servers per minute']:.0f} servers per minute, the rival {60 / theirs:.2f}"
    what = f"servers per minute, six notebooks each, {facts['servers']} servers"
    details = {**facts, "seconds per server, the rival": theirs, "ratio": ratio}
    return Row(name, what, rival, f"{aim}x or better", figure, ratio >= aim, details)


def _cpu_row(ours: Ran, count: int, stock: float, direct: float) -> Row:
    notebooks = len(STEPS)
    spent, theirs = ((cpu - direct) / notebooks for cpu in (ours.cpu / count, stock))
    return Row(
        "cpu",
        "CPU per notebook beyond the helper's own work, called directly in Python",
        "papermill.execute_notebook",
        "0.10 s or less",
        f"{spent:.3f} s, the rival {theirs:.2f} s",
        spent <= 0.10,
        {
            "CPU seconds per notebook": ours.cpu / count / notebooks,
            "CPU seconds per notebook, the rival": stock / notebooks,
            "CPU seconds per step, directly": direct / notebooks,
            "note": "ours holds the start of the command, its report and its seal too",
        },
    )


def _shell_loop(made: Bench, servers: list[str]) -> float:
    """Give the seconds per server of one papermill after the other."""
    begun = time.monotonic()
    for server in servers:
        for step in STEPS:
            output = made.folder / f"loop-{server}-{step.notebook}"
            named = {"site": made.sites[1], "server": server, "runs": made.runs, "mode": "apply"}
            parameters = [word for name, value in named.items() for word in ("-p", name, str(value))]
            made.run("-m", "papermill", str(notebook_path(step.notebook)), str(output), *parameters)
    wall = time.monotonic() - begun
    made.check(1, servers, notebooks=False)
    return wall / len(servers)


def _pool(made: Bench, servers: list[str]) -> dict[str, float]:
    place = made.folder / "pool"
    place.mkdir()
    module = "tests.benchmarks.batch_rows.pool"
    ran = made.run("-m", module, str(made.sites[1]), str(made.runs), str(place), "2", *servers)
    made.check(1, servers, notebooks=False)
    return dict(json.loads(ran.output.splitlines()[-1]))


def _direct(made: Bench, servers: list[str]) -> float:
    ran = made.run("-m", "tests.benchmarks.batch_rows.direct", str(made.sites[1]), str(made.runs), *servers)
    made.check(1, servers, notebooks=False)
    try:
        return float(ran.output.splitlines()[-1])
    except (ValueError, IndexError):
        raise NotDone(f"the helper called directly says {ran.output!r}") from None
