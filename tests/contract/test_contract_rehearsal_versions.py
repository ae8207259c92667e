"""Saved state and rebuilt lab in the dialect of every version, and with an Edge Subscription."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.change import Change
from tlsrunbook import open_run
from tlsrunbook.adapters.state_folder import read_state
from tlsrunbook.errors import StepStopped
from tlsrunbook.evidence.record import Record
from tlsrunbook.lab.exchange.edge_sync import subscribe
from tlsrunbook.lab.exchange.keys import KeyRing
from tlsrunbook.lab.faults import FaultBoard
from tlsrunbook.lab.lab import Lab
from tlsrunbook.rehearsal import keeper, rehearsal
from tlsrunbook.site import load_site
from tlsrunbook.steps.registry import STEPS
from tlsrunbook.wiring import check_site

SERVERS = ("EDGE1", "MBX1")


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Callable[[str], Change]]:
    """Give a site of a version in which EDGE1 is done and MBX1 waits for the CA."""
    labs: list[Lab] = []

    def make(version: str) -> Change:
        lab = Lab(version=version, keys=KeyRing(), faults=FaultBoard("ca-slow@MBX1")).start()
        labs.append(lab)
        change = Change(lab, tmp_path / "real")
        change.apply("EDGE1")
        change.apply("MBX1")
        return change

    (tmp_path / "real").mkdir()
    yield make
    for lab in labs:
        lab.stop()


def planned(site_file: Path, server: str, runs: Path) -> list[Record]:
    run = open_run(site_file, server, runs, "", "plan")
    try:
        for step in STEPS:
            run.step(step.id)
    except StepStopped:
        pass
    finally:
        run.close()
    return run.records


def compare(change: Change, folder: Path) -> None:
    """Save, rebuild, and compare what is read and what is planned on both."""
    site = load_site(change.site_file)
    rows = check_site(site, 2, keeper(site, folder / "saved", change.runs))
    assert all(row.ok for row in rows if row.what == "state"), rows
    with rehearsal([site], folder, state=folder / "saved") as running:
        (turned,) = running.sites
        check_site(turned, 2, keeper(turned, folder / "again", running.runs))
        for server in SERVERS:
            was, now = (read_state(folder / name, site.name, server) for name in ("saved", "again"))
            assert now.state == was.state
            assert (now.greeting, now.store, now.files, now.orders) == (was.greeting, was.store, was.files, was.orders)
        for server in SERVERS:
            there = planned(change.site_file, server, change.runs)
            assert server == "EDGE1" or any(record.plan["items"] for record in there), "there is something to compare"
            here = planned(turned.path, server, running.runs)
            assert [(r.step, r.status, r.plan_digest) for r in here] == [
                (r.step, r.status, r.plan_digest) for r in there
            ]


@pytest.mark.parametrize("version", ["2007", "2010", "2013", "2016", "2019", "SE"])
def test_every_version_is_rebuilt_as_it_was_and_planned_alike(
    waiting: Callable[[str], Change], tmp_path: Path, version: str
) -> None:
    compare(waiting(version), tmp_path)


def test_an_edge_subscription_comes_back(waiting: Callable[[str], Change], tmp_path: Path) -> None:
    change = waiting("SE")
    organization = change.lab.organization(change.site)
    edge = change.lab.server(change.site, "EDGE1")
    subscribe(organization, edge, edge.now())
    compare(change, tmp_path)
