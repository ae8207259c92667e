"""In which order servers that work for each other are worked on: by rule, and in a run's threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from worlds import SITE

from tlsrunbook.evidence.record import Status
from tlsrunbook.run import batch, executor
from tlsrunbook.run.begin import Begun
from tlsrunbook.run.turns import Turns
from tlsrunbook.site import Site, parse_site
from tlsrunbook.steps.order import prerequisites

SIX = ("confirm", "request", "install", "activate", "connectors", "verify")


def site_of(*servers: Mapping[str, Any]) -> Site:
    base = SITE["servers"][0]
    rows = []
    for at, one in enumerate(servers):
        name = one["name"]
        own = {"address": f"{name.lower()}.example.com", "endpoints": [f"192.0.2.{at + 1}:25"]}
        rows.append({**base, **own, **one})
    return parse_site({**SITE, "certificate": {"exportable": True}, "servers": rows})


THROUGH = site_of({"name": "EDGE1", "send_through": "MBX1"}, {"name": "MBX1"}, {"name": "MBX2", "share_from": "MBX1"})


@pytest.mark.parametrize(
    ("server", "step", "before"),
    [
        ("EDGE1", "activate", ()),
        ("EDGE1", "connectors", (("MBX1", "connectors"),)),
        ("MBX1", "connectors", (("EDGE1", "activate"),)),
        ("MBX1", "install", ()),
        ("MBX2", "install", (("MBX1", "install"),)),
        ("MBX2", "connectors", ()),
        ("MBX2", "verify", ()),
    ],
)
def test_what_a_step_waits_for(server: str, step: str, before: tuple[tuple[str, str], ...]) -> None:
    assert prerequisites(THROUGH, server, step) == before


@dataclass(frozen=True)
class FakeStep:
    id: str


@dataclass(frozen=True)
class FakeJob:
    server: str
    steps: tuple[FakeStep, ...]
    after: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    site: str = "london"

    change: str = "20261124-120000-beef"
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> tuple[str, str]:
        return self.site, self.server

    @property
    def step_ids(self) -> tuple[str, ...]:
        return tuple(step.id for step in self.steps)


@dataclass(frozen=True)
class FakeRecord:
    server: str
    step: str
    status: Status = Status.CHANGED
    summary: str = ""
    site: str = "london"


def at_once(job: FakeJob, tell: object) -> Begun:
    del tell
    return Begun(job)  # type: ignore[arg-type]


class Played:
    """Plays steps in the run's threads and notes when each begins and ends."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, ending: Mapping[tuple[str, str], Status] | None = None) -> None:
        self.noted: list[tuple[str, str, str]] = []
        self.busy = self.most = 0
        self._ending = ending or {}
        self._lock = threading.Lock()
        monkeypatch.setattr(executor, "run_step", self._step)

    def _step(self, job: FakeJob, step: FakeStep, pool: object) -> tuple[FakeRecord, str]:
        del pool
        with self._lock:
            self.noted.append(("begins", job.server, step.id))
            self.busy += 1
            self.most = max(self.most, self.busy)
        time.sleep(0.002)  # so that threads overlap; nothing is awaited by it
        with self._lock:
            self.noted.append(("ends", job.server, step.id))
            self.busy -= 1
        return FakeRecord(job.server, step.id, self._ending.get((job.server, step.id), Status.CHANGED)), ""

    def run(self, *jobs: FakeJob, workers: int = 4) -> list[tuple[str, str]]:
        records = batch.run_jobs(jobs, workers, lambda _event: None, begin=at_once)  # type: ignore[arg-type]
        return [(record.server, record.step) for record in records]

    def before(self, first: tuple[str, str], second: tuple[str, str]) -> bool:
        return self.noted.index(("ends", *first)) < self.noted.index(("begins", *second))


def job(site: Site, server: str, *steps: str) -> FakeJob:
    named = steps or SIX
    return FakeJob(
        server, tuple(FakeStep(one) for one in named), {one: prerequisites(site, server, one) for one in named}
    )


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("order", [("EDGE1", "MBX1", "MBX2"), ("MBX2", "MBX1", "EDGE1")])
def test_a_run_keeps_the_order_with_any_number_of_workers(
    monkeypatch: pytest.MonkeyPatch, workers: int, order: tuple[str, ...]
) -> None:
    played = Played(monkeypatch)
    done = played.run(*(job(THROUGH, name) for name in order), workers=workers)
    assert done == [(name, step) for name in order for step in SIX], "records come in the order of the jobs"
    assert played.before(("EDGE1", "activate"), ("MBX1", "connectors"))
    assert played.before(("MBX1", "connectors"), ("EDGE1", "connectors"))
    assert played.before(("MBX1", "install"), ("MBX2", "install"))
    assert played.most <= workers


def test_a_server_that_stops_does_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    played = Played(monkeypatch, {("EDGE1", "request"): Status.WAITING, ("MBX1", "confirm"): Status.FAILED})
    done = played.run(*(job(THROUGH, name) for name in ("EDGE1", "MBX1", "MBX2")))
    assert done == [("EDGE1", "confirm"), ("EDGE1", "request"), ("MBX1", "confirm"), *(("MBX2", step) for step in SIX)]


def test_what_waits_for_a_step_that_is_not_run_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    played = Played(monkeypatch)
    assert played.run(job(THROUGH, "EDGE1")) == [("EDGE1", step) for step in SIX]
    alone = played.run(job(THROUGH, "EDGE1", "connectors"), job(THROUGH, "MBX1", "verify"))
    assert alone == [("EDGE1", "connectors"), ("MBX1", "verify")]


def test_two_that_wait_for_each_other_are_run_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    first = job(THROUGH, "EDGE1", "connectors")
    second = replace(job(THROUGH, "MBX1", "connectors"), after={"connectors": (("EDGE1", "connectors"),)})
    assert len(Played(monkeypatch).run(first, second)) == 2


def test_servers_of_another_site_with_the_same_name_are_others() -> None:
    here, there = job(THROUGH, "MBX1"), replace(job(THROUGH, "EDGE1"), site="paris")
    assert Turns([here, there]).ready(here, "connectors")
    both = Turns([here, job(THROUGH, "EDGE1")])
    assert not both.ready(here, "connectors")
    both.ended(job(THROUGH, "EDGE1"), "activate")
    assert both.ready(here, "connectors")
