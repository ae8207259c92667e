"""Whatever is killed at whatever moment, the next run finishes the change: nothing is done twice, nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.afterwards import problems, state_of
from tests.faults.trial import SERVERS, Clean, Scene, clean_run, new_lab, run_trial

#: By hand there are many more: ``python -m tests.faults kill --runs 200``.
SEEDS = range(1, 16)


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Clean:
    return clean_run(tmp_path_factory.mktemp("clean"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_change_that_was_broken_off_is_finished_by_the_same_command(clean: Clean, tmp_path: Path, seed: int) -> None:
    trial = run_trial(seed, tmp_path, clean)
    assert trial.blows
    assert trial.problems == [], f"{trial.blows}, exit codes {trial.codes}"


@pytest.mark.timeout(120)
def test_what_must_be_true_afterwards_is_not_true_of_servers_that_nobody_changed(clean: Clean, tmp_path: Path) -> None:
    """The checks of the trials see it when nothing was done, so they would see it when something is missing."""
    with new_lab() as lab:
        scene = Scene(tmp_path, lab)
        found = problems(scene, clean)
        for server in scene.servers:
            assert any(text.startswith(f"{server} is not as after a clean run") for text in found)
            assert any(text.startswith(f"{server} carried out {{}}") for text in found)
        assert any("there are 0 changes" in text for text in found)
        (one, *_), snapshots = scene.servers, lab.ask("snapshots")
        assert len(snapshots) == SERVERS
        assert state_of(snapshots["london", one]) != clean.states[one]
