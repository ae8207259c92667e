"""What a run shows while it goes on: the state behind it, the picture on a terminal, lines, JSON lines."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.evidence.record_samples import a_record
from tests.support.jobs import a_site
from tlsrunbook.cli import running
from tlsrunbook.cli.events import JsonLines, LineView
from tlsrunbook.cli.live import LiveView, lasting
from tlsrunbook.cli.progress import DONE, HELD, LEFT, NEW, RUNNING, STOPPED, Progress
from tlsrunbook.cli.running import How
from tlsrunbook.evidence.record import Status
from tlsrunbook.run.job import Event, ServerEvent, Told, WaveEvent
from tlsrunbook.run.outcome import Ending, Left, RunResult
from tlsrunbook.run.planning import Asked
from tlsrunbook.run.rollout import SiteWork

STEPS = ("confirm", "request", "install", "activate", "connectors", "verify")


class Given:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


class Fleet:
    """Tells of servers, some of which have come some way."""

    def __init__(self, *sites: SiteWork, capacity: int = 2, side_by_side: bool = False) -> None:
        self.clock = Given()
        self.sites = sites
        self.progress = Progress(sites, capacity, side_by_side=side_by_side, clock=self.clock)

    def tell(self, *told: Told) -> None:
        for one in told:
            self.progress.take(one)

    def works(self, server: str, site: str = "london", seconds: float = 10, ending: str = "done") -> None:
        self.tell(ServerEvent(site, server, "begun"), Event(site, server, "confirm"))
        self.clock.at += seconds
        status = Status.UNCHANGED if ending == "done" else Status.FAILED
        self.tell(Event(site, server, "confirm", a_record(site=site, server=server, step="confirm", status=status)))
        self.tell(ServerEvent(site, server, "ended", facts={"ending": ending}))


def test_servers_at_work_come_first_then_those_that_stopped() -> None:
    fleet = Fleet(a_site("A B C D E F"))
    fleet.works("A")
    fleet.works("B", ending="failed")
    fleet.tell(ServerEvent("london", "C", "held", facts={"ending": "held"}))
    fleet.tell(ServerEvent("london", "F", "left", facts={"ending": "left"}))
    fleet.tell(ServerEvent("london", "D", "begun"))
    assert [(row.server, row.state) for row in fleet.progress.rows()] == [
        *(("D", RUNNING), ("B", STOPPED), ("C", HELD), ("A", DONE), ("E", NEW), ("F", LEFT))
    ]
    assert fleet.progress.counts() == {RUNNING: 1, STOPPED: 1, HELD: 1, DONE: 1, NEW: 1, LEFT: 1}


def test_each_wave_has_its_bar() -> None:
    fleet = Fleet(a_site("A", "B C"))
    fleet.tell(WaveEvent("london", 1, 2, ("A",), "begun"))
    fleet.works("A")
    fleet.tell(WaveEvent("london", 1, 2, ("A",), "done"), WaveEvent("london", 2, 2, ("B", "C"), "begun"))
    assert [(bar.number, bar.of, bar.done, bar.total, bar.state) for bar in fleet.progress.bars()] == [
        (1, 2, 1, 1, "done"),
        (2, 2, 0, 2, "begun"),
    ]


def test_the_time_left_is_known_when_a_server_is_done() -> None:
    fleet = Fleet(a_site("A", "B C D E"), capacity=2)
    assert fleet.progress.seconds_left() is None
    fleet.works("A", seconds=10)
    assert fleet.progress.seconds_left() == 20, "four servers, two at once"
    fleet.tell(ServerEvent("london", "B", "begun"))
    fleet.clock.at += 6
    assert fleet.progress.seconds_left() == 17
    fleet.clock.at += 100
    assert fleet.progress.seconds_left() == 15.5, "one that takes longer than the others is nearly done"


def test_the_time_left_counts_waves_and_sites_one_after_the_other_or_at_once() -> None:
    sites = a_site("A", "B"), a_site("C D", site="paris")
    one_by_one, at_once = Fleet(*sites, capacity=4), Fleet(*sites, capacity=4, side_by_side=True)
    for fleet in (one_by_one, at_once):
        fleet.works("A", seconds=10)
    assert one_by_one.progress.seconds_left() == 20
    assert at_once.progress.seconds_left() == 10


def test_a_server_that_was_done_before_does_not_make_the_others_look_quick() -> None:
    fleet = Fleet(a_site("A B"))
    fleet.tell(
        ServerEvent("london", "A", "done-before", steps=STEPS),
        ServerEvent("london", "A", "ended", facts={"ending": "done"}),
    )
    assert fleet.progress.seconds_left() is None
    assert fleet.progress.counts() == {DONE: 1, NEW: 1}


def picture(fleet: Fleet, *, width: int = 120, height: int = 24) -> list[str]:
    stream = io.StringIO()
    console = Console(
        file=stream, force_terminal=True, width=width, height=height, color_system=None, legacy_windows=False
    )
    console.print(LiveView(console, len(fleet.sites), STEPS, fleet.progress).picture())
    return stream.getvalue().rstrip("\n").split("\n")


def test_the_picture_shows_what_each_server_does() -> None:
    fleet = Fleet(a_site("A", "B C"))
    fleet.tell(WaveEvent("london", 1, 2, ("A",), "begun"))
    fleet.works("A")
    fleet.tell(WaveEvent("london", 1, 2, ("A",), "done"), WaveEvent("london", 2, 2, ("B", "C"), "begun"))
    fleet.tell(ServerEvent("london", "B", "done-before", steps=("confirm",)), Event("london", "B", "request"))
    text = picture(fleet)
    assert re.search(r"^all .*1 of 3 .*about \d+ s left", text[0])
    assert re.search(r"^london, wave 2 of 2 .* 0 of 2 ", text[1])
    assert text[2].strip() == "1 at work, 1 done, 1 to come"
    assert text[3].split() == ["server", *STEPS]
    assert re.match(r"B +✓ before +▸ \d+ s ", text[4]), text[4]
    assert re.match(r"A +✓ unchanged +·", text[5])


@pytest.mark.parametrize(("width", "height"), [(120, 24), (80, 24), (200, 60), (100, 8)])
def test_a_large_fleet_fits_the_terminal(width: int, height: int) -> None:
    names = " ".join(f"SRV{number:04}" for number in range(1000))
    fleet = Fleet(a_site(names), capacity=30)
    fleet.tell(WaveEvent("london", 1, 1, tuple(names.split()), "begun"))
    for number in range(400):
        fleet.works(f"SRV{number:04}", seconds=1, ending="failed" if number == 7 else "done")
    for number in range(400, 403):
        fleet.tell(Event("london", f"SRV{number:04}", "install"))
    lines = picture(fleet, width=width, height=height)
    assert len(lines) <= height
    assert all(len(line) <= width for line in lines)
    servers = [line.split()[0] for line in lines if line.startswith("SRV")]
    assert servers[:4] == ["SRV0400", "SRV0401", "SRV0402", "SRV0007"][: len(servers)]
    shown = {"at work": servers[:3], "stopped": servers[3:4], "done": servers[4:], "to come": []}
    of = {"at work": 3, "stopped": 1, "done": 399, "to come": 597}
    rest = [f"{of[state] - len(own)} {state}" for state, own in shown.items() if of[state] > len(own)]
    assert lines[-1].strip() == f"and {1000 - len(servers)} more: {', '.join(rest)}"


@pytest.mark.parametrize(
    ("terminal", "term", "live", "kind"),
    [
        (True, "xterm-256color", True, LiveView),
        (True, "dumb", True, LineView),
        (False, "xterm-256color", True, LineView),
        (True, "xterm-256color", False, LineView),
    ],
)
def test_only_a_terminal_that_can_show_it_gets_the_picture(terminal: bool, term: str, live: bool, kind: type) -> None:
    console = Console(file=io.StringIO(), force_terminal=terminal, _environ={"TERM": term})
    asked = Asked((), (), "apply", "", Path("runs"))
    assert type(running._view(console, [a_site("A")], asked, 4, How(), live=live)) is kind


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (1234, "20 min"),
        (7500, "2 h 5 min"),
        (7200, "2 h"),
    ],
)
def test_a_time_is_said_as_people_say_it(seconds: float, text: str) -> None:
    assert lasting(seconds) == text


def told() -> list[Told]:
    record = a_record(
        server="EDGE1",
        step="request",
        status=Status.WAITING,
        summary="waiting for the CA",
        todo="put it into the inbox",
    )
    return [
        WaveEvent("london", 1, 2, ("EDGE1",), "begun"),
        ServerEvent("london", "EDGE1", "begun"),
        ServerEvent("london", "EDGE1", "taken-over", "taken over from bob on ws2", facts={"user": "bob"}),
        Event("london", "EDGE1", "request"),
        Event("london", "EDGE1", "request", record),
        WaveEvent("london", 1, 2, ("EDGE1",), "stopped", "EDGE1: request waiting"),
    ]


def test_lines_have_the_time_in_utc_and_say_it_all() -> None:
    stream = io.StringIO()
    view = LineView(Console(file=stream, width=160))
    for one in told():
        view.tell(one)
    lines = stream.getvalue().splitlines()
    assert all(re.match(r"\d\d:\d\d:\d\dZ ", line) for line in lines)
    assert [line[10:] for line in lines] == [
        "london: wave 1 of 2 begun (EDGE1)",
        "london / EDGE1: taken-over: taken over from bob on ws2",
        "london / EDGE1 / request: started",
        "london / EDGE1 / request: waiting: waiting for the CA -> put it into the inbox",
        "london: wave 1 of 2 stopped: EDGE1: request waiting",
    ]


def test_json_lines_are_one_event_each_with_the_records_in_them_and_the_result_last() -> None:
    stream = io.StringIO()
    lines = JsonLines(stream)
    lines.begin([a_site("EDGE1", "MBX1")], STEPS, "apply")
    for one in told():
        lines.tell(one)
    record = a_record(server="EDGE1", step="request", status=Status.WAITING)
    left = Left("london", "MBX1", STEPS, "wave 1 of 2 is not done", Ending.LEFT)
    result = RunResult((record,), (), {("london", "EDGE1"): Ending.STOPPED}, (left,), ("london: stopped",))
    lines.end(result, 3, seals=[])
    events: list[dict[str, Any]] = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [event["event"] for event in events] == [
        *("site", "wave", "server", "server", "started", "ended", "wave", "result")
    ]
    assert all(re.match(r"2\d{3}-\d\d-\d\dT.*Z$", event["at"]) for event in events)
    assert events[0]["waves"] == [["EDGE1"], ["MBX1"]]
    assert events[5]["record"]["summary"] == "waiting for the CA"
    last = events[-1]
    assert (last["exit_code"], last["records"][0]["status"], last["left"][0]["server"]) == (3, "waiting", "MBX1")
    assert last["servers"] == [{"site": "london", "server": "EDGE1", "ended": "stopped"}]


def test_a_text_of_a_server_cannot_break_a_json_line() -> None:
    stream = io.StringIO()
    JsonLines(stream).tell(ServerEvent("london", "A", "held", "two\nlines \u2028 and \ud800 half a pair"))
    (line,) = stream.getvalue().split("\n")[:-1]
    assert json.loads(line)["text"].startswith("two\nlines")


def test_nothing_here_names_a_folder_of_this_computer(tmp_path: Path) -> None:
    stream = io.StringIO()
    JsonLines(stream).begin([a_site("A")], STEPS, "plan")
    assert str(tmp_path) not in stream.getvalue()
