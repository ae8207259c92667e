"""The courier over a real scheduler and worker: what comes back, what is passed on, and what is lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import played_job
from tests.cluster.cluster_processes import Cluster
from tests.cluster.installed import needs_distributed
from tlsrunbook.adapters.cluster import Back, DaskCourier, Functions
from tlsrunbook.adapters.cluster_node import read_config
from tlsrunbook.errors import NoWorker, WorkerLost

pytestmark = [needs_distributed, pytest.mark.xdist_group("cluster"), pytest.mark.timeout(600)]


class Sender:
    """A courier, and what it hears."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        functions = Functions(played_job.perform, played_job.stop, played_job.settle)
        self.courier = DaskCourier(cluster.address, read_config(cluster.controller, "controller"), functions, "test")
        self.heard: list[Mapping[str, Any]] = []

    def send(self, job: str, site: str = "london", asked: Callable[[], int] = lambda: 0, **order: Any) -> Back:
        text = json.dumps({"job": job, "topic": self.courier.topic, **order})
        return self.courier.deliver(site, job, text, self.heard.append, asked)


@pytest.fixture(scope="module")
def sender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sender]:
    with Cluster(tmp_path_factory.mktemp("cluster"), "london", no_worker="1s") as cluster:
        sender = Sender(cluster)
        yield sender
        sender.courier.close()


def test_what_a_worker_gives_comes_back_with_where_it_is_reached(sender: Sender) -> None:
    back = sender.send("job-text", give="the answer")
    assert back.text == "the answer"
    assert back.address.startswith("tls://127.0.0.1:")
    assert {"job": "job-text", "at": back.address}.items() <= sender.heard[-1].items()


@pytest.mark.parametrize("times", [1, 2])
def test_a_request_to_stop_is_passed_on_to_the_worker_at_work(sender: Sender, times: int) -> None:
    begun: list[object] = []
    job = f"job-stop-{times}"
    hear = sender.heard

    def asked() -> int:
        begun.extend(told for told in hear if told.get("job") == job)
        return times if begun else 0

    assert sender.send(job, asked=asked, until=times).text == f"told {times} times"


def test_a_job_that_waits_for_its_turn_is_not_begun_when_the_run_shall_stop(sender: Sender) -> None:
    assert sender.send("job-late", asked=lambda: 1, give="never") == Back("", "")


def test_a_site_without_a_worker_is_told(sender: Sender) -> None:
    with pytest.raises(NoWorker, match="there is no worker for this site") as caught:
        sender.send("job-nowhere", site="paris", give="never")
    assert caught.value.where == "site paris"
    assert "tlsrunbook cluster worker CONFIG --site paris" in caught.value.todo


def test_no_object_and_no_exception_of_a_worker_is_taken_for_an_answer(sender: Sender) -> None:
    with pytest.raises(WorkerLost, match="is no text"):
        sender.send("job-object", give=["a", "list"])
    with pytest.raises(WorkerLost, match="did not come: ValueError") as caught:
        sender.send("job-error", **{"raise": "a secret"})
    assert "a secret" not in str(caught.value)


def test_there_are_as_many_places_at_a_site_as_workers_and_one_to_find_out_that_there_is_none(sender: Sender) -> None:
    assert (sender.courier.places("london"), sender.courier.places("paris")) == (1, 1)


def test_what_is_settled_reaches_the_worker_and_one_that_is_gone_does_no_harm(sender: Sender) -> None:
    address = sender.send("job-settle", give="").address
    sender.courier.settle(address, json.dumps({"job": "job-after"}))
    assert sender.send("job-after", until=99).text == "told 99 times"
    sender.courier.settle("tls://127.0.0.1:1", "{}")
    sender.courier.settle("", "{}")


def test_a_killed_worker_is_lost_and_the_next_one_takes_the_next_job(sender: Sender, tmp_path: Path) -> None:
    killed: list[int] = []

    def hear(told: Mapping[str, Any]) -> None:
        if not killed:
            killed.append(sender.cluster.kill_work("london"))

    text = json.dumps({"job": "job-killed", "topic": sender.courier.topic, "until": 1})
    with pytest.raises(WorkerLost, match="was lost while it worked on this server"):
        sender.courier.deliver("london", "job-killed", text, hear, lambda: 0)
    assert killed
    assert _patient(sender, "job-next") == "again"


def test_with_the_scheduler_every_job_under_way_is_lost_and_no_further_one_is_begun(tmp_path: Path) -> None:
    with Cluster(tmp_path / "cluster", "london") as cluster:
        sender = Sender(cluster)
        text = json.dumps({"job": "job-under-way", "topic": sender.courier.topic, "until": 1})
        with pytest.raises(WorkerLost):
            sender.courier.deliver("london", "job-under-way", text, lambda _told: cluster.scheduler.kill(), lambda: 0)
        with pytest.raises(NoWorker, match="the connection with the scheduler is lost; nothing was begun"):
            sender.send("job-next", give="never")
        sender.courier.close()


def _patient(sender: Sender, job: str) -> str:
    """Send a job until the worker that is started anew takes it."""
    for number in range(30):
        try:
            return sender.send(f"{job}-{number}", give="again").text
        except NoWorker:
            continue
    raise AssertionError("no worker was started anew")
