"""A disk that is full: no command is sent that could not be written down before, and nothing pretends success."""

from __future__ import annotations

import errno
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from recorded import recorded

from tests.support.notebooks import a_notebook
from tlsrunbook.errors import EvidenceError
from tlsrunbook.evidence.record import Status
from tlsrunbook.exchange.command import Pipeline, Reply
from tlsrunbook.lab.lab import Lab
from tlsrunbook.run.batch import run_jobs
from tlsrunbook.run.course import Course
from tlsrunbook.run.planning import Asked
from tlsrunbook.site import load_site
from tlsrunbook.steps.registry import STEPS
from tlsrunbook.wiring import site_jobs

RUN = [sys.executable, "-m", "tlsrunbook", "run"]
#: More waits for the disk than a step of two commands has.
MANY = 16


class Disk:
    """Fails a wait for the disk.

    Args:
        full_at: The first one that fails, counted from 1.
        lasting: Whether every later one fails too.
    """

    def __init__(self, full_at: int, *, lasting: bool) -> None:
        self._full_at, self._lasting = full_at, lasting
        self.waits = 0

    @property
    def failed(self) -> bool:
        return self.waits >= self._full_at

    def fsync(self, _: int) -> None:
        self.waits += 1
        if self.waits == self._full_at or (self._lasting and self.failed):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_line_that_does_not_get_onto_the_disk_is_taken_away_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = recorded(tmp_path)
    attempt = world.store.attempt(world.change, "EDGE1", "confirm", 1)
    attempt.append({"seq": 1}, durable=True)
    monkeypatch.setattr(os, "fsync", Disk(1, lasting=False).fsync)
    with pytest.raises(EvidenceError, match="No space left"):
        attempt.append({"seq": 2}, durable=True)
    attempt.append({"seq": 3}, durable=True)
    assert [line["seq"] for line in world.transcript()] == [1, 3]


@pytest.mark.parametrize("lasting", [False, True], ids=["for a moment", "from then on"])
@pytest.mark.parametrize("full_at", range(1, MANY))
def test_whenever_the_disk_fills_up_nothing_is_sent_unwritten_and_nothing_is_called_a_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full_at: int, lasting: bool
) -> None:
    unwritten: list[str] = []

    def answer(_: object, pipeline: Pipeline) -> Reply:
        sent = [line for line in world.transcript() if line["event"] == "sent"]
        if not sent or not sent[-1]["text"].startswith(pipeline[0].name):
            unwritten.append(pipeline[0].name)
        return Reply()

    world = recorded(tmp_path, **{"Set-A": answer, "Set-B": answer})
    disk = Disk(full_at, lasting=lasting)
    monkeypatch.setattr(os, "fsync", disk.fsync)
    told = ""
    try:
        record = world.run()
        assert world.on_disk() == record
        told = record.summary
        assert (record.status is Status.CHANGED) is not disk.failed
    except EvidenceError as error:  # the cell fails, and the runner looks for the record itself
        told = str(error)
    assert ("No space left on device" in told) is disk.failed
    assert unwritten == []


def test_a_disk_that_is_full_when_the_command_is_due_keeps_it_from_being_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at: list[int] = []

    def answer(_: object, __: Pipeline) -> Reply:
        at.append(disk.waits)
        return Reply()

    disk = Disk(10**6, lasting=False)
    counted, full = recorded(tmp_path / "a", **{"Set-A": answer}), recorded(tmp_path / "b")
    monkeypatch.setattr(os, "fsync", disk.fsync)
    assert counted.run().status is Status.CHANGED
    monkeypatch.setattr(os, "fsync", Disk(at[0], lasting=False).fsync)
    record = full.run()
    assert full.shell.changing == []
    assert (record.status, record.commands[-1].changes) == (Status.FAILED, False)
    assert "transcript.jsonl: cannot be written: No space left on device" in record.summary


posix = pytest.mark.skipif(os.name == "nt", reason="there is no limit on the size of files to set on Windows")


def no_file_longer_than(limit: int) -> None:
    """Let this process and its children write no file that is longer, in bytes."""
    resource = importlib.import_module("resource")  # there is none on Windows
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


@posix
@pytest.mark.parametrize("limit", [900, 2500, 9000, 20000])
def test_a_run_on_a_disk_that_takes_no_more_says_so_and_ends_with_1(
    make_lab: Callable[..., Lab], tmp_path: Path, limit: int
) -> None:
    lab = make_lab(servers=1)
    (site,) = lab.write_site_files(tmp_path / "sites")
    done = subprocess.run(
        [*RUN, str(site), "request"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
        encoding="utf-8",
        preexec_fn=lambda: no_file_longer_than(limit),
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "File too large" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    sent = lab.station(lab.site_names[0], "EDGE1").winrm.counters.cmdlets["New-ExchangeCertificate"]
    lines = [line for path in (tmp_path / "runs").rglob("transcript.jsonl") for line in path.read_bytes().splitlines()]
    events = [json.loads(line) for line in lines]
    assert sent == sum(1 for event in events if event["event"] == "sent" and event["changes"])
    for path in (tmp_path / "runs").rglob("record.json"):
        record = json.loads(path.read_bytes())
        told = record["status"] == "failed" or "the executed notebook cannot be written" in done.stderr
        assert told or "report.html" in done.stderr, "what is missing is named"
    assert not list((tmp_path / "runs").rglob("*.part"))


def test_one_server_without_a_record_is_told_and_the_others_have_theirs(
    make_lab: Callable[..., Lab], tmp_path: Path
) -> None:
    (site_file,) = make_lab(servers=2).write_site_files(tmp_path / "sites")
    asked = Asked(STEPS[:1], (), "apply", "", tmp_path / "runs")
    jobs = site_jobs(load_site(site_file), asked, {})
    (jobs[0].store.folder / jobs[0].change / "EDGE1").write_bytes(b"in the way")
    course = Course()
    records = run_jobs(jobs, 2, lambda _: None, course)
    assert [record.server for record in records] == ["MBX1"]
    (wrong,) = course.wrong
    assert "EDGE1 / confirm" in wrong
    assert "cannot be made" in wrong


def test_a_cell_that_leaves_as_if_all_were_well_stops_its_server(
    make_lab: Callable[..., Lab], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (site_file,) = make_lab(servers=1).write_site_files(tmp_path / "sites")
    source = a_notebook(
        tmp_path / "1-confirm-fqdn.ipynb",
        parameters="site = server = runs = change = mode = ''",
        open="from tlsrunbook import open_run\nrun = open_run(site, server, runs, change, mode)",
        confirm="run.confirm()",
        leave="import sys; sys.exit(0)",
        close="run.close()",
    )
    monkeypatch.setattr("tlsrunbook.run.executor.notebook_path", lambda _: source)
    course = Course()
    asked = Asked(STEPS[:2], (), "apply", "", tmp_path / "runs")
    records = run_jobs(site_jobs(load_site(site_file), asked, {}), 1, lambda _: None, course)
    assert [(record.step, record.status) for record in records] == [("confirm", Status.UNCHANGED)]
    (wrong,) = course.wrong
    assert wrong.endswith("the notebook ended early: the cell leave ended by SystemExit: 0")
