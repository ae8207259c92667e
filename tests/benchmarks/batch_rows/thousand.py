"""A thousand servers in one run: does it end, does memory stay, does every server take as long as the others?"""

from __future__ import annotations

import statistics
import time
from datetime import datetime
from pathlib import Path

import psutil

from tests.benchmarks.batch_rows.measuring import Bench, NotDone, Row, bench
from tests.benchmarks.batch_rows.memory import pss
from tests.faults import processes
from tlsrunbook.adapters.store import RunStore
from tlsrunbook.evidence.record import Record

_FLAT, _LINEAR, _END = 0.10, 0.15, 1.0
_WORKERS = 8
#: Sites, each an Exchange organisation, and servers of each: as in docs/scale.md's sizing.
_SITES, _SERVERS = 20, 50
_EVERY = 2.0


def rows(folder: Path, *, quick: bool) -> list[Row]:
    """Measure."""
    sizes = (20,) * 3 if quick else (_SERVERS,) * _SITES
    count = sum(sizes)
    with bench(folder / "thousand", *sizes) as made:
        lab = made.lab.cpu()
        samples, wall = _watched(made)
        lab_cpu = made.lab.cpu() - lab
        for site in range(len(sizes)):
            made.check(site)
        stats = made.stats("stats.json")
        pace = _pace(made)
    early, late = (
        statistics.median(mb for seconds, mb in samples if low < seconds / wall < high)
        for low, high in ((0.2, 0.5), (0.6, 0.9))
    )
    growth = late / early - 1
    slowest = max(stats["ends"])
    fine = not stats["ended_by"] and slowest <= _END and len(stats["executions"]) == 6 * count
    row = Row(
        "thousand",
        f"{count} servers of {len(sizes)} sites in one run",
        "",
        f"finishes; memory flat; time linear within {_LINEAR:.0%}; "
        f"no kernel failed, hung, or took over {_END:.0f} s to end",
        f"{wall:.0f} s; memory {growth:+.1%}; pace of the second half {pace:+.1%}; "
        f"{len(stats['ended_by'])} kernels failed, the slowest took {slowest:.2f} s to end",
        fine and growth <= _FLAT and abs(pace) <= _LINEAR,
        {
            "servers": count,
            "workers": _WORKERS,
            "seconds": wall,
            "servers per minute": 60 * count / wall,
            "CPU seconds per server, the lab": lab_cpu / count,
            "growth of memory": growth,
            "MB in the first half": early,
            "MB in the second half": late,
            "pace of the second half": pace,
            "seconds for a kernel to end: median, most": [statistics.median(stats["ends"]), slowest],
            "seconds for a notebook: median, most": [statistics.median(stats["executions"]), max(stats["executions"])],
            "what ended notebooks early": stats["ended_by"],
        },
    )
    return [row]


def _watched(made: Bench) -> tuple[list[tuple[float, float]], float]:
    """Run the command, and give seconds and MB now and then, and how long it took."""
    output = made.folder / "output.txt"
    begun, samples = time.monotonic(), []
    with output.open("w", encoding="utf-8") as place:
        command = made.driven(None, "stats.json", "--waves", "100%", "--workers", str(_WORKERS))
        running = psutil.Popen(
            [made.python, *command], env=made.environment, cwd=made.folder, stdout=place, stderr=place
        )
        while running.poll() is None:
            samples.append((time.monotonic() - begun, pss(processes.marked(made.mark))))
            time.sleep(_EVERY)
    wall = time.monotonic() - begun
    if running.returncode:
        raise NotDone(f"ended with {running.returncode}: {output.read_text(encoding='utf-8')[-3000:]}")
    return samples, wall


def _pace(made: Bench) -> float:
    """Give how much longer a server took in the second half than in the first, from when each was verified."""
    ends = []
    for site in made.sites:
        store = RunStore(made.runs, site.stem)
        (change,) = store.changes()
        ends += [_seconds(record) for record in store.records(change) if record.step == "verify"]
    ends.sort()
    # Without the first and the last tenth, in which not all lanes are at work.
    first, middle, last = (ends[len(ends) * tenths // 10 - (tenths == 10)] for tenths in (1, 5, 9))
    return ((last - middle) / 4) / ((middle - first) / 4) - 1


def _seconds(record: Record) -> float:
    return datetime.fromisoformat(record.finished).timestamp()
