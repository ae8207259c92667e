"""What a worker does with a job: text in, text out, each job once, and nothing that it left is lost."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cluster.portable_change import PortableChange
from tests.support.change import STEPS, Change
from tlsrunbook.adapters.keys import load_signer, make_key
from tlsrunbook.adapters.worker_folder import ServerFolder
from tlsrunbook.run.portable import result_from_text, sha256, to_text
from tlsrunbook.wiring_worker import Place, perform_at


@pytest.fixture
def change(change_on: Callable[..., Change], tmp_path: Path) -> PortableChange:
    return PortableChange(change_on(), tmp_path / "worker")


def test_a_job_gives_back_the_whole_change_and_writes_nothing_into_the_archive(change: PortableChange) -> None:
    result = change.perform("EDGE1")
    records = [json.loads(result.files[name]) for name in result.records]
    assert [record["step"] for record in records] == list(STEPS)
    assert {record["status"] for record in records} <= {"unchanged", "changed"}
    assert all(name.startswith(f"{change.id}/EDGE1/") for name in result.files)
    assert sum(name.endswith(".ipynb") for name in result.files) == 6
    assert change.archive("EDGE1/**/*") == {}


def test_a_record_says_who_asked_and_which_computer_did_it(change: PortableChange) -> None:
    result = change.perform("EDGE1", "confirm")
    (who,) = [json.loads(result.files[name])["who"] for name in result.records]
    assert who["asked_by"] == "anna on ADMIN7"
    assert who["host"] == result.worker["host"]
    assert who["process"]


def test_a_job_that_comes_a_second_time_is_not_done_again_and_what_it_left_is_brought_back(
    change: PortableChange,
) -> None:
    job = change.packed("EDGE1", "confirm", "request")
    first, again = change.perform("EDGE1", job=job), change.perform("EDGE1", job=job)
    assert not first.refused
    assert again.refused["code"] == "begun-already"
    assert again.files == first.files
    assert change.succeeded("EDGE1")["New-ExchangeCertificate"] == 1


def test_what_a_job_left_on_another_server_is_brought_back_with_the_next_job_of_the_site(
    change: PortableChange,
) -> None:
    lost = change.perform("EDGE1", "confirm", "request")
    brought = change.perform("MBX1", "confirm")
    assert lost.files
    assert lost.files.items() <= brought.files.items()
    assert [name.split("/")[1] for name in brought.records] == ["MBX1"]


def test_a_step_that_broke_off_on_another_server_is_brought_back_with_a_record(change: PortableChange) -> None:
    lost = change.perform("EDGE1", "confirm")
    folder = ServerFolder(change.courier.place.folder, change.site, "EDGE1")
    (record,) = [folder.store.folder / name for name in lost.records]
    record.unlink()  # as where the worker was killed before it could write one
    brought = change.perform("MBX1", "confirm")
    again = json.loads(brought.files[lost.records[0]])
    assert (again["status"], again["error"]["code"]) == ("failed", "no-record")
    assert again["who"]["asked_by"] == "anna on ADMIN7"


def test_nothing_is_begun_while_another_job_is_at_work_on_the_server(change: PortableChange) -> None:
    folder = ServerFolder(change.courier.place.folder, change.site, "EDGE1")
    lease = folder.hold({"user": "svc", "host": "LON-JUMP", "process": "1"}, "job of somebody else")
    try:
        result = change.perform("EDGE1", "confirm")
    finally:
        lease.release()
    assert result.refused["code"] == "lease-held"
    assert (result.files, result.records) == ({}, ())


def test_a_worker_refuses_jobs_of_another_site_and_of_another_version(change: PortableChange) -> None:
    job = change.packed("EDGE1", "confirm")
    for other in (replace(job, site="paris"), replace(job, package="0.0.1")):
        result = change.perform("EDGE1", job=other)
        assert result.refused["code"] == "usage", result
        assert not result.files
    assert change.succeeded("EDGE1") == {}


def test_what_goes_wrong_inside_comes_back_as_data(change: PortableChange, tmp_path: Path) -> None:
    said = result_from_text(perform_at(change.courier.place, "no job", lambda _topic, _told: None))
    assert said.refused["code"] == "evidence"
    in_the_way = tmp_path / "a file"
    in_the_way.write_text("")
    blocked = perform_at(Place(change.site, in_the_way), to_text(change.packed("EDGE1")), lambda _topic, _told: None)
    assert result_from_text(blocked).refused == {"code": "failed", "what": "the worker failed: NotADirectoryError"}


def test_what_was_settled_is_taken_away_and_the_rest_stays(change: PortableChange) -> None:
    result = change.perform("EDGE1", "confirm", "request")
    folder = ServerFolder(change.courier.place.folder, change.site, "EDGE1")
    assert folder.waiting() == result.files
    taken = dict(sorted(result.files.items())[:3])
    folder.forget({name: sha256(content) for name, content in taken.items()})
    assert folder.waiting() == {name: content for name, content in result.files.items() if name not in taken}
    folder.forget({name: sha256(content) for name, content in result.files.items()})
    assert folder.waiting() == {}
    assert not list((folder.store.folder).glob("*/EDGE1"))


def test_a_job_and_its_answer_hold_no_credential_and_no_signing_key(
    change: PortableChange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key.pem"
    make_key(key)
    monkeypatch.setenv("TLSRUNBOOK_SIGNING_KEY", str(key))
    assert load_signer().keyid
    job = to_text(change.packed("EDGE1"))
    answer = perform_at(change.courier.place, job, lambda _topic, _told: None)
    files = {**result_from_text(answer).files, "job": job.encode(), "answer": answer.encode()}
    for name, content in files.items():
        for secret in (change.lab.credential.password.reveal(), key.read_text(), str(key)):
            assert secret.encode() not in content, name


def test_the_mark_of_a_job_is_taken_away_when_nobody_can_hand_it_out_any_more(tmp_path: Path) -> None:
    folder = ServerFolder(tmp_path, "london", "EDGE1")
    assert folder.begin("job-0001-EDGE1")
    assert not folder.begin("job-0001-EDGE1")
    old = folder.folder / "begun" / "job-0001-EDGE1"
    os.utime(old, (0, 0))
    assert folder.begin("job-0002-EDGE1")
    assert [path.name for path in old.parent.iterdir()] == ["job-0002-EDGE1"]
