"""Every run ends with a seal, however it ends; and no kernel comes near the key."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tlsrunbook.adapters.archive import SiteArchive
from tlsrunbook.adapters.keys import make_key
from tlsrunbook.evidence.chain import Verdict, verify
from tlsrunbook.lab.lab import Lab
from tlsrunbook.run.notebooks import notebook_path

RUN = [sys.executable, "-m", "tlsrunbook", "run"]


def run(site: Path, *arguments: str, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*RUN, str(site), *arguments],
        cwd=folder,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
        encoding="utf-8",
    )


def whole(folder: Path, site: str = "london") -> Verdict:
    verdict = verify(SiteArchive(folder / "runs" / site).contents())
    assert verdict.flaws == ()
    return verdict


def claims(verdict: Verdict, number: int) -> dict[str, Any]:
    one = verdict.seals[number - 1].seal.claims
    return {"what": one.what, "previous": one.previous, **one.about}


@pytest.fixture
def lab(make_lab: Callable[..., Lab]) -> Lab:
    return make_lab(servers=1)


def test_runs_that_succeed_block_or_fail_are_all_sealed_in_one_chain(lab: Lab, tmp_path: Path) -> None:
    (site,) = lab.write_site_files(tmp_path / "sites")
    first = run(site, "confirm", "--ticket", "CHG-1", "--reason", "renewal", folder=tmp_path)
    assert first.returncode == 0, first.stdout + first.stderr
    assert run(site, "install", folder=tmp_path).returncode == 3
    assert run(site, "verify", folder=tmp_path).returncode == 1
    verdict = whole(tmp_path)
    assert [claims(verdict, n)["outcome"] for n in (1, 2, 3)] == ["unchanged", "blocked", "failed"]
    assert verdict.seals[1].seal.claims.previous == type(verdict.head)(1, verdict.seals[0].digest)  # type: ignore[misc]
    seal = claims(verdict, 1)
    (change,) = seal["changes"]
    assert seal["what"] == "run"
    assert seal["changes"][change]["ticket"] == "CHG-1"
    assert seal["changes"][change]["who"]["user"]
    assert seal["found"] == []
    assert [(step["server"], step["step"], step["status"]) for step in seal["steps"]] == [
        ("EDGE1", "confirm", "unchanged")
    ]
    source = notebook_path("1-confirm-fqdn.ipynb").read_bytes()
    assert seal["notebooks"] == {"1-confirm-fqdn.ipynb": hashlib.sha256(source).hexdigest()}
    assert seal["tool"]["package"]
    names = {name.rpartition("/")[2] for name in verdict.seals[0].seal.files}
    assert {"change.json", "record.json", "transcript.jsonl", "1-confirm-fqdn.ipynb", "key.pem"} <= names
    assert f"head {verdict.seals[0].digest}" in first.stdout


@pytest.mark.skipif(os.name == "nt", reason="signals are sent another way on Windows")
def test_a_run_that_is_interrupted_is_sealed_and_says_so(lab: Lab, tmp_path: Path) -> None:
    (site,) = lab.write_site_files(tmp_path / "sites")
    with subprocess.Popen([*RUN, str(site)], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            if "request: started" in line:
                process.send_signal(signal.SIGTERM)
                break
        rest = process.stdout.read()
        assert process.wait(timeout=120) == 130
    assert "sealed: london" in rest
    verdict = whole(tmp_path)
    seal = claims(verdict, 1)
    assert seal["outcome"] == "interrupted"
    assert seal["steps"][0]["step"] == "confirm"
    assert seal["found"] == []


def test_a_run_whose_runner_was_killed_is_sealed_by_the_next(lab: Lab, tmp_path: Path) -> None:
    (site,) = lab.write_site_files(tmp_path / "sites")
    assert run(site, "confirm", folder=tmp_path).returncode == 0
    killed = next((tmp_path / "runs" / "london" / "seals").iterdir())
    for path in killed.iterdir():
        path.unlink()
    killed.rmdir()  # as if it had died before it sealed
    assert run(site, "confirm", folder=tmp_path).returncode == 0
    verdict = whole(tmp_path)
    assert any("attempt-1/record.json" in name for name in verdict.seals[0].seal.files)
    assert any("attempt-2/record.json" in name for name in verdict.seals[0].seal.files)


def test_a_key_that_cannot_be_used_stops_a_run_before_it_begins(lab: Lab, tmp_path: Path) -> None:
    (site,) = lab.write_site_files(tmp_path / "sites")
    done = run(site, "confirm", "--key", "nowhere.pem", folder=tmp_path)
    assert done.returncode == 2
    assert "nowhere.pem" in done.stderr
    assert not (tmp_path / "runs").exists()


WATCH = """
import json, os, sys
def watch(event, arguments, log=os.environ["WATCH_LOG"]):
    if event == "open" and isinstance(arguments[0], (str, bytes)) and "the-key" in os.fsdecode(arguments[0]):
        note("opened", log)
def note(what, log):
    kernel = any("tlsrunbook.run.kernels." in part for part in sys.orig_argv)
    pool = any("notebook_executor" in part for part in sys.orig_argv)
    line = {"what": what, "kernel": kernel, "pool": pool, "knows": "TLSRUNBOOK_SIGNING_KEY" in os.environ}
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, json.dumps(line).encode() + b"\\n")
    os.close(descriptor)
note("started", os.environ["WATCH_LOG"])
sys.addaudithook(watch)
"""


def test_only_the_controller_opens_the_key_and_no_kernel_knows_where_it_is(lab: Lab, tmp_path: Path) -> None:
    (site,) = lab.write_site_files(tmp_path / "sites")
    (tmp_path / "watch").mkdir()
    (tmp_path / "watch" / "sitecustomize.py").write_text(WATCH, encoding="utf-8")
    made = make_key(tmp_path / "the-key.pem")
    log = tmp_path / "watch.jsonl"
    path = os.pathsep.join(filter(None, [str(tmp_path / "watch"), os.environ.get("PYTHONPATH", "")]))
    named = {"TLSRUNBOOK_SIGNING_KEY": str(tmp_path / "the-key.pem"), "WATCH_LOG": str(log), "PYTHONPATH": path}
    done = run(site, "confirm", folder=tmp_path, **named)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    kernels = [line for line in lines if line["kernel"]]
    assert kernels, "the watch saw no kernel"
    assert not any(line["knows"] for line in kernels)
    opened = [line for line in lines if line["what"] == "opened"]
    assert opened
    assert not any(line["kernel"] or line["pool"] for line in opened)
    assert whole(tmp_path).seals[0].seal.claims.keyid == made.keyid
    secret = (tmp_path / "the-key.pem").read_bytes().splitlines()[1]
    assert not any(secret in path.read_bytes() for path in (tmp_path / "runs").rglob("*") if path.is_file())
