"""A real scheduler and real workers, as a user starts them, each a process of its own on loopback."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import psutil

from tlsrunbook.adapters.cluster_config import CONFIG, make_cluster

COMMAND = [sys.executable, "-m", "tlsrunbook", "cluster"]


class Cluster:
    """A cluster that ends with the test. Use it as a context manager.

    Args:
        folder: For its files.
        sites: Names of the sites that shall have a worker.
        no_worker: After so long a job without a worker is given up.
    """

    def __init__(self, folder: Path, *sites: str, no_worker: str = "2s") -> None:
        self.folder = folder
        self._sites = sites
        self._ending = ExitStack()
        make_cluster(folder, "127.0.0.1", [*sites, "spare"])
        config = folder / "scheduler" / CONFIG
        text = config.read_text(encoding="utf-8")
        config.write_text(re.sub(r'no-workers-timeout: ".*"', f'no-workers-timeout: "{no_worker}"', text), "utf-8")
        self.address = ""
        self.controller = folder / "controller" / CONFIG
        self.workers: dict[str, subprocess.Popen[str]] = {}

    def __enter__(self) -> Cluster:
        with ExitStack() as ending:
            self._ending = ending
            self.scheduler = scheduler = self._start(
                "scheduler", str(self.folder / "scheduler"), "--host", "127.0.0.1", "--port", "0"
            )
            self.address = _said(scheduler, "scheduler at ")
            for site in self._sites:
                self.start_worker(site)
            for site in self._sites:
                _said(self.workers[site], f"worker of {site} at ")
            self._ending = ending.pop_all()
        return self

    def start_worker(self, site: str) -> None:
        """Start the worker of a site; it is there when it says so."""
        place = self.folder / "sites" / site
        arguments = ("--site", site, "--workers", "1", "--scheduler", self.address, "--host", "127.0.0.1")
        self.workers[site] = self._start("worker", str(place), *arguments, "--work", str(self.work(site)))

    def work(self, site: str) -> Path:
        """Give the worker's own folder."""
        return self.folder / "work" / site

    def kill_work(self, site: str) -> int:
        """Kill everything that a site's worker has started, as a crash does; gives how many processes that were."""
        victims = psutil.Process(self.workers[site].pid).children(recursive=True)
        for victim in victims:
            victim.kill()
        _await_end(victims)
        return len(victims)

    def _start(self, *arguments: str) -> subprocess.Popen[str]:
        log = (self.folder / f"{arguments[0]}-{len(self.workers)}.log").open("w", encoding="utf-8")
        self._ending.callback(log.close)
        process = subprocess.Popen(
            [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=log, text=True, env=dict(os.environ)
        )
        self._ending.callback(_end, process)
        return process

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.close()


def _said(process: subprocess.Popen[str], words: str) -> str:
    """Wait until a process says something; gives what follows the words."""
    assert process.stdout
    for line in process.stdout:
        if line.startswith(words):
            return line.removeprefix(words).strip()
    raise AssertionError(f"it ended without saying {words!r}: {process.wait()}")


def _await_end(processes: list[psutil.Process], seconds: float = 30.0) -> None:
    """Wait until processes have ended; one that nobody has asked about yet (a zombie) has."""
    end = time.monotonic() + seconds
    while [one for one in psutil.wait_procs(processes, timeout=0.02)[1] if not _zombie(one)]:
        assert time.monotonic() < end, "a process that was killed goes on"


def _zombie(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def _end(process: subprocess.Popen[str]) -> None:
    """End a process and all of its own."""
    family = []
    if process.poll() is None:
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM if os.name == "posix" else signal.CTRL_C_EVENT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for one in family:
        if one.is_running():
            one.kill()
    _await_end(family)
    if process.stdout:
        process.stdout.close()
