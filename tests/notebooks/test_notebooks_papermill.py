"""The notebooks under the plain papermill command line, stock engine, as an operator types it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tlsrunbook.adapters.store import RunStore
from tlsrunbook.evidence.display import Shown
from tlsrunbook.lab.lab import Lab
from tlsrunbook.steps.registry import STEPS

FOLDER = Path(__file__).parents[2] / "notebooks"


def papermill(notebook: str, folder: Path, **parameters: str) -> subprocess.CompletedProcess[str]:
    arguments = [part for name, value in parameters.items() for part in ("-p", name, value)]
    command = [sys.executable, "-m", "papermill", str(FOLDER / notebook), f"out-{notebook}", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", timeout=120, check=False)


@pytest.fixture
def lab(make_lab: Callable[..., Lab], tmp_path: Path) -> Lab:
    lab = make_lab(servers=1)
    (tmp_path / "lab.toml").write_text(lab.site_file_text(lab.site_names[0]), encoding="utf-8")
    return lab


def test_all_six_by_hand(lab: Lab, tmp_path: Path) -> None:
    for step in STEPS:
        done = papermill(step.notebook, tmp_path, site="lab.toml", server="edge1", mode="apply")
        assert done.returncode == 0, done.stderr[-2000:]
        notebook = json.loads((tmp_path / f"out-{step.notebook}").read_bytes())
        (cell,) = [cell for cell in notebook["cells"] if cell.get("id") == step.id]
        assert "text/html" in cell["outputs"][0]["data"]
    store = RunStore(tmp_path / "runs", lab.site_names[0])
    (change,) = store.changes()
    last = store.latest(change, "EDGE1")
    assert [last[step.id].status.value for step in STEPS] == [
        "unchanged",
        "changed",
        "changed",
        "changed",
        "changed",
        "unchanged",
    ]
    assert store.open_change("EDGE1") == "", "the change is finished"


def test_the_mode_is_plan_unless_it_is_said_and_then_nothing_is_changed(lab: Lab, tmp_path: Path) -> None:
    before = lab.server(lab.site_names[0], "EDGE1").snapshot()
    done = papermill("2-request-certificate.ipynb", tmp_path, site="lab.toml", server="EDGE1")
    assert done.returncode == 0, done.stderr[-2000:]
    assert lab.server(lab.site_names[0], "EDGE1").snapshot() == before
    text = (tmp_path / "out-2-request-certificate.ipynb").read_text(encoding="utf-8")
    assert "planned" in text
    assert "New-ExchangeCertificate" in text


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"site": "lab.toml", "server": "edge7"}, "did you mean EDGE1?"),
        ({"site": "lab.toml", "serverr": "edge1"}, "there is no parameter 'serverr'"),
        ({"site": "lab.tom", "server": "edge1"}, "lab.tom"),
        ({"site": "lab.toml", "server": "edge1", "mode": "aply"}, "write plan or apply"),
        ({"site": "lab.toml", "server": "edge1", "change": "42"}, "there is no change '42'"),
    ],
)
def test_a_wrong_parameter_is_one_clear_message(
    lab: Lab, tmp_path: Path, parameters: dict[str, str], says: str
) -> None:
    done = papermill("1-confirm-fqdn.ipynb", tmp_path, **parameters)
    assert done.returncode == 1
    message = done.stderr.split('Exception encountered at "In [')[1]
    assert says in message
    assert len(message.strip().splitlines()) <= 4, "no wall of frames"
    assert not (tmp_path / "runs").exists()


def test_a_stopped_step_shows_its_record_and_one_message(lab: Lab, tmp_path: Path) -> None:
    done = papermill("3-install-certificate.ipynb", tmp_path, site="lab.toml", server="edge1", mode="apply")
    assert done.returncode == 1
    notebook = json.loads((tmp_path / "out-3-install-certificate.ipynb").read_bytes())
    (cell,) = [cell for cell in notebook["cells"] if cell.get("id") == "install"]
    shown, error = cell["outputs"]
    assert "no-request" in "".join(shown["data"]["text/html"])
    assert error["ename"] == "StepStopped"
    assert "run the step request first" in "".join(error["traceback"])


def test_a_record_reads_as_text_too(lab: Lab, tmp_path: Path) -> None:
    papermill("1-confirm-fqdn.ipynb", tmp_path, site="lab.toml", server="edge1")
    store = RunStore(tmp_path / "runs", lab.site_names[0])
    (record,) = store.records(store.changes()[0])
    text = repr(Shown(record, "Confirm the FQDN", ""))
    assert text.startswith("Confirm the FQDN on EDGE1 (london): ✓ unchanged")
    assert "mx1.london.example.net" in text
