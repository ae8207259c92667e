"""One thing at a time, and a double click is one click."""

from __future__ import annotations

import threading

from tlsrunbook.errors import UsageError
from tlsrunbook.ui.guard import DOUBLE_CLICK, Guard
from tlsrunbook.ui.progress import Progress
from tlsrunbook.ui.works import Works


class Seconds:
    """A clock that is told the time."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_nothing_begins_while_something_is_at_work() -> None:
    guard = Guard()
    assert [guard.begin("Planning"), guard.begin("Planning"), guard.begin("Applying")] == [True, False, False]
    guard.end()
    assert guard.begin("Applying")


def test_the_second_half_of_a_double_click_begins_nothing_even_when_the_first_has_ended() -> None:
    seconds = Seconds()
    guard = Guard(seconds)
    guard.begin("Applying")
    guard.end()
    assert not guard.begin("Applying")
    seconds.now += DOUBLE_CLICK
    assert guard.begin("Applying")


def test_another_button_works_at_once() -> None:
    guard = Guard(Seconds())
    guard.begin("Planning")
    guard.end()
    assert guard.begin("Applying")


def test_many_at_once_begin_once() -> None:
    guard, start, begun = Guard(), threading.Barrier(8), []

    def press() -> None:
        start.wait()
        begun.append(guard.begin("Applying"))

    threads = [threading.Thread(target=press) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(begun) == [False] * 7 + [True]


def test_progress_says_what_is_done_now_and_for_how_long() -> None:
    seconds = Seconds()
    progress = Progress(seconds)
    progress.start("Planning")
    seconds.now += 2
    progress.tell("Asking EDGE1: Get-ExchangeCertificate")
    seconds.now += 3
    assert progress.line() == "Asking EDGE1: Get-ExchangeCertificate … 3 s (5 s in all)"


def ended(job: object) -> str:
    works, said = Works(), list[str]()
    assert works.begin("it", job, lambda _: None, said.append)  # type: ignore[arg-type]
    assert works.wait(10)
    assert not works.busy
    (one,) = said
    return one


def test_what_goes_wrong_is_told_and_the_next_may_begin() -> None:
    def refused(_: object) -> None:
        raise UsageError("no", where="here", todo="do that")

    def broken(_: object) -> None:
        raise KeyError("secret")

    assert ended(refused) == "here: no -> do that"
    assert ended(broken) == "this was ended by KeyError, which is a fault of tlsrunbook; see the record"
    assert ended(lambda _: None) == ""


def test_long_work_does_not_hold_up_whoever_began_it_and_shows_its_progress() -> None:
    works, go_on, shown = Works(), threading.Event(), threading.Event()
    lines = list[str]()

    def show(line: str) -> None:
        lines.append(line)
        shown.set()

    assert works.begin("Waiting for the test", lambda _: go_on.wait(30), show, lambda _: None)
    assert works.busy
    assert shown.wait(30)
    go_on.set()
    assert works.wait(30)
    assert lines[0].startswith("Waiting for the test … ")


def test_who_presses_while_something_else_is_at_work_is_told_and_a_double_click_is_not() -> None:
    works, go_on, said = Works(), threading.Event(), list[str]()
    assert works.begin("Planning A", lambda _: go_on.wait(30), lambda _: None, lambda _: None)
    assert not works.begin("Applying B", lambda _: None, said.append, said.append)
    assert said == ["Planning A is still under way; press again when it has ended"]
    assert not works.begin("Planning A", lambda _: None, said.append, said.append)
    go_on.set()
    assert works.wait(30)
    assert len(said) == 1
