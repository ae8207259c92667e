"""``python -m tests.faults kill``: trials one after another, and a table of what was killed and how it ended."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.faults.trial import Trial, clean_run, run_trial


def main(arguments: Sequence[str]) -> int:
    """Run so many trials and print them.

    Returns:
        1 when any of them ended with something not as it must be.
    """
    asked = _asked(arguments)
    trials: list[Trial] = []
    with tempfile.TemporaryDirectory(prefix="tlsrunbook-kill-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        clean = clean_run(_fresh(folder, "clean"))
        print(f"a clean run: {clean.seconds:.1f} s, {clean.requests} WinRM requests", flush=True)
        for seed in range(asked.seed, asked.seed + asked.runs):
            place = _fresh(folder, f"seed-{seed}")
            trial = run_trial(seed, place, clean)
            trials.append(trial)
            _tell(trial)
            if trial.problems and asked.keep:
                shutil.copytree(place, Path(asked.keep) / place.name, dirs_exist_ok=True)
            shutil.rmtree(place, ignore_errors=True)
    _sum_up(trials)
    return 1 if any(trial.problems for trial in trials) else 0


def _asked(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults kill", description=__doc__)
    parser.add_argument("--runs", type=int, default=15, metavar="N", help="how many trials")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the first trial; the others count on")
    parser.add_argument("--keep", default="", metavar="DIR", help="where to leave the folder of a trial that failed")
    return parser.parse_args(arguments)


def _fresh(folder: Path, name: str) -> Path:
    place = folder / name
    place.mkdir()
    return place


def _tell(trial: Trial) -> None:
    verdict = "NOT AS IT MUST BE" if trial.problems else "right"
    codes = ", ".join(map(str, trial.codes))
    blows = "; ".join(trial.blows)
    print(f"seed {trial.seed}: {blows}; exit codes {codes}; {trial.seconds:.0f} s: {verdict}", flush=True)
    for problem in trial.problems:
        print(f"  {problem}", file=sys.stderr, flush=True)


def _sum_up(trials: Sequence[Trial]) -> None:
    blows = Counter(blow.split(" for ")[0].split(" after ")[0] for trial in trials for blow in trial.blows)
    again = sum(len(trial.codes) - 1 for trial in trials)
    right = sum(not trial.problems for trial in trials)
    print(f"\n{right} of {len(trials)} trials right; {sum(blows.values())} blows; {again} times run again")
    for kind, count in sorted(blows.items()):
        print(f"  {count:4} {kind}")
