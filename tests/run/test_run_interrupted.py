"""Ctrl-C and SIGTERM: the step under way ends, nothing new begins, and all of it is told, reported and sealed."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.support.events import records_of
from tests.support.kernels import kernels_of
from tlsrunbook.adapters.archive import SiteArchive
from tlsrunbook.adapters.store import RunStore
from tlsrunbook.evidence.chain import verify
from tlsrunbook.evidence.record import Status
from tlsrunbook.lab.faults import FaultBoard
from tlsrunbook.lab.lab import Lab
from tlsrunbook.lab.winrm import Timing
from tlsrunbook.run.batch import Event, run_jobs
from tlsrunbook.run.course import Course, Undone
from tlsrunbook.run.planning import Asked
from tlsrunbook.site import load_site
from tlsrunbook.steps.registry import STEPS
from tlsrunbook.wiring import site_jobs

SENT = '"event": "sent", "text": "New-ExchangeCertificate'

posix = pytest.mark.skipif(os.name == "nt", reason="signals are sent another way on Windows")


def written(text: str, runs: Path, seconds: float = 60) -> None:
    """Wait until a text is in the transcript of the step request."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if any(text in path.read_text(encoding="utf-8") for path in runs.rglob("2-request/*/transcript.jsonl")):
            return
        threading.Event().wait(0.01)
    raise AssertionError(f"{text} was never written")


def answer_slowly(lab: Lab, seconds: float) -> None:
    """Let the server take its time from now on, for every round trip."""
    lab.station(lab.site_names[0], "EDGE1").winrm._timing = Timing(round_trip=seconds)


@contextmanager
def a_run(site: Path, folder: Path) -> Iterator[tuple[subprocess.Popen[str], queue.Queue[str]]]:
    """Start a run in a process group of its own, as a shell does, and give the lines it prints on stderr."""
    command = [sys.executable, "-m", "tlsrunbook", "run", str(site), "--workers", "2", "--json"]
    lines = queue.Queue[str]()
    with subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        start_new_session=True,
    ) as process:
        assert process.stderr
        stream = process.stderr
        reader = threading.Thread(target=lambda: [lines.put(line) for line in stream])
        reader.start()
        try:
            yield process, lines
        finally:
            process.kill()
            process.wait()
            reader.join()


def line_with(text: str, lines: queue.Queue[str]) -> str:
    """Wait for a line that has this text."""
    while True:
        line = lines.get(timeout=60)
        if text in line:
            return line


def sealed_as(folder: Path, site: str) -> str:
    """Verify the site's evidence, and give the outcome that its last seal names."""
    verdict = verify(SiteArchive(folder / "runs" / site).contents())
    assert verdict.flaws == ()
    return str(verdict.seals[-1].seal.claims.about["outcome"])


@posix
@pytest.mark.parametrize("ending", ["SIGINT", "SIGTERM"])
def test_a_run_that_is_told_to_stop_ends_its_step_and_tells_what_it_left(tmp_path: Path, ending: str) -> None:
    with Lab(servers=1, faults=FaultBoard()) as lab:
        (site,) = lab.write_site_files(tmp_path / "sites")
        with a_run(site, tmp_path) as (process, lines):
            written("started", tmp_path / "runs")
            answer_slowly(lab, 0.1)
            written(SENT, tmp_path / "runs")
            os.killpg(process.pid, getattr(signal, ending))
            assert process.stdout
            records = records_of(process.stdout.read())
            assert process.wait(60) == 130
        said = "".join(lines.queue)
        assert [(r["step"], r["status"]) for r in records] == [("confirm", "unchanged"), ("request", "changed")]
        assert "stopping: the steps under way end first" in said
        assert "interrupted; 4 step(s) were not begun" in said
        assert f"{lab.site_names[0]} / EDGE1 / verify" in said
        assert "Traceback" not in said
        assert sealed_as(tmp_path, lab.site_names[0]) == "interrupted"
        (report,) = (tmp_path / "runs").rglob("report.html")
        assert "The last run was interrupted" in report.read_text(encoding="utf-8")
        assert not list((tmp_path / "runs").rglob("3-install"))
        for path in (tmp_path / "runs").rglob("*.ipynb"):
            assert json.loads(path.read_bytes())["metadata"]["papermill"]["ended_by"] == ""


@posix
def test_told_twice_it_breaks_off_and_what_was_under_way_is_unknown(tmp_path: Path) -> None:
    with Lab(servers=1, faults=FaultBoard()) as lab:
        (site,) = lab.write_site_files(tmp_path / "sites")
        with a_run(site, tmp_path) as (process, lines):
            written("started", tmp_path / "runs")
            answer_slowly(lab, 0.2)
            written(SENT, tmp_path / "runs")
            answer_slowly(lab, 600)  # it hangs
            kernels = kernels_of(psutil.Process(process.pid))
            os.killpg(process.pid, signal.SIGINT)
            line_with("stopping", lines)
            os.killpg(process.pid, signal.SIGINT)
            line_with("breaking off", lines)
            assert process.stdout
            records = records_of(process.stdout.read())
            assert process.wait(60) == 130
        assert kernels
        assert not any(kernel.is_running() for kernel in kernels), "nothing goes on in the background"
        assert [(r["step"], r["status"]) for r in records][-1] == ("request", "unknown")
        assert "a change had been sent and was not answered" in records[-1]["summary"]
        assert sealed_as(tmp_path, lab.site_names[0]) == "interrupted"
        store = RunStore(tmp_path / "runs", lab.site_names[0])
        (attempt,) = [one for one in store.attempts(records[-1]["change"]) if one.step == "request"]
        notebook = json.loads((attempt.folder / "2-request-certificate.ipynb").read_bytes())
        found = {cell["id"]: cell["metadata"]["papermill"]["status"] for cell in notebook["cells"]}
        assert (found["open"], found["request"], found["close"]) == ("completed", "failed", "not_run")


def test_a_stop_between_two_steps_leaves_every_other_step_undone(tmp_path: Path) -> None:
    with Lab(servers=2, faults=FaultBoard()) as lab:
        (site_file,) = lab.write_site_files(tmp_path / "sites")
        course = Course()

        def tell(event: Event) -> None:
            if event.record is not None:
                course.stop()

        asked = Asked(STEPS[:3], (), "apply", "", tmp_path / "runs")
        records = run_jobs(site_jobs(load_site(site_file), asked, {}), 1, tell, course)
    assert [(r.server, r.step, r.status) for r in records] == [("EDGE1", "confirm", Status.UNCHANGED)]
    site = lab.site_names[0]
    assert course.undone == tuple(
        Undone(site, *one)
        for one in [
            ("EDGE1", "request"),
            ("EDGE1", "install"),
            ("MBX1", "confirm"),
            ("MBX1", "request"),
            ("MBX1", "install"),
        ]
    )
    assert course.interrupted


def test_a_stop_that_came_too_late_to_keep_anything_from_being_done_is_no_interruption() -> None:
    course = Course()
    course.stop()
    assert course.stopping
    assert not course.interrupted
