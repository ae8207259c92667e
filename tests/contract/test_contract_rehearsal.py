"""The plan made on a rehearsal from saved state is the plan made on the servers it was saved from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from history import lab_with_versions, live_through

from tests.support.change import Change, statuses
from tlsrunbook import open_run
from tlsrunbook.adapters.state_folder import read_state
from tlsrunbook.errors import StepStopped, UsageError
from tlsrunbook.evidence.record import Record
from tlsrunbook.lab.lab import Lab
from tlsrunbook.rehearsal import Rehearsal, keeper, rehearsal
from tlsrunbook.site import load_site
from tlsrunbook.steps.registry import STEPS
from tlsrunbook.wiring import check_site

SERVERS = ("EDGE1", "MBX1", "MBX2", "MBX3")
STEP_IDS = tuple(step.id for step in STEPS)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Change]:
    """Servers with a past: MBX1 is done already, MBX2 waits for the CA, MBX3 was never touched, EDGE1 is due."""
    with lab_with_versions("ca-slow@MBX2") as lab:
        live_through(lab)
        change = Change(lab, tmp_path_factory.mktemp("real"))
        assert statuses(change.apply("MBX1"))[-1] == "verify: unchanged"
        assert statuses(change.apply("MBX2"))[-1] == "request: waiting"
        yield change


@pytest.fixture(scope="module")
def saved(real: Change, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    site = load_site(real.site_file)
    rows = check_site(site, 2, keeper(site, folder, real.runs))
    assert all(row.ok for row in rows if row.what == "state"), rows
    return folder


@pytest.fixture
def rehearsed(real: Change, saved: Path, tmp_path: Path) -> Iterator[Rehearsal]:
    with rehearsal([load_site(real.site_file)], tmp_path, state=saved) as running:
        yield running


def steps_of(running: Rehearsal, server: str, mode: str) -> list[Record]:
    (site,) = running.sites
    run = open_run(site.path, server, running.runs, "", mode)
    try:
        for step in STEP_IDS:
            run.step(step)
    except StepStopped:
        pass
    finally:
        run.close()
    return run.records


def test_the_plan_is_the_same_on_both_for_every_server_and_step(real: Change, rehearsed: Rehearsal) -> None:
    for server in SERVERS:
        there = real.apply(server, *STEP_IDS, mode="plan")
        here = steps_of(rehearsed, server, "plan")
        assert [record.step for record in here] == list(STEP_IDS)
        for one, other in zip(there, here, strict=True):
            assert other.plan == one.plan, (server, one.step)
            assert other.plan_digest == one.plan_digest
            assert other.status == one.status
    items = {record.step for server in SERVERS for record in real.plan(server) if record.plan["items"]}
    assert items == {"request", "install", "activate", "connectors"}, "there is something to compare"


def test_the_rebuilt_servers_are_read_as_the_real_ones_were(
    real: Change, saved: Path, rehearsed: Rehearsal, tmp_path: Path
) -> None:
    (site,) = rehearsed.sites
    again = tmp_path / "again"
    check_site(site, 2, keeper(site, again, rehearsed.runs))
    for server in SERVERS:
        was, now = read_state(saved, "london", server), read_state(again, "london", server)
        assert now.state == was.state
        assert (now.greeting, now.store, now.orders, now.memory.default) == (
            was.greeting,
            was.store,
            was.orders,
            was.memory.default,
        )


def test_the_whole_change_is_applied_to_the_rebuilt_servers(rehearsed: Rehearsal) -> None:
    assert statuses(steps_of(rehearsed, "MBX2", "apply"))[-1] == "request: waiting", "the CA has not answered yet"
    rehearsed.answer_all()
    for server in SERVERS:
        records = steps_of(rehearsed, server, "apply")
        assert statuses(records)[-1] == "verify: unchanged", records[-1].summary
        again = steps_of(rehearsed, server, "apply")
        assert [record.status.value for record in again] == ["unchanged"] * 6


def test_every_record_says_that_it_is_a_rehearsal_and_of_what(real: Change, rehearsed: Rehearsal) -> None:
    (record,) = steps_of(rehearsed, "MBX3", "plan")[:1]
    assert record.rehearsal == str(real.site_file)
    asked = json.loads((rehearsed.runs / "london" / record.change / "change.json").read_bytes())
    assert asked["rehearsal"] == str(real.site_file)
    assert rehearsed.runs.name.startswith("rehearsal.")
    assert real.plan("MBX3", "confirm")[0].rehearsal == ""


def test_rehearsals_and_real_work_never_share_a_folder(real: Change, rehearsed: Rehearsal) -> None:
    (site,) = rehearsed.sites
    with pytest.raises(UsageError, match="holds the evidence of real changes"):
        open_run(site.path, "EDGE1", real.runs)
    steps_of(rehearsed, "EDGE1", "plan")
    with pytest.raises(UsageError, match="holds the evidence of a rehearsal"):
        open_run(real.site_file, "EDGE1", rehearsed.runs)


def test_the_saved_state_holds_no_secret_and_says_what_it_is(real: Change, saved: Path) -> None:
    password = real.lab.credential.password.reveal()
    files = sorted(saved.rglob("*.json"))
    assert [file.name for file in files] == [f"{server}.json" for server in SERVERS]
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert json.loads(text)["schema"] == "tlsrunbook.server-state/1"
        assert password not in text
        assert "PRIVATE KEY" not in text


def test_the_real_servers_are_not_touched(real: Change, rehearsed: Rehearsal, lab_of: Lab) -> None:
    before = real.snapshots()
    logons = {name: lab_of.station("london", name).winrm.counters.powershell_starts for name in SERVERS}
    rehearsed.answer_all()
    steps_of(rehearsed, "EDGE1", "apply")
    assert real.snapshots() == before
    assert logons == {name: lab_of.station("london", name).winrm.counters.powershell_starts for name in SERVERS}


@pytest.fixture
def lab_of(real: Change) -> Lab:
    return real.lab
