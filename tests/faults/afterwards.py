"""What must be true after a change, however often it was broken off: servers, evidence, processes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from tests.faults import processes
from tlsrunbook.adapters.store import RunStore
from tlsrunbook.steps.registry import STEP_IDS

if TYPE_CHECKING:
    from tests.faults.trial import Clean, Scene

#: A server's state as text, without what is random in it.
State: TypeAlias = str

_THUMBPRINT = re.compile(r"\b[0-9A-F]{40}\b")
_UNIQUE = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?|\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d\d:\d\d( [AP]M)?")


def changing(cmdlets: Mapping[str, int]) -> dict[str, int]:
    """Give the cmdlets that change something, with how often each was called."""
    return {name: count for name, count in sorted(cmdlets.items()) if not name.startswith(("Get-", "Test-"))}


def state_of(snapshot: Mapping[str, Any]) -> State:
    """Give a snapshot as text; certificates are called by what they are in place of their thumbprints."""
    roles: dict[str, str] = {}
    for thumbprint, entry in snapshot["certificates"].items():
        role = "/".join(str(entry[key]) for key in ("subject", "issuer", "services", "pending"))
        roles[thumbprint] = role
    certificates = sorted(json.dumps(entry, sort_keys=True) for entry in snapshot["certificates"].values())
    plain = {**snapshot, "certificates": certificates, "intermediates": len(snapshot["intermediates"])}
    text = json.dumps(plain, indent=1, sort_keys=True, default=str)
    text = _THUMBPRINT.sub(lambda found: roles.get(found[0], "a thumbprint"), text)
    return _TIME.sub("a time", _UNIQUE.sub("a guid", text))


def problems(scene: Scene, clean: Clean) -> list[str]:
    """Say what is not as after a run that nothing befell."""
    return [
        *_server_problems(scene, clean),
        *_command_problems(scene, clean),
        *_evidence_problems(scene),
        *[f"still running: {one}" for one in processes.left_after(scene.mark, 30)],
    ]


def _server_problems(scene: Scene, clean: Clean) -> list[str]:
    found = []
    for (_, server), snapshot in scene.lab.ask("snapshots").items():
        have, want = state_of(snapshot).splitlines(), clean.states[server].splitlines()
        if have != want:
            more, less = [x for x in have if x not in want], [x for x in want if x not in have]
            found.append(f"{server} is not as after a clean run: {more} in place of {less}")
    return found


def _command_problems(scene: Scene, clean: Clean) -> list[str]:
    """Every command that changes something was received once per success, and succeeded as often as in a clean run."""
    found = []
    for (_, server), counters in scene.lab.counters().items():
        received, succeeded = changing(counters.cmdlets), changing(counters.succeeded)
        if received != succeeded:
            found.append(f"{server} received {received}, of which succeeded {succeeded}")
        if succeeded != clean.changed[server]:
            found.append(f"{server} carried out {succeeded}; in a clean run it is {clean.changed[server]}")
    return found


def _evidence_problems(scene: Scene) -> list[str]:
    store = RunStore(scene.runs, scene.site)
    changes = store.changes()
    found = [f"there are {len(changes)} changes: {changes}"] if len(changes) != 1 else []
    for change in changes:
        found += [
            f"{attempt.folder.relative_to(scene.runs)} has no record"
            for attempt in store.attempts(change)
            if store.record(attempt) is None
        ]
        for server in scene.servers:
            latest = store.latest(change, server)
            undone = [step for step in STEP_IDS if step not in latest or not latest[step].status.done]
            if undone:
                found.append(f"{server} has no good record of {undone} in {change}")
            found += _without_notebook(scene, store, change, server)
    return [*found, *_leftovers(scene.runs), *_seal_problems(scene)]


def _without_notebook(scene: Scene, store: RunStore, change: str, server: str) -> list[str]:
    return [
        f"{attempt.folder.relative_to(scene.runs)} has no executed notebook"
        for attempt in store.attempts(change, server)
        if not any(name.endswith(".ipynb") for name in attempt.files)
    ]


def _leftovers(runs: Path) -> list[str]:
    """Give temporary files; leases are kept on purpose."""
    found = []
    for path in runs.rglob("*"):
        inside = path.relative_to(runs).parts
        if path.is_file() and ".leases" not in inside and (path.name.startswith(".") or path.suffix == ".part"):
            found.append(f"left behind: {path.relative_to(runs)}")
    return found


def _seal_problems(scene: Scene) -> list[str]:
    command = [sys.executable, "-m", "tlsrunbook", "audit", "verify", str(scene.runs / scene.site)]
    done = subprocess.run(
        command, env=scene.environment, capture_output=True, text=True, check=False, timeout=120, encoding="utf-8"
    )
    said = f"audit verify ended with {done.returncode}: {done.stdout[-1500:]}{done.stderr[-500:]}"
    return [said] if done.returncode else []
