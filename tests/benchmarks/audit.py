"""How much tampering a verification finds, how often it cries wolf, and how long it takes."""

from __future__ import annotations

import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.archives import STEPS, SealedSite, hasty, random_site
from tests.support.tampering import WAYS, apply
from tlsrunbook.adapters.archive import SiteArchive
from tlsrunbook.evidence.chain import verify

ROUNDS = 7


def tampering(folder: Path, cases: int, seed: int = 4) -> list[str]:
    """Tamper with a sealed archive at random.

    Args:
        folder: An empty one to work in.
        cases: How many times.

    Returns:
        What was not found; empty when all was.
    """
    rng = random.Random(seed)
    missed = []
    for number in range(0, cases, 25):  # a fresh archive every 25 cases
        site = random_site(folder / str(number), rng)
        files = site.files()
        for at in range(number, min(number + 25, cases)):
            case = WAYS[at % len(WAYS)](rng, files)
            apply(site.folder, files, case.files)
            verdict = verify(SiteArchive(site.folder).contents(), head=site.head if case.needs_head else "")
            if verdict.whole:
                missed.append(case.what)
            apply(site.folder, case.files, files)
        assert verify(SiteArchive(site.folder).contents(), head=site.head).whole
    return missed


def false_alarms(folder: Path, archives: int, seed: int = 5) -> list[str]:
    """Verify archives that nobody touched.

    Returns:
        The flaws that were seen nevertheless.
    """
    rng = random.Random(seed)
    seen = []
    for number in range(archives):
        site = random_site(folder / f"untouched-{number}", rng)
        keys = {info.keyid for info in site.seals}
        verdict = verify(SiteArchive(site.folder).contents(), head=rng.choice(site.seals).digest)
        assert len(verdict.notes) == len(keys)
        seen += [f"{number}: {flaw}" for flaw in verdict.flaws]
    return seen


def many_records(folder: Path, records: int) -> SealedSite:
    """Give a site with so many records, 36 to a run, of the size that real ones have."""
    site = SealedSite(folder, random.Random(6))
    servers = [f"MBX{number}" for number in range(6)]
    for _ in range(0, records, len(servers) * len(STEPS)):
        site.run(*servers, size=6000)
    return site


def median(work: Callable[[], object]) -> float:
    """Give the median time of a few rounds, in seconds."""
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def timing(folder: Path, records: int) -> str:
    """Compare a verification with ``sha256sum`` over the same files."""
    site = many_records(folder, records)
    names = sorted(site.files())
    size = sum((site.folder / name).stat().st_size for name in names)
    listed = folder / "names"
    listed.write_bytes(b"".join(name.encode() + b"\0" for name in names))

    def ours() -> None:
        assert verify(SiteArchive(site.folder).contents(), head=site.head).whole

    command = [sys.executable, "-m", "tlsrunbook", "audit", "verify", str(site.folder)]
    environment = os.environ | {"TERM": "dumb"}

    def whole_command() -> None:
        subprocess.run(command, check=True, capture_output=True, env=environment)

    text = f"verify {records} records ({len(names)} files, {size / 1e6:.0f} MB, {len(site.seals)} seals): "
    here = median(ours)
    if not shutil.which("sha256sum"):
        return f"{text}{here:.3f} s; there is no sha256sum here to compare with"

    def theirs() -> None:
        with listed.open("rb") as stream:
            subprocess.run(
                ["xargs", "-0", "sha256sum"], stdin=stream, cwd=site.folder, check=True, stdout=subprocess.DEVNULL
            )

    there = median(theirs)
    command_time = median(whole_command)
    return (
        f"{text}{here:.3f} s, sha256sum {there:.3f} s: {here / there:.2f} times; "
        f"the whole command with its start {command_time:.3f} s: {command_time / there:.2f} times"
    )


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as temporary, hasty():
        folder = Path(temporary)
        cases, archives = 500, 100
        missed = tampering(folder, cases)
        print(f"tampering: {cases - len(missed)} of {cases} found", *missed, sep="\n  ")
        alarms = false_alarms(folder, archives)
        print(f"false alarms: {len(alarms)} on {archives} untouched archives", *alarms, sep="\n  ")
        print(timing(folder / "many", 1000))
