"""How fast and how lean a batch over whole sites is, against its rivals on the same lab in the same run."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks.batch_rows import latency, memory, startup, thousand, throughput
from tests.benchmarks.batch_rows.measuring import NotDone, Row

#: By name: what measures it. Rows that need the same run come from the same measurement.
MEASUREMENTS: dict[str, Callable[..., list[Row]]] = {
    "startup": startup.rows,
    "throughput": throughput.rows,
    "latency": latency.rows,
    "memory": memory.rows,
    "thousand": thousand.rows,
}
_PACKAGES = ("papermill", "nbclient", "ipykernel", "jupyter_client", "pyzmq", "pywinrm", "cryptography")


def main() -> None:
    """Measure and print; the exit code is 1 when a row could not be measured, whatever the aims."""
    asked = _asked(sys.argv[2:])
    about = _facts(asked.quick)
    print(_about(about), flush=True)
    rows, broken = [], []
    with tempfile.TemporaryDirectory(prefix="tlsrunbook-batch-", ignore_cleanup_errors=True) as temporary:
        for name in asked.row or MEASUREMENTS:
            begun = time.monotonic()
            try:
                made = MEASUREMENTS[name](Path(temporary), quick=asked.quick)
            except NotDone as error:
                broken.append(f"{name}: {error}")
                print(f"\n{name} could not be measured: {error}", flush=True)
                continue
            rows += made
            for row in made:
                print(_shown(row), flush=True)
            print(f"  (measured in {time.monotonic() - begun:.0f} s)", flush=True)
    if asked.json:
        data = {"about": about, "rows": [asdict(row) for row in rows], "not measured": broken}
        Path(asked.json).write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    print(f"\n{sum(row.met for row in rows)} of {len(rows)} aims met" + (", some not measured" if broken else ""))
    sys.exit(1 if broken else 0)


def _asked(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks batch", description=__doc__)
    parser.add_argument("--row", action="append", choices=MEASUREMENTS, help="only this measurement; repeatable")
    parser.add_argument("--quick", action="store_true", help="fewer servers: to see that it works, not to quote it")
    parser.add_argument("--json", default="", metavar="FILE", help="write all figures there too")
    return parser.parse_args(arguments)


def _facts(quick: bool) -> dict[str, object]:
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "quick": quick,
        "cores": os.cpu_count(),
        "load before": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "lab": "a process of its own on the same cores; its private keys pair a few primes, so that making them costs "
        "nothing; everything else (TLS, NTLM, WS-Man, Exchange's rules) is as always",
    }


def _about(facts: dict[str, object]) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in dict(facts["packages"]).items())  # type: ignore[call-overload]
    words = "\nFewer servers than the issue asks for: these figures show that it works, and are not to be quoted."
    return (
        f"{facts['cores']} cores, load {facts['load before']:.2f} before; {facts['system']}, Python {facts['python']}; "
        f"{packages}.\nThe lab: {facts['lab']}.{words if facts['quick'] else ''}"
    )


def _shown(row: Row) -> str:
    rival = f" against {row.rival}" if row.rival else ""
    lines = [f"\n{row.what}{rival}", f"  aim {row.aim}: {row.figure}: {'MET' if row.met else 'MISSED'}"]
    for name, value in row.details.items():
        shown = f"{value:.3f}" if isinstance(value, float) else str(value)
        lines.append(f"    {name}: {shown if len(shown) < 200 else shown[:200] + ' ...'}")
    return "\n".join(lines)
