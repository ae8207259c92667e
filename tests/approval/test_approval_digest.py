"""Equal state and site file, equal digest: in another process, folder, time zone and lab."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import plan_printer

from tests.support.approval import planned
from tests.support.change import Change
from tlsrunbook.evidence.change_plan import ChangePlan
from tlsrunbook.evidence.data import digest
from tlsrunbook.lab.lab import Lab

ROOT = Path(__file__).parents[2]


def printed(folder: Path, minutes: int, seed: str, zone: str) -> str:
    paths = [ROOT, ROOT / "tests" / "support", ROOT / "tests" / "certificates"]
    environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    command = [sys.executable, str(Path(plan_printer.__file__)), str(folder), str(minutes)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert not done.returncode, done.stderr
    return done.stdout.strip()


def test_the_digest_is_the_same_in_another_process_folder_zone_and_minute(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    first = printed(tmp_path, 0, "1", "UTC")
    assert len(first) == 64
    assert printed(tmp_path / "other", 601, "2", "Pacific/Auckland") == first


def raw_plan(change: Change, plan: ChangePlan) -> dict[str, Any]:
    path = change.store.folder / plan.change / "plans" / str(plan.number) / "plan.json"
    data: dict[str, Any] = json.loads(path.read_bytes())["plan"]
    return data


def comparable(change: Change, plan: ChangePlan) -> str:
    """Give the digest with the one thing in it that differs between two labs: the certificates that setup made."""
    text = json.dumps(raw_plan(change, plan))
    for name, state in change.snapshots().items():
        text = text.replace(state["internal_transport_thumbprint"], f"default certificate of {name}")
    data = json.loads(text)
    for server in data["servers"]:
        for step in server["steps"]:
            step["digest"] = digest(step["plan"])
    return digest(data)


def test_two_labs_with_other_ports_keys_and_times_give_the_same_plan(
    make_lab: Callable[..., Lab], tmp_path: Path
) -> None:
    digests = set()
    files = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        change = Change(make_lab(servers=2), tmp_path / name)
        files.add(change.site_file.read_text("utf-8"))
        digests.add(comparable(change, planned(change, "EDGE1", "MBX1")))
    assert (len(files), len(digests)) == (2, 1)


def test_planning_twice_gives_the_same_digest_and_another_plan(change_on: Callable[..., Change]) -> None:
    change = change_on(servers=1)
    first = planned(change, "EDGE1")
    second = planned(change, "EDGE1", into=first.change)
    assert (first.number, second.number, first.change) == (1, 2, second.change)
    assert first.digest == second.digest
    third = planned(change, "EDGE1", steps=("request", "install"), into=first.change)
    assert third.digest != first.digest


def test_nothing_of_the_place_and_time_is_under_the_digest(change_on: Callable[..., Change], tmp_path: Path) -> None:
    change = change_on(servers=2)
    plan = planned(change, "EDGE1", "MBX1")
    text = json.dumps(raw_plan(change, plan))
    for station in (change.lab.station(change.site, name) for name in ("EDGE1", "MBX1")):
        # Digits alone may be part of a thumbprint.
        assert not re.search(rf"(?<![0-9A-Fa-f]){station.winrm.port}(?![0-9A-Fa-f])", text)
    for other in (str(tmp_path), plan.change, "attempt", change.lab.authority_url, "127.0.0.1"):
        assert other not in text
