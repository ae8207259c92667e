"""One trial: a change on six servers, something killed at a random moment, and the command again until it is done."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.faults import processes
from tests.faults.afterwards import State, changing, problems, state_of
from tests.support.command import plain_environment
from tests.support.lab_process import LabProcess

SERVERS = 6
WORKERS = 3
KINDS = ("runner", "runner and all its processes", "kernel", "any process", "WinRM restarts", "network breaks")
_MOST_RUNS = 12
_PATIENCE = 240.0


@dataclass(frozen=True)
class Blow:
    """What is done to a run.

    Args:
        kind: One of ``KINDS``.
        requests: It falls when the lab has had so many WinRM requests in this run of the command; 0 for while it
            starts.
        pause: Seconds after that.
        server: Whose WinRM it is, when nobody is at work on any server.
        draw: Which of the servers at work, and which of their processes, it hits.
        down: Seconds until WinRM answers again.
    """

    kind: str
    requests: int
    pause: float
    server: str
    down: float
    draw: float

    def __str__(self) -> str:
        where = f" for {self.down:.1f} s" if self.kind in KINDS[4:] else ""
        return f"{self.kind}{where} after {self.requests} requests and {self.pause:.3f} s"


@dataclass(frozen=True)
class Clean:
    """What a run leaves that nothing befell.

    Args:
        states: By server, without what is random.
        changed: Cmdlets that change something, by server, with how often each was called.
        requests: WinRM requests in all.
        seconds: How long it took.
    """

    states: Mapping[str, State]
    changed: Mapping[str, Mapping[str, int]]
    requests: int
    seconds: float


@dataclass
class Trial:
    """What happened.

    Args:
        blows: What was done, and whether it hit a process or server.
        codes: Exit code of every run of the command; negative when it was killed by a signal.
        problems: What is not as it must be; empty when all is.
    """

    seed: int
    blows: list[str] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Scene:
    """A lab with its site file, a folder for evidence, and the command.

    Args:
        folder: A fresh one.
        lab: It runs, with one site.
        waves: As the command line takes them.
    """

    def __init__(self, folder: Path, lab: LabProcess, waves: str = "100%") -> None:
        self.lab = lab
        self.folder = folder
        self.runs = folder / "runs"
        (self.site_file,) = lab.write_site_files(folder / "sites")
        self.site = lab.site_names[0]
        self.servers = sorted(server for _, server in lab.counters())
        self.waves = waves
        self.mark = uuid.uuid4().hex
        self._output = folder / "output.txt"

    @property
    def environment(self) -> dict[str, str]:
        """Give the command's environment: none of the user's settings, and our mark."""
        return plain_environment(self.folder, **{processes.VARIABLE: self.mark})

    def start(self, *more: str) -> subprocess.Popen[bytes]:
        """Start the command."""
        command = [sys.executable, "-m", "tlsrunbook", "run", str(self.site_file), "--runs", str(self.runs)]
        with self._output.open("ab") as output:
            output.write(b"\n--- run\n")
            output.flush()
            return subprocess.Popen(
                [*command, "--workers", str(WORKERS), "--waves", self.waves, *more],
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=os.name == "posix",
            )

    def finish(self, running: subprocess.Popen[bytes]) -> int:
        """Wait for the command's end and give its exit code; one that does not end is ended, and fails."""
        try:
            return running.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            processes.kill(processes.marked(self.mark))
            running.wait()
            return 99

    def output(self) -> str:
        """Give what all runs of the command printed."""
        return self._output.read_text(encoding="utf-8", errors="replace") if self._output.is_file() else ""

    def at_work(self) -> list[tuple[str, int]]:
        """Give the servers that are worked on now, each with the process that does it, as the evidence says."""
        found = []
        for path in sorted(self.runs.glob("*/*/*/*/attempt-*/transcript.jsonl")):
            if not (path.parent / "record.json").exists():
                try:
                    process = int(json.loads(path.read_bytes().split(b"\n", 1)[0])["who"]["process"])
                    found.append((path.parts[-4], process))
                except (OSError, ValueError, KeyError):
                    continue
        return found


def new_lab() -> LabProcess:
    """Give a lab for one trial."""
    # With a way there and back that takes its time, more blows fall while a command is under way.
    return LabProcess(quick_keys=SERVERS * 4, sites=1, servers=SERVERS, round_trip=0.01)


def clean_run(folder: Path) -> Clean:
    """Do the change with nothing in its way.

    Raises:
        AssertionError: Even so it does not work.
    """
    with new_lab() as lab:
        scene = Scene(folder, lab)
        begun = time.monotonic()
        code = scene.finish(scene.start())
        assert code == 0, f"exit code {code}\n{scene.output()}"
        seconds = time.monotonic() - begun
        changed = {server: changing(counters.cmdlets) for (_, server), counters in lab.counters().items()}
        clean = Clean(states(lab), changed, int(lab.ask("requests")), seconds)
        wrong = problems(scene, clean)
        assert not wrong, "\n".join(wrong)
        return clean


def states(lab: LabProcess) -> dict[str, State]:
    """Give the servers' states without what is random in them."""
    return {server: state_of(snapshot) for (_, server), snapshot in lab.ask("snapshots").items()}


def run_trial(seed: int, folder: Path, clean: Clean) -> Trial:
    """Do one trial.

    Args:
        seed: The same seed gives the same blows; what they hit depends on the machine too.
        folder: A fresh one.
    """
    rng = random.Random(seed)
    trial = Trial(seed)
    begun = time.monotonic()
    with new_lab() as lab:
        scene = Scene(folder, lab, "1,50%,100%" if seed % 3 == 0 else "100%")
        try:
            for _ in range(rng.choice((1, 1, 2))):
                _one_run_with_blow(scene, _blow(rng, scene.servers, clean, trial), trial)
                if trial.codes[-1] == 0:
                    break
            _run_until_done(scene, trial)
            trial.problems += problems(scene, clean)
        finally:
            processes.kill(processes.marked(scene.mark))
            trial.seconds = time.monotonic() - begun
    if trial.problems:
        trial.problems.append(scene.output()[-6000:])
    return trial


def _blow(rng: random.Random, servers: list[str], clean: Clean, trial: Trial) -> Blow:
    """Draw a blow: sometimes while the command starts, else anywhere in the work that a run still has to do."""
    kind = rng.choice(KINDS)
    server, down, draw = rng.choice(servers), rng.uniform(0.1, 3.0), rng.random()
    if rng.random() < 0.15:
        return Blow(kind, 0, rng.uniform(0.0, 2.0), server, down, draw)
    left = clean.requests if not trial.codes else clean.requests // 3
    return Blow(kind, rng.randrange(1, left), rng.uniform(0.0, 0.03), server, down, draw)


def _one_run_with_blow(scene: Scene, blow: Blow, trial: Trial) -> None:
    before = int(scene.lab.ask("requests"))
    running = scene.start()
    if blow.requests:
        while running.poll() is None and not scene.lab.ask("await_requests", before + blow.requests, 0.5):
            pass
    time.sleep(blow.pause)
    hit = _strike(scene, blow, running)
    trial.blows.append(f"{blow}: {hit or 'hit nothing'}")
    trial.codes.append(scene.finish(running))


def _strike(scene: Scene, blow: Blow, running: subprocess.Popen[bytes]) -> str:
    """Do it, and say what was hit; empty when there was nothing to hit any more."""
    if blow.kind in KINDS[4:]:
        at_work = [server for server, _ in scene.at_work()] or [blow.server]
        server = at_work[int(blow.draw * len(at_work))]
        scene.lab.ask("break_winrm", server, restart=blow.kind == "WinRM restarts")
        time.sleep(blow.down)
        scene.lab.ask("clear_faults")
        return server
    victims = [process for process in _victims(scene, blow, running) if process.is_running()]
    processes.kill(victims)
    return ", ".join(str(process.pid) for process in victims)


def _victims(scene: Scene, blow: Blow, running: subprocess.Popen[bytes]) -> list[psutil.Process]:
    everybody = {process.pid: process for process in processes.marked(scene.mark)}
    runner = everybody.pop(running.pid, None)
    others = list(everybody.values())
    if blow.kind == "runner":
        return [runner] if runner else []
    if blow.kind == "runner and all its processes":
        return [*([runner] if runner else []), *others]
    kernels = [everybody[pid] for _, pid in scene.at_work() if pid in everybody]
    choice = (kernels or others) if blow.kind == "kernel" else others
    return [choice[int(blow.draw * len(choice))]] if choice else []


def _run_until_done(scene: Scene, trial: Trial) -> None:
    """Run the same command until all is as wanted; a change that is whole is named, so that no new one begins."""
    while trial.codes[-1] != 0 and len(trial.codes) < _MOST_RUNS:
        done = _finished_change(scene)
        trial.codes.append(scene.finish(scene.start(*(["--change", done] if done else []))))
        if trial.codes[-1] == 3:  # a process that outlived its runner has the server still
            time.sleep(1.0)


def _finished_change(scene: Scene) -> str:
    """Give the change when every server is done in it, and only report or seal may be missing."""
    changes: list[Any] = sorted(scene.runs.glob("*/*/change.json"))
    if not changes:
        return ""
    folder = changes[-1].parent
    for server in scene.servers:
        records = [json.loads(path.read_bytes()) for path in folder.glob(f"{server}/6-*/attempt-*/record.json")]
        if not any(record["status"] in ("changed", "unchanged") for record in records):
            return ""
    return folder.name
