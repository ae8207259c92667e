"""Notebooks over servers: in order on one server, side by side across servers, truthful when a kernel dies."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.support.kernels import kernels_of
from tlsrunbook.adapters.store import RunStore
from tlsrunbook.evidence.record import Record, Status
from tlsrunbook.lab.faults import FaultBoard
from tlsrunbook.lab.lab import Lab
from tlsrunbook.run.batch import Event, run_jobs
from tlsrunbook.run.planning import Asked
from tlsrunbook.site import load_site
from tlsrunbook.steps.registry import STEPS
from tlsrunbook.wiring import site_jobs


def start(
    site_file: Path, runs: Path, *steps: str, tell: Callable[[Event], None] = lambda _: None
) -> tuple[Record, ...]:
    wanted = tuple(step for step in STEPS if step.id in steps)
    asked = Asked(wanted, (), "apply", "", runs.absolute())
    return run_jobs(site_jobs(load_site(site_file), asked, {}), 2, tell)


def test_each_step_is_an_executed_notebook_beside_its_record(make_lab: Callable[..., Lab], tmp_path: Path) -> None:
    (site_file,) = make_lab().write_site_files(tmp_path / "sites")
    events: list[Event] = []
    records = start(site_file, tmp_path / "runs {x}", "confirm", "request", tell=events.append)
    assert [(r.server, r.step) for r in records] == [
        (server, step) for server in ("EDGE1", "MBX1") for step in ("confirm", "request")
    ]
    assert len(events) == 8
    for server in ("EDGE1", "MBX1"):
        own = [(event.step, event.record is not None) for event in events if event.server == server]
        assert own == [("confirm", False), ("confirm", True), ("request", False), ("request", True)]
    notebooks = list((tmp_path / "runs {x}").rglob("*.ipynb"))
    assert len(notebooks) == 4
    for path in notebooks:
        text = path.read_text(encoding="utf-8")
        notebook = json.loads(text)
        assert (path.parent / "record.json").is_file()
        assert "input_path" not in notebook["metadata"]["papermill"]
        bundles = [
            output["data"] for cell in notebook["cells"] for output in cell.get("outputs", ()) if "data" in output
        ]
        record = json.loads((path.parent / "record.json").read_bytes())
        shown = next(data for data in bundles if "application/vnd.tlsrunbook.record.v1+json" in data)
        assert shown["application/vnd.tlsrunbook.record.v1+json"] == record
        assert record["server"] in "".join(shown["text/html"])
        assert record["summary"] in "".join(shown["text/plain"])


def test_a_step_that_stops_ends_its_server_and_no_other(make_lab: Callable[..., Lab], tmp_path: Path) -> None:
    lab = make_lab(faults=("exchange-error:New-ExchangeCertificate@EDGE1",))
    (site_file,) = lab.write_site_files(tmp_path / "sites")
    records = start(site_file, tmp_path / "runs", "confirm", "request", "install")
    assert [(r.server, r.step, r.status.value) for r in records] == [
        ("EDGE1", "confirm", "unchanged"),
        ("EDGE1", "request", "failed"),
        ("MBX1", "confirm", "unchanged"),
        ("MBX1", "request", "changed"),
        ("MBX1", "install", "changed"),
    ]
    (failed,) = [path for path in (tmp_path / "runs").rglob("2-request-certificate.ipynb") if "EDGE1" in path.parts]
    notebook = json.loads(failed.read_bytes())
    assert "StepStopped" in notebook["metadata"]["papermill"]["ended_by"]
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", ())]
    errors = [output for output in outputs if output["output_type"] == "error"]
    assert len(errors) == 1
    assert len(errors[0]["traceback"]) <= 3, "one clear message, no wall of frames"


def kill_kernel_when(sent: str, runs: Path, gone: threading.Event) -> None:
    """Kill the kernel of this process's pool as soon as a command is in a transcript."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        lines = "".join(path.read_text(encoding="utf-8") for path in runs.rglob("transcript.jsonl"))
        if f'"event": "sent", "text": "{sent}' in lines:
            for kernel in kernels_of(psutil.Process()):
                kernel.kill()
                gone.set()
            return
        threading.Event().wait(0.01)


@pytest.mark.parametrize(
    ("sent", "status"),
    [("New-ExchangeCertificate", Status.UNKNOWN), ("Get-ExchangeCertificate", Status.FAILED)],
)
def test_a_dead_kernel_leaves_a_truthful_record_and_the_next_run_goes_on(
    tmp_path: Path, sent: str, status: Status
) -> None:
    with Lab(servers=1, faults=FaultBoard(), round_trip=0.6) as lab:
        (site_file,) = lab.write_site_files(tmp_path / "sites")
        gone = threading.Event()
        killer = threading.Thread(target=kill_kernel_when, args=(sent, tmp_path / "runs", gone))
        killer.start()
        (record,) = start(site_file, tmp_path / "runs", "request")
        killer.join()
        assert gone.is_set(), "no kernel was found to kill"
        assert record.status is status
        assert "ended without a record" in record.summary
        store = RunStore(tmp_path / "runs", lab.site_names[0])
        assert store.records(record.change) == (record,)

        (again,) = start(site_file, tmp_path / "runs", "request")
        assert again.status in (Status.CHANGED, Status.UNCHANGED)
        assert again.change == record.change
        assert again.attempt == 2
        made = lab.station(lab.site_names[0], "EDGE1").winrm.counters.cmdlets["New-ExchangeCertificate"]
        assert made == 1
