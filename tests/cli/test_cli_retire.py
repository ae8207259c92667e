"""The step that runs only when it is named, as a user types it; and the list of faults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from test_cli import call

from tests.support.events import records_of
from tlsrunbook.lab.faults import FAULTS
from tlsrunbook.lab.lab import Lab
from tlsrunbook.run.planning import chosen_steps
from tlsrunbook.steps.registry import OPTIONAL_IDS, STEP_IDS, STEPS, step_of


def test_retire_runs_only_when_it_is_named_and_last() -> None:
    assert OPTIONAL_IDS[0] == "retire"
    assert not set(OPTIONAL_IDS) & set(STEP_IDS)
    assert [step.id for step in chosen_steps(STEPS, (), step_of)] == list(STEP_IDS)
    assert [step.id for step in chosen_steps(STEPS, ("retire", "verify"), step_of)] == ["verify", "retire"]


def test_retire_is_an_executed_notebook_with_its_record(make_lab: Callable[..., Lab], tmp_path: Path) -> None:
    lab = make_lab(servers=1)
    (site,) = lab.write_site_files(tmp_path / "sites")
    early = call("run", str(site), "retire", "--json", cwd=tmp_path)
    assert early.returncode == 3
    assert records_of(early.stdout)[0]["findings"][0]["rule"] == "no-certificate"
    (folder,) = (tmp_path / "runs").rglob("7-retire/attempt-1")
    assert {"record.json", "transcript.jsonl", "before.json", "7-retire-certificate.ipynb"} <= {
        path.name for path in folder.iterdir()
    }


def test_every_fault_is_listed_with_what_it_does(tmp_path: Path) -> None:
    done = call("lab", "--list-faults", cwd=tmp_path)
    assert done.returncode == 0
    for fault in FAULTS.values():
        line = next(line for line in done.stdout.splitlines() if line.split()[0].partition(":")[0] == fault.name)
        assert fault.text in line
