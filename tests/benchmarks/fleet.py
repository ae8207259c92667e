"""How long the fleet's page takes for five hundred servers, reading included, and what each part costs."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.archives import hasty
from tests.support.fleets import FleetWorld
from tests.support.members import NOW
from tlsrunbook.adapters.evidence_of import store_of
from tlsrunbook.evidence.fleet import fleet
from tlsrunbook.evidence.fleet_page import fleet_html
from tlsrunbook.run.fleet_reading import site_on_record
from tlsrunbook.site import load_sites
from tlsrunbook.steps.registry import STEP_IDS
from tlsrunbook.wiring_fleet import fleet_of

ROUNDS = 5
SITES, SERVERS = 10, 50


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Give the median of a few rounds, wall clock and CPU, in seconds."""
    wall, cpu = [], []
    for _ in range(ROUNDS):
        begun, used = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - begun)
        cpu.append(time.process_time() - used)
    return statistics.median(wall), statistics.median(cpu)


def parts(folder: Path) -> str:
    """Say what reading, judging and rendering cost, as multiples of parsing the newest records once."""
    world = FleetWorld(folder, sites=SITES, servers=SERVERS)
    sites = load_sites(world.sites)
    on_record = [site_on_record(site, store_of(site, world.runs)) for site in sites]
    judged = fleet(on_record, STEP_IDS, NOW)
    newest = {
        world.runs / site.name / one.change / name / f"{number}-{step}" / "attempt-1" / "record.json"
        for site, found in zip(sites, on_record, strict=True)
        for name, one in found.found.items()
        for number, step in enumerate(one.latest, start=1)
    }
    files = [path for path in newest if path.is_file()]
    _, floor = timed(lambda: [json.loads(path.read_bytes()) for path in files])
    _, read = timed(lambda: [site_on_record(site, store_of(site, world.runs)) for site in sites])
    _, judge = timed(lambda: fleet(on_record, STEP_IDS, NOW))
    _, render = timed(lambda: fleet_html(judged))
    wall, cpu = timed(lambda: fleet_html(fleet_of(load_sites(world.sites), world.runs, NOW)))
    size = len(fleet_html(judged).encode()) / 1e6
    return (
        f"{len(judged.servers)} servers, page of {size:.1f} MB: "
        f"{wall:.2f} s ({cpu:.2f} s CPU) from site files to page\n"
        f"  reading {read:.2f} s, judging {judge:.2f} s, rendering {render:.2f} s CPU; "
        f"all of it {cpu / floor:.1f} times parsing {len(files)} records once ({floor:.2f} s)\n{command(world)}"
    )


def command(world: FleetWorld) -> str:
    """Say how long the whole command takes, its start included."""
    out = world.sites.parent / "fleet.html"
    call = [sys.executable, "-m", "tlsrunbook", "status", str(world.sites)]
    call += ["--html", str(out), "--runs", str(world.runs)]
    wall, _ = timed(lambda: subprocess.run(call, check=True, capture_output=True))
    return f"  tlsrunbook status --html with its start: {wall:.2f} s"


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as temporary, hasty():
        print(parts(Path(temporary)))
