"""A run while it goes on, seen from elsewhere: status and report; and what is left when it is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.command import plain_environment
from tests.support.events import records_of, result_of
from tlsrunbook.adapters.archive import SiteArchive
from tlsrunbook.adapters.store import RunStore
from tlsrunbook.cli.following import Following
from tlsrunbook.evidence.chain import verify
from tlsrunbook.evidence.layout import LIVE_REPORT
from tlsrunbook.lab.faults import FaultBoard
from tlsrunbook.lab.lab import Lab
from tlsrunbook.lab.winrm import Timing
from tlsrunbook.run.job import ServerJob, WaveEvent
from tlsrunbook.run.planning import Asked, site_work
from tlsrunbook.site import load_site
from tlsrunbook.steps.registry import STEPS
from tlsrunbook.wiring import site_jobs

SENT = '"event": "sent", "text": "New-ExchangeCertificate'


@contextmanager
def a_lab(folder: Path) -> Iterator[tuple[Lab, Path]]:
    with Lab(servers=1, faults=FaultBoard()) as lab:
        (site,) = lab.write_site_files(folder / "sites")
        yield lab, site


def command(site: Path, name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "tlsrunbook", name, str(site), *arguments]


def call(folder: Path, *command_line: str) -> subprocess.CompletedProcess[str]:
    environment = plain_environment(folder)
    return subprocess.run(
        command_line, cwd=folder, env=environment, capture_output=True, check=False, timeout=150, encoding="utf-8"
    )


@contextmanager
def a_run(site: Path, folder: Path) -> Iterator[psutil.Popen]:
    """Start a run in a process group of its own; whatever of it is left at the end is killed."""
    process = psutil.Popen(
        command(site, "run"),
        cwd=folder,
        env=plain_environment(folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        left = [process, *process.children(recursive=True)] if process.is_running() else []
        for one in left:
            one.kill()
        process.wait(30)


def until(true: Callable[[], object], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came so far"
        threading.Event().wait(0.02)


def is_sent(folder: Path) -> bool:
    found = (folder / "runs").rglob("2-request/*/transcript.jsonl")
    return any(SENT in path.read_text(encoding="utf-8") for path in found)


def hang(lab: Lab) -> None:
    lab.station(lab.site_names[0], "EDGE1").winrm._timing = Timing(round_trip=600)


def status_of(site: Path, folder: Path) -> dict[str, Any]:
    (row,) = json.loads(call(folder, *command(site, "status", "--json")).stdout)
    return dict(row)


@pytest.mark.skipif(os.name == "nt", reason="signals are sent another way on Windows")
def test_a_run_is_seen_while_it_goes_on_and_finished_after_it_was_killed(tmp_path: Path) -> None:
    with a_lab(tmp_path) as (lab, site):
        with a_run(site, tmp_path) as process:
            until(lambda: any((tmp_path / "runs").rglob("1-confirm/*/record.json")))
            lab.station(lab.site_names[0], "EDGE1").winrm._timing = Timing(round_trip=0.2)
            until(lambda: is_sent(tmp_path))
            hang(lab)
            row = status_of(site, tmp_path)
            assert row["steps"]["confirm"]["status"] == "unchanged"
            assert row["held_by"]["what"] == f"tlsrunbook, change {row['change']}"
            ((at_work,), broken_off) = row["at_work"], row["broken_off"]
            assert (at_work["step"], at_work["sent_and_not_answered"], broken_off) == ("request", True, [])
            seen = call(tmp_path, *command(site, "status")).stdout
            assert "▸ at work" in seen
            assert "works on it (tlsrunbook, change" in seen
            live = tmp_path / "runs" / lab.site_names[0] / row["change"] / LIVE_REPORT
            until(lambda: live.is_file() and "▸ at work" in live.read_text(encoding="utf-8"))
            assert '<meta http-equiv="refresh"' in live.read_text(encoding="utf-8")
            os.killpg(process.pid, signal.SIGKILL)
            for child in psutil.process_iter():
                if str(tmp_path) in " ".join(_words(child)):
                    child.kill()

        row = status_of(site, tmp_path)
        assert (row["held_by"], row["at_work"]) == ({}, [])
        assert row["broken_off"][0]["step"] == "request"
        seen = call(tmp_path, *command(site, "status")).stdout
        assert "request: broke off without a record" in seen
        assert "with a change sent and not answered" in seen

        lab.station(lab.site_names[0], "EDGE1").winrm._timing = Timing()
        done = call(tmp_path, *command(site, "run", "--json"))
        assert done.returncode == 0, done.stdout + done.stderr
        (told,) = result_of(done.stdout)["reconciled"]
        assert (told["step"], told["attempt"], told["status"]) == ("request", 1, "unknown")
        assert [(r["step"], r["attempt"]) for r in records_of(done.stdout)][:2] == [("request", 2), ("install", 1)]
        counted = lab.station(lab.site_names[0], "EDGE1").winrm.counters.cmdlets
        assert counted["New-ExchangeCertificate"] == counted["Import-ExchangeCertificate"] == 1
        store = RunStore(tmp_path / "runs", lab.site_names[0])
        (change,) = store.changes()
        assert not live.exists()
        for attempt in store.attempts(change):
            assert list(attempt.folder.glob("*.ipynb")), f"{attempt.folder} has no notebook"
        verdict = verify(SiteArchive(store.folder).contents())
        assert verdict.flaws == ()
        assert not [note for note in verdict.notes if "left by a writer" in note]


def _words(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def jobs_on(site: Path, runs: Path) -> list[ServerJob]:
    return site_jobs(load_site(site), Asked(STEPS, (), "apply", "", runs), {})


def test_the_page_of_a_change_follows_it_and_goes_away(tmp_path: Path) -> None:
    with a_lab(tmp_path) as (_, site):
        jobs = jobs_on(site, tmp_path / "runs")
        page = jobs[0].store.folder / jobs[0].change / LIVE_REPORT
        with Following([site_work(load_site(site), jobs)], every=0.05) as following:
            following.tell(WaveEvent("london", 1, 1, ("EDGE1",), "begun"))
            until(page.is_file)
            text = page.read_text(encoding="utf-8")
            assert "Under way, as of" in text
            assert "Nothing was recorded" in text
            attempt = jobs[0].store.attempt(jobs[0].change, "EDGE1", "confirm", 1)
            attempt.append({"seq": 1, "at": "2026-11-24T12:00:00.000Z", "event": "started"}, durable=False)
            following.tell(WaveEvent("london", 1, 1, ("EDGE1",), "begun"))
            until(lambda: "1 step(s) at work" in page.read_text(encoding="utf-8"))
            archive = SiteArchive(jobs[0].store.folder)
            assert not [name for name in archive.unsealed(()) if "report" in name], "it is no evidence"
        assert not page.parent.exists()
