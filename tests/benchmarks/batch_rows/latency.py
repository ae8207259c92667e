"""Servers far away whose Exchange takes its time to load: what one session per server saves."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.batch_rows.measuring import Row, bench

_ROUND_TRIP, _LOAD, _AIM = 0.040, 5.0, 4.0


def rows(folder: Path, *, quick: bool) -> list[Row]:
    """Measure: the same command over the same number of servers, once as it is, once with a session per notebook."""
    count, workers = (8, 8) if quick else (50, 8)
    with bench(folder / "latency", count, count, round_trip=_ROUND_TRIP, load_seconds=_LOAD) as made:
        options = "--waves", "100%", "--workers", str(workers)
        lab = made.lab.cpu()
        ours = made.run(*made.driven(0, "ours.json", *options))
        lab_cpu = made.lab.cpu() - lab
        made.check(0)
        theirs = made.run(*made.driven(1, "theirs.json", *options, per_notebook=True))
        made.check(1)
    ratio = theirs.wall / ours.wall
    row = Row(
        "latency",
        f"servers per minute, {count} servers, {_ROUND_TRIP * 1000:.0f} ms round trip, {_LOAD:.0f} s to load Exchange",
        "the same command with a session per notebook",
        f"{_AIM:.0f}x or better",
        f"{ratio:.1f}x: {60 * count / ours.wall:.0f} servers per minute, the rival {60 * count / theirs.wall:.0f}",
        ratio >= _AIM,
        {
            "servers": count,
            "workers": workers,
            "seconds": ours.wall,
            "seconds, the rival": theirs.wall,
            "CPU seconds per server, all but the lab": ours.cpu / count,
            "CPU seconds per server, the lab": lab_cpu / count,
        },
    )
    return [row]
