"""What a worker does with a job: text in, text out, each job once, and nothing that it left is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cluster.portable_change import PortableChange
from tests.support.change import Change
from tlsrunbook.adapters.worker_folder import ServerFolder
from tlsrunbook.evidence.record import Status
from tlsrunbook.run.portable import result_from_text


@pytest.fixture
def change(change_on: Callable[..., Change], tmp_path: Path) -> PortableChange:
    return PortableChange(change_on(), tmp_path / "worker")


def test_a_job_gives_back_the_whole_change_and_leaves_the_controller_to_file_it(change: PortableChange) -> None:
    result = change.perform("EDGE1")
    records = [json.loads(result.files[name]) for name in result.records]
    assert [record["step"] for record in records] == [
        "confirm",
        "request",
        "install",
        "activate",
        "connectors",
        "verify",
    ]
    assert {record["status"] for record in records} <= {"unchanged", "changed"}
    assert all(name.startswith(f"{change.id}/EDGE1/") for name in result.files)
    assert sum(name.endswith(".ipynb") for name in result.files) == 6
    assert not list((change.runs / change.site / change.id).glob("EDGE1/*")), "the worker wrote into the archive"


def test_a_record_says_who_asked_and_which_computer_did_it(change: PortableChange) -> None:
    result = change.perform("EDGE1", "confirm")
    (who,) = [json.loads(result.files[name])["who"] for name in result.records]
    assert who["asked_by"] == "anna on ADMIN7"
    assert who["host"] == result.worker["host"]
    assert who["process"]
