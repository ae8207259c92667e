"""Waves, failures, sites, leases and stopping: the controller with made-up servers."""

from __future__ import annotations

from itertools import pairwise

import pytest
from played import Played, a_job, a_site

from tlsrunbook.evidence.record import Status
from tlsrunbook.run.course import Undone
from tlsrunbook.run.job import Event, ServerEvent, Told, WaveEvent
from tlsrunbook.run.outcome import Ending
from tlsrunbook.run.pace import Pace
from tlsrunbook.run.rollout import SiteWork
from tlsrunbook.steps.registry import STEP_IDS


def test_a_wave_begins_when_every_server_of_the_one_before_is_verified() -> None:
    played = Played()
    result = played.run(a_site("A", "B C", "D E F"))
    waves = [(f"{told.number} {told.state}", at) for at, told in enumerate(played.told) if isinstance(told, WaveEvent)]
    assert [name for name, _ in waves] == ["1 begun", "1 done", "2 begun", "2 done", "3 begun", "3 done"]
    between = {name: {t.server for t in played.told[: at + 1] if isinstance(t, Event)} for name, at in waves}
    assert between["2 begun"] == {"A"}
    assert between["3 begun"] == {"A", "B", "C"}
    verified = [told for told in played.told[: dict(waves)["3 begun"]] if isinstance(told, Event) and told.record]
    assert sum(told.step == "verify" for told in verified) == 3
    assert set(result.endings.values()) == {Ending.DONE}
    assert [(r.server, r.step) for r in result.records] == [(server, step) for server in "ABCDEF" for step in STEP_IDS]
    assert (result.left, result.stopped) == ((), ())
    assert sorted(played.released) == sorted("ABCDEF")
    assert played.closed


def test_no_further_server_begins_after_as_many_failures_as_the_site_bears() -> None:
    ends = {("B", "install"): Status.FAILED, ("C", "install"): Status.UNKNOWN}
    once = Played(ends, capacity=1)
    result = once.run(a_site("A", "B C D E", "F"))
    assert once.begun == ["A", "B"]
    assert [(left.server, left.ending) for left in result.left] == [(name, Ending.LEFT) for name in "CDEF"]
    assert result.left[0].why == "1 server(s) failed, and no further one begins after 1"
    assert result.left[0].steps == STEP_IDS

    twice = Played(ends, capacity=1)
    twice.run(a_site("A", "B C D E", "F", stop_after=2))
    assert twice.begun == ["A", "B", "C"]
    never = Played(ends, capacity=1)
    never.run(a_site("A B C D E F", stop_after=0))
    assert never.begun == list("ABCDEF")


def test_a_failure_below_the_limit_lets_its_wave_end_and_no_other_begin() -> None:
    played = Played({("B", "verify"): Status.FAILED})
    result = played.run(a_site("A", "B C", "D", stop_after=5))
    assert sorted(played.begun) == ["A", "B", "C"]
    assert played.waves[-1] == "london 2/3 stopped"
    (left,) = result.left
    assert (left.server, "wave 2 of 3 is not done (B: verify failed: verify played)" in left.why) == ("D", True)


@pytest.mark.parametrize("status", [Status.WAITING, Status.BLOCKED])
def test_a_canary_that_waits_or_is_blocked_is_no_failure_and_holds_the_next_wave(status: Status) -> None:
    played = Played({("A", "install"): status})
    result = played.run(a_site("A", "B C"))
    assert played.begun == ["A"]
    assert result.endings[("london", "A")] is Ending.STOPPED
    assert [left.server for left in result.left] == ["B", "C"]

    side = Played({(name, "install"): status for name in "ABCD"}, capacity=1)
    side.run(a_site("A B C D"))
    assert side.begun == list("ABCD"), "no failure, so the others of the wave are begun"


def test_sites_come_one_by_one_or_side_by_side() -> None:
    ends = {("A", "request"): Status.FAILED}
    sites = a_site("A", "B", site="london"), a_site("C", site="paris"), a_site("D", site="rome")
    one_by_one = Played(ends)
    result = one_by_one.run(*sites, one_by_one=True)
    assert one_by_one.begun == ["A"]
    assert {left.server: left.why for left in result.left}["C"] == "london is not done, and sites come one by one"
    assert [left.server for left in result.left] == ["B", "C", "D"]

    in_turn = Played({("C", "request"): Status.WAITING})
    in_turn.run(*sites, one_by_one=True)
    assert in_turn.begun == ["A", "B", "C"]
    assert in_turn.waves == [
        *("london 1/2 begun", "london 1/2 done", "london 2/2 begun", "london 2/2 done"),
        *("paris 1/1 begun", "paris 1/1 stopped"),
    ]

    side = Played(ends)
    side.run(*sites)
    assert sorted(side.begun) == ["A", "C", "D"]


def test_a_server_that_somebody_else_works_on_is_left_out_and_the_others_go_on() -> None:
    played = Played(held=("B",))
    result = played.run(a_site("A B C", "D"))
    assert sorted(played.begun) == ["A", "C"]
    assert result.endings["london", "B"] is Ending.HELD
    held, behind = result.left
    assert (held.server, held.ending, held.facts) == ("B", Ending.HELD, {"user": "bob"})
    assert "bob works on this server" in held.why
    assert behind.server == "D"


def test_a_server_whose_records_cannot_be_read_has_failed() -> None:
    played = Played(broken=("A",))
    result = played.run(a_site("A", "B"))
    assert result.endings["london", "A"] is Ending.FAILED
    assert played.course.wrong == ("london / A: here: the record cannot be read",)
    assert played.begun == []


def test_what_is_done_already_counts_as_done_for_its_wave() -> None:
    played = Played(done=("A", "C"))
    result = played.run(a_site("A", "B C", "D"))
    assert played.begun == ["B", "D"]
    assert set(result.endings.values()) == {Ending.DONE}
    assert result.done_before["london", "A"] == STEP_IDS
    nothing = Played(done=("A", "B")).run(a_site("A", "B"))
    assert (nothing.records, nothing.left) == ((), ())


@pytest.mark.parametrize("capacity", [1, 3])
def test_no_more_servers_are_worked_on_at_once_than_were_asked_for(capacity: int) -> None:
    played = Played(capacity=capacity)
    played.run(a_site(" ".join(f"S{at}" for at in range(20))))
    assert len(played.begun) == 20
    assert played.most <= capacity


def test_a_stop_lets_the_steps_under_way_end_and_names_all_that_was_left() -> None:
    played = Played(capacity=1)

    def stop_after_first(told: Told) -> None:
        if isinstance(told, Event) and told.record:
            played.course.stop()
        Played.tell(played, told)

    played.tell = stop_after_first  # type: ignore[method-assign]
    result = played.run(a_site("A", "B"), a_site("C", site="paris"), one_by_one=True)
    assert [(r.server, r.step) for r in result.records] == [("A", "confirm")]
    undone = [("A", step) for step in STEP_IDS[1:]] + [(server, step) for server in "BC" for step in STEP_IDS]
    sites = {"A": "london", "B": "london", "C": "paris"}
    assert played.course.undone == tuple(Undone(sites[server], server, step) for server, step in undone)
    assert [left.server for left in result.left] == ["B", "C"]
    assert played.released == ["A"]


def test_a_server_gives_its_place_away_while_it_waits_for_another_one() -> None:
    waits = a_job("A", after={"connectors": (("B", "activate"),)})
    played = Played(capacity=1)
    result = played.run(SiteWork("london", ((waits, a_job("B")),)))
    ended = [(told.server, told.step) for told in played.told if isinstance(told, Event) and told.record]
    assert ended.index(("B", "activate")) < ended.index(("A", "connectors"))
    assert len(result.records) == 12


def test_one_that_waits_for_a_server_that_is_left_out_goes_on_alone() -> None:
    waits = a_job("A", after={"connectors": (("B", "activate"),)})
    played = Played(held=("B",), capacity=1)
    result = played.run(SiteWork("london", ((waits, a_job("B")),)))
    assert len(result.records) == 6


class Given:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


def test_the_pace_is_even() -> None:
    clock = Given()
    pace = Pace(30, clock)
    begun = []
    for _ in range(1200):
        if pace.wait() == 0:
            pace.begin()
            begun.append(clock.at)
        clock.at += 0.1
    assert len(begun) == 60, "two minutes"
    assert all(1.99 < later - earlier < 2.11 for earlier, later in pairwise(begun))
    free = Pace(0, clock)
    for _ in range(5):
        assert free.wait() == 0
        free.begin()


def test_servers_begin_at_the_pace_of_their_site_or_of_the_run() -> None:
    quick, slow = a_site("A B", site="london"), a_site("C D", site="paris", logons_per_minute=1)
    played = Played()
    played.run(quick, a_site("C", site="paris", logons_per_minute=1))
    assert sorted(played.begun) == ["A", "B", "C"]

    limited = Played()

    def stop_when_london_is_done(told: Told) -> None:
        Played.tell(limited, told)
        if isinstance(told, WaveEvent) and told.state == "done":
            limited.course.stop()

    limited.tell = stop_when_london_is_done  # type: ignore[method-assign]
    result = limited.run(quick, slow)
    assert sorted(limited.begun) == ["A", "B", "C"], "the second of paris would begin a minute later"
    assert [left.server for left in result.left] == ["D"]

    together = Played()
    together.tell = lambda told: (Played.tell(together, told), together.course.stop() if together.begun else None)[0]  # type: ignore[method-assign, func-returns-value]
    together.run(quick, slow, logons_per_minute=1)
    assert together.begun == ["A"]


def test_a_site_that_takes_few_servers_at_once_keeps_no_other_site_waiting() -> None:
    played = Played(capacity=6, at_site=2)
    played.run(a_site("A B C D E F G H", site="london"), a_site("Q R S T", site="paris"))
    begun = [told.server for told in played.told if isinstance(told, ServerEvent) and told.state == "begun"]
    assert sorted(begun) == list("ABCDEFGHQRST")
    assert begun.index("Q") < begun.index("H")
