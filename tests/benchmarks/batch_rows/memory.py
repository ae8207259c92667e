"""Memory per server while many are in flight: the proportional set size (PSS) of all that the command started."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

from tests.benchmarks.batch_rows.measuring import Bench, NotDone, Row, bench
from tests.faults import processes

_MOST = 25.0
_STOCK_KERNELS = 8
_CODE = """
import sys, tlsrunbook
run = tlsrunbook.open_run({site!r}, {server!r}, {runs!r}, "", "plan")
run.confirm()
"""


def rows(folder: Path, *, quick: bool) -> list[Row]:
    """Measure while all servers are in flight: the lab answers so slowly that none ends before the last has begun."""
    count = 20 if quick else 100
    with bench(folder / "memory", count, _STOCK_KERNELS, round_trip=0.3 if quick else 1.0, load_seconds=10.0) as made:
        samples = _watched(made, count)
        made.check(0)
        stock = _stock(made)
    most = max(samples, key=lambda sample: sample[1])
    per_server = most[1] / count
    row = Row(
        "memory",
        f"memory (PSS) per server in flight, {count} in flight",
        f"stock kernels ({_STOCK_KERNELS} of them, without what drives them)",
        f"{_MOST:.0f} MB or less",
        f"{per_server:.1f} MB, the rival {stock:.0f} MB",
        per_server <= _MOST,
        {
            "MB at most, all processes of the command": most[1],
            "processes then": most[2],
            "samples (seconds, MB, processes)": samples,
        },
    )
    return [row]


def pss(running: Iterable[psutil.Process]) -> float:
    """Give the PSS of processes together, MB (10^6 bytes); one that has ended has none."""
    total = 0
    for process in running:
        with contextlib.suppress(OSError, psutil.Error):
            lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total * 1024 / 1e6


def _watched(made: Bench, count: int) -> list[tuple[float, float, int]]:
    """Run the command, and give seconds, MB and number of processes while all servers are in flight."""
    if not Path("/proc/self/smaps_rollup").exists():
        raise NotDone(f"{os.name}: only Linux tells the PSS")
    output = made.folder / "output.txt"
    begun, samples = time.monotonic(), []
    with output.open("w", encoding="utf-8") as place:
        command = ["-m", "tlsrunbook", *made.command(0, "--waves", "100%", "--workers", str(count))]
        running = psutil.Popen(
            [made.python, *command], env=made.environment, cwd=made.folder, stdout=place, stderr=place
        )
        while running.poll() is None:
            in_flight = made.lab.ask("shells_open")
            if in_flight == count:
                everybody = processes.marked(made.mark)
                samples.append((round(time.monotonic() - begun, 1), round(pss(everybody), 1), len(everybody)))
            time.sleep(1.0)
    if running.returncode or not samples:
        said = output.read_text(encoding="utf-8")[-3000:]
        raise NotDone(f"ended with {running.returncode}, {len(samples)} times were all in flight: {said}")
    return samples


def _stock(made: Bench) -> float:
    """Give the MB per stock kernel that has done the first step on a server and waits for more."""
    from jupyter_client.manager import start_new_kernel  # noqa: PLC0415

    kernels = []
    try:
        for server in made.servers[1]:
            manager, client = start_new_kernel(env=made.environment, stderr=subprocess.DEVNULL)
            kernels.append((manager, client))
            code = _CODE.format(site=str(made.sites[1]), server=server, runs=str(made.runs))
            reply = client.execute_interactive(code, timeout=120, output_hook=lambda _: None)
            if reply["content"]["status"] != "ok":
                raise NotDone(f"a stock kernel says {reply['content']}")
        return pss(processes.marked(made.mark)) / len(kernels)
    finally:
        for manager, client in kernels:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
