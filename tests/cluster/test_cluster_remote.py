"""The controller's side: it files what fits, refuses what does not, and never does anything twice."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.portable_change import PortableChange
from tests.support.change import STEPS, Change
from tlsrunbook.adapters.worker_folder import ServerFolder
from tlsrunbook.errors import NoWorker, WorkerLost
from tlsrunbook.run.course import Course
from tlsrunbook.run.job import Event, ServerEvent, Told
from tlsrunbook.run.outcome import Ending
from tlsrunbook.wiring_worker import stop


@pytest.fixture
def change(change_on: Callable[..., Change], tmp_path: Path) -> PortableChange:
    return PortableChange(change_on(), tmp_path / "worker")


def ending(change: PortableChange, result: Any, server: str = "EDGE1") -> Ending:
    return result.endings[change.site, server]


def test_a_whole_change_is_filed_and_nothing_of_it_stays_on_the_worker(change: PortableChange) -> None:
    result, course = change.run()
    assert set(result.endings.values()) == {Ending.DONE}
    assert course.wrong == ()
    for server in change.servers:
        assert list(change.statuses(server)) == list(STEPS)
        folder = ServerFolder(change.courier.place.folder, change.site, server)
        assert folder.waiting() == {}
        assert not list(folder.store.folder.rglob("record.json"))
    assert change.store.lease_holder("EDGE1") == {}


def test_a_second_run_of_a_finished_change_sends_no_job(change: PortableChange) -> None:
    change.run("EDGE1")
    sent = len(change.courier.sent)
    result, _ = change.run("EDGE1")
    assert ending(change, result) is Ending.DONE
    assert len(change.courier.sent) == sent


def lose(_: str) -> str:
    raise WorkerLost("the worker at tls://192.0.2.7:40001 was lost while it worked on this server", where="site x")


def test_a_lost_answer_is_unknown_and_the_next_run_takes_over_what_was_done(change: PortableChange) -> None:
    change.courier.on_the_way_back = lose
    result, _ = change.run("EDGE1")
    assert ending(change, result) is Ending.FAILED
    (record,) = result.records
    assert (record.status.value, record.error["code"] if record.error else "") == ("unknown", "worker-lost")
    assert record.who["user"] == "anna"

    change.courier.on_the_way_back = lambda text: text
    result, course = change.run("EDGE1")
    assert (ending(change, result), course.wrong) == (Ending.DONE, ())
    assert change.statuses("EDGE1").keys() == set(STEPS)
    once = {name: count for name, count in change.succeeded("EDGE1").items() if name.startswith(("New-Ex", "Import"))}
    assert once == {"New-ExchangeCertificate": 1, "Import-ExchangeCertificate": 1}
    assert "EDGE1/1-confirm/attempt-1/1-confirm-fqdn.ipynb" in change.archive()


def test_a_worker_lost_before_it_began_is_unknown_too_and_the_next_run_does_it(change: PortableChange) -> None:
    change.courier.on_the_way_there = lose
    result, _ = change.run("EDGE1")
    assert [record.status.value for record in result.records] == ["unknown"]
    change.courier.on_the_way_there = lambda text: text
    result, _ = change.run("EDGE1")
    assert ending(change, result) is Ending.DONE


def test_a_plan_that_is_lost_failed_because_nothing_can_have_been_changed(change: PortableChange) -> None:
    change.courier.on_the_way_back = lose
    result, _ = change.run("EDGE1", mode="plan")
    assert [record.status.value for record in result.records] == ["failed"]


def test_a_plan_changes_nothing(change: PortableChange) -> None:
    result, _ = change.run("EDGE1", mode="plan")
    assert ending(change, result) is Ending.DONE
    assert change.succeeded("EDGE1") == {}
    assert change.statuses("EDGE1")["request"] == "planned"


def test_a_site_without_a_worker_is_told_and_its_servers_are_not_begun(change: PortableChange) -> None:
    def nobody(_: str) -> str:
        raise NoWorker("there is no worker for this site", where="site x", todo="start one")

    change.courier.on_the_way_there = nobody
    result, course = change.run()
    assert set(result.endings.values()) == {Ending.LEFT}
    assert {left.why for left in result.left} == {"site x: there is no worker for this site -> start one"}
    assert {left.steps for left in result.left} == {STEPS}
    assert (result.records, course.wrong) == ((), ())
    assert change.archive("EDGE1/**/*") == {}


def test_a_server_on_which_the_worker_is_still_at_work_is_held(change: PortableChange) -> None:
    folder = ServerFolder(change.courier.place.folder, change.site, "EDGE1")
    lease = folder.hold({"user": "svc", "host": "LON-JUMP", "process": "1"}, "an earlier job")
    try:
        result, _ = change.run("EDGE1")
    finally:
        lease.release()
    assert ending(change, result) is Ending.HELD
    assert result.records == ()


def test_a_run_that_shall_end_begins_no_further_step_on_the_worker(change: PortableChange) -> None:
    course = Course(change.said.append)

    def stop_soon(told: Told) -> None:
        if isinstance(told, Event) and told.step == "request":
            stop(change.courier.sent_jobs[-1], 1)
            course.stop()

    result, _ = change.run("EDGE1", course=course, tell=stop_soon)
    assert [record.step for record in result.records] == ["confirm", "request"]
    assert [undone.step for undone in course.undone] == list(STEPS[2:])
    assert change.statuses("EDGE1").keys() == {"confirm", "request"}


def altered(change: PortableChange, alter: Callable[[dict[str, Any]], None]) -> Callable[[str], str]:
    def on_the_way_back(text: str) -> str:
        data = json.loads(text)
        alter(data)
        return json.dumps(data)

    return on_the_way_back


def move(data: dict[str, Any], change: PortableChange, new: str) -> None:
    name = next(name for name in data["files"] if name.endswith("/before.json"))
    data["files"][new.format(change=change.id)] = data["files"].pop(name)


PLACES = [
    "../../{change}/EDGE1/1-confirm/attempt-1/x.json",
    "/{change}/EDGE1/1-confirm/attempt-1/x.json",
    "{change}/change.json",
    "{change}/plans/1/plan.json",
    "seals/0001/seal.dsse.json",
    "{change}/EDGE1/x.json",
    "{change}/EDGE1/1-request/attempt-1/x.json",
    "{change}/EDGE1/1-confirm/attempt-0/x.json",
    "{change}/EDGE1/1-confirm/attempt-1/deeper/x.json",
    "{change}/EDGE1/1-confirm/attempt-1/.hidden",
    "x",
]


@pytest.mark.parametrize("place", PLACES)
def test_a_file_for_another_place_has_all_of_the_answer_refused_and_kept_aside(
    change: PortableChange, place: str
) -> None:
    before = change.archive()
    change.courier.on_the_way_back = altered(change, lambda data: move(data, change, place))
    result, course = change.run("EDGE1", steps=("confirm",))
    assert [record.status.value for record in result.records] == ["unknown"]
    assert "refused what a worker gave back" in course.wrong[0]
    new = change.archive().keys() - before.keys()
    (kept,) = [name for name in new if name.startswith("refused/")]
    assert kept in course.wrong[0]
    assert json.loads(change.archive()[kept])["files"]
    assert [name for name in new if name != kept] == ["EDGE1/1-confirm/attempt-2/record.json"]
    assert change.courier.settled == [], "what was refused must stay on the worker"


def test_what_was_refused_comes_again_and_is_filed_when_it_fits(change: PortableChange) -> None:
    change.courier.on_the_way_back = altered(change, lambda data: move(data, change, "x"))
    change.run("EDGE1", steps=("confirm",))
    change.courier.on_the_way_back = lambda text: text
    result, course = change.run("EDGE1", steps=("confirm",))
    assert (ending(change, result), course.wrong) == (Ending.DONE, ())
    assert [attempt.number for attempt in change.store.attempts(change.id, "EDGE1")] == [1, 2, 3]


def test_a_record_about_something_else_is_refused(change: PortableChange) -> None:
    def swap(data: dict[str, Any]) -> None:
        confirm, request = (f"{change.id}/EDGE1/{step}/attempt-1/record.json" for step in ("1-confirm", "2-request"))
        data["files"][confirm] = data["files"][request]

    change.courier.on_the_way_back = altered(change, swap)
    result, course = change.run("EDGE1", steps=("confirm", "request"))
    assert [record.status.value for record in result.records] == ["unknown"]
    assert "is about something else" in course.wrong[0]


def test_an_attempt_that_is_on_record_with_other_content_is_never_written_over(change: PortableChange) -> None:
    mine = b"made here in the meantime"

    def meanwhile(text: str) -> str:
        change.store.attempt(change.id, "EDGE1", "request", 2).write("before.json", mine)
        return text

    change.courier.on_the_way_there = meanwhile
    _, course = change.run("EDGE1", steps=("confirm", "request"))
    archive = change.archive()
    assert archive["EDGE1/2-request/attempt-1/before.json"] == mine
    assert [name for name in archive if name.startswith("EDGE1/2-request")] == ["EDGE1/2-request/attempt-1/before.json"]
    assert any("is on record with other content" in line for line in course.wrong), course.wrong
    assert {name.split("/")[2] for name in archive if name.startswith("refused/")} >= {"record.json", "before.json"}
    assert "EDGE1/1-confirm/attempt-1/record.json" in archive


def test_a_worker_that_lost_its_folder_still_goes_on_from_the_archive(change: PortableChange) -> None:
    change.courier.on_the_way_back = lose
    change.run("EDGE1")
    shutil.rmtree(change.courier.place.folder)
    change.courier.on_the_way_back = lambda text: text
    result, course = change.run("EDGE1")
    assert (ending(change, result), course.wrong) == (Ending.DONE, ())
    assert change.succeeded("EDGE1")["Import-ExchangeCertificate"] == 1


def test_people_are_told_what_a_worker_found_broken_off_and_the_run_is_not_judged_by_it(
    change: PortableChange,
) -> None:
    lost = change.perform("EDGE1", "confirm")
    folder = ServerFolder(change.courier.place.folder, change.site, "EDGE1")
    (folder.store.folder / lost.records[0]).unlink()  # as where the worker was killed before it could write one
    told: list[Told] = []
    result, _ = change.run("EDGE1", steps=("confirm",), tell=told.append)
    texts = [one.text for one in told if isinstance(one, ServerEvent) and one.state == "reconciled"]
    assert len(texts) == 1
    assert "confirm had broken off" in texts[0]
    assert [(record.attempt, record.status.value) for record in result.records] == [(2, "unchanged")]
    assert "EDGE1/1-confirm/attempt-1/record.json" in change.archive()
