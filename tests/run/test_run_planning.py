"""From what the user asked for to one job per server."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from recorded import ABOUT
from worlds import AT, SITE, Given

from tlsrunbook.adapters.store import RunStore
from tlsrunbook.errors import UsageError
from tlsrunbook.evidence.data import readable_json, utc_text
from tlsrunbook.evidence.layout import RECORD
from tlsrunbook.evidence.record import Record, Status
from tlsrunbook.run.job import ServerJob
from tlsrunbook.run.planning import LATELY, Asked, chosen_steps, jobs_for, site_work
from tlsrunbook.run.waves import Sizes
from tlsrunbook.site import Site, parse_site
from tlsrunbook.steps.base import Step
from tlsrunbook.steps.registry import OPTIONAL_IDS, STEP_IDS, STEPS, step_of


def two_servers() -> Site:
    first = SITE["servers"][0]
    second = {
        **first,
        "name": "EDGE2",
        "address": "edge2.example.com",
        "fqdn": "mx2.example.com",
        "endpoints": ["mx2.example.com:25"],
    }
    return parse_site({**SITE, "servers": [first, second]}, path="/sites/london.toml")


class Fixture:
    """A store with two servers, and what it takes to ask for jobs."""

    def __init__(self, folder: Path) -> None:
        self.store = RunStore(folder, "london")
        self.facts_for: list[tuple[str, ...]] = []

    def facts(self, servers: tuple[str, ...]) -> dict[str, Any]:
        self.facts_for.append(servers)
        return {"servers": list(servers), "ticket": "T-9", "reason": "renewal"}

    def jobs(self, *servers: str, **asked: Any) -> list[ServerJob]:
        given = {"mode": "apply", "change": "", "runs": Path("/runs"), **asked}
        wanted = Asked(STEPS, servers, **given)
        return jobs_for(two_servers(), wanted, self.store, Given(), self.facts, ABOUT)

    def change(self, *servers: str, hours: int = 0) -> str:
        return self.store.new_change(AT + timedelta(hours=hours), {"servers": list(servers), "ticket": "T-1"})

    def verified(self, change: str, server: str, finished: str) -> None:
        attempt = self.store.attempt(change, server, "verify", 6)
        record = Record("london", server, "verify", change, 1, "apply", Status.UNCHANGED, "", "", "", "", {}, {}, {})
        attempt.write(RECORD, readable_json(replace(record, finished=finished).data()))


@pytest.fixture
def world(tmp_path: Path) -> Fixture:
    return Fixture(tmp_path)


def test_all_servers_share_one_new_change_in_the_order_of_the_site_file(world: Fixture) -> None:
    jobs = world.jobs()
    assert [job.server for job in jobs] == ["EDGE1", "EDGE2"]
    assert len({job.change for job in jobs}) == 1
    assert world.facts_for == [("EDGE1", "EDGE2")]
    assert world.store.asked(jobs[0].change)["servers"] == ["EDGE1", "EDGE2"]


def test_a_job_holds_what_its_notebook_needs(world: Fixture) -> None:
    (job,) = world.jobs("EDGE1", mode="plan")
    assert (job.site, job.mode, job.steps, job.runs) == ("london", "plan", STEPS, Path("/runs"))
    assert job.site_file == Path("/sites/london.toml").absolute()
    assert (job.about.who, job.about.why) == (ABOUT.who, {"ticket": "T-9", "reason": "renewal"})


def test_servers_are_found_in_any_case_once_each_in_the_order_given(world: Fixture) -> None:
    assert [job.server for job in world.jobs("edge2", "EDGE1", "Edge2")] == ["EDGE2", "EDGE1"]


def test_an_unknown_server_is_refused_and_starts_no_change(world: Fixture) -> None:
    with pytest.raises(UsageError, match="has no server 'EDG1'") as caught:
        world.jobs("EDGE2", "EDG1")
    assert "did you mean EDGE1?" in caught.value.todo
    assert world.store.changes() == ()


def test_each_server_goes_on_with_its_open_change_and_the_others_share_a_new_one(world: Fixture) -> None:
    open_change = world.change("EDGE2")
    first, second = world.jobs()
    assert second.change == open_change
    assert first.change not in ("", open_change)
    assert world.facts_for == [("EDGE1",)]
    assert (first.about.why["ticket"], second.about.why["ticket"]) == ("T-9", "T-1")


def test_finished_servers_start_anew(world: Fixture) -> None:
    change = world.change("EDGE1", "EDGE2")
    for server in ("EDGE1", "EDGE2"):
        world.verified(change, server, utc_text(AT))
    first, second = world.jobs()
    assert first.change == second.change != change


def test_a_server_that_others_have_not_followed_belongs_to_their_change_still(world: Fixture) -> None:
    change = world.change("EDGE1", "EDGE2")
    world.verified(change, "EDGE1", utc_text(AT - LATELY + timedelta(hours=1)))
    assert [job.change for job in world.jobs()] == [change, change]
    assert world.jobs("EDGE1")[0].change != change, "alone it starts anew"


def test_a_change_that_somebody_never_finished_keeps_nobody_from_the_next_renewal(world: Fixture) -> None:
    change = world.change("EDGE1", "EDGE2")
    world.verified(change, "EDGE1", utc_text(AT - LATELY - timedelta(hours=1)))
    first, second = world.jobs()
    assert (first.change != change, second.change) == (True, change)


def test_a_finished_server_does_not_join_a_change_it_was_no_part_of(world: Fixture) -> None:
    world.verified(world.change("EDGE1"), "EDGE1", utc_text(AT))
    newer = world.change("EDGE2", hours=1)
    first, second = world.jobs()
    assert (first.change != newer, second.change) == (True, newer)


def test_a_change_that_is_named_is_taken_for_all(world: Fixture) -> None:
    older, _ = world.change("EDGE1", "EDGE2"), world.change("EDGE1", "EDGE2", hours=1)
    assert {job.change for job in world.jobs(change=older)} == {older}
    assert world.facts_for == []


@pytest.mark.parametrize("change", ["20200101-000000-beef", "..", "../paris/20261124-120000-abcd"])
def test_a_change_that_is_not_there_is_refused(world: Fixture, change: str) -> None:
    with pytest.raises(UsageError, match="there is no change"):
        world.jobs(change=change)
    assert world.store.changes() == ()


def test_a_change_of_another_site_is_not_reached_through_its_path(world: Fixture, tmp_path: Path) -> None:
    theirs = RunStore(tmp_path, "paris").new_change(AT, {"servers": ["EDGE1"]})
    with pytest.raises(UsageError, match="there is no change"):
        world.jobs(change=f"../paris/{theirs}")


def test_fresh_starts_anew_even_with_an_open_change(world: Fixture) -> None:
    open_change = world.change("EDGE1", "EDGE2")
    assert open_change not in {job.change for job in world.jobs(fresh=True)}


def test_steps_come_in_the_runbooks_order_whatever_the_order_they_were_named_in() -> None:
    assert [step.id for step in chosen_steps(STEPS, ["verify", "request", "verify"], step_of)] == ["request", "verify"]
    assert chosen_steps(STEPS, [], step_of) == STEPS


def test_an_unknown_step_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="there is no step 'instal'") as caught:
        chosen_steps(STEPS, ["instal"], step_of)
    assert caught.value.todo == f"use {', '.join((*STEP_IDS, *OPTIONAL_IDS))}"


def test_the_six_steps_are_numbered_in_order_and_have_their_notebooks() -> None:
    assert STEP_IDS == ("confirm", "request", "install", "activate", "connectors", "verify")
    assert [step.number for step in STEPS] == [1, 2, 3, 4, 5, 6]
    assert [step.notebook for step in STEPS] == [
        "1-confirm-fqdn.ipynb",
        "2-request-certificate.ipynb",
        "3-install-certificate.ipynb",
        "4-activate-certificate.ipynb",
        "5-send-connectors.ipynb",
        "6-verify-tls.ipynb",
    ]
    assert [step.id for step in STEPS if step.verifies] == ["verify"]


def sizes(
    world: Fixture, steps: tuple[Step, ...] = STEPS, mode: str = "apply", waves: Sizes | None = None
) -> list[int]:
    wanted = Asked(steps, (), mode, "", Path("/runs"))
    jobs = jobs_for(two_servers(), wanted, world.store, Given(), world.facts, ABOUT)
    return [len(wave) for wave in site_work(two_servers(), jobs, waves).waves]


def test_a_site_is_divided_as_its_policy_or_the_user_says(world: Fixture) -> None:
    assert sizes(world) == [1, 1]
    assert sizes(world, waves=("100%",)) == [2]
    assert sizes(world, mode="plan") == [2]
    assert sizes(world, STEPS[:2]) == [2], "CSRs for all servers in one go"


def test_failures_stop_a_site_only_where_something_is_changed(world: Fixture) -> None:
    site, jobs = two_servers(), world.jobs()
    assert site_work(site, jobs).stop_after == site.policy.stop_after_failures == 1
    assert site_work(site, jobs, ("100%",)).stop_after == 1
    assert site_work(site, world.jobs(mode="plan")).stop_after == 0


def test_the_rate_of_logons_is_the_sites_or_the_users(world: Fixture) -> None:
    site = parse_site({**SITE, "policy": {"logons_per_minute": 30}})
    assert site_work(site, world.jobs("EDGE1")).logons_per_minute == 30
    assert site_work(site, world.jobs("EDGE1"), None, 5).logons_per_minute == 5
