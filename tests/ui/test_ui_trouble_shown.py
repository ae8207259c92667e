"""What a Jupyter server could not archive or seal is shown where the next look falls: the runbook, and ``status``."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.change import Change
from tests.support.jupyter import ROOT, waited_for
from tlsrunbook import open_runbook
from tlsrunbook.ui.post import Troubles, post_folder, troubles_of
from tlsrunbook.ui.runbook import Runbook

TOLD = "the seal cannot be written: No space left on device"


@pytest.fixture
def change(change_on: Callable[..., Change]) -> Change:
    return change_on(servers=1)


@pytest.fixture
def book(change: Change, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runbook]:
    monkeypatch.setattr("tlsrunbook.ui.runbook.when_opened", lambda _: None)
    opened = open_runbook(change.site_file, "EDGE1", change.runs)
    yield opened
    assert opened.works.wait(60)
    opened.close()


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What stands on the page, the newest in the place of what it replaced."""
    on_page: list[Any] = []

    class View:
        def __init__(self, number: int) -> None:
            self.number = number

        def update(self, new: object) -> None:
            on_page[self.number] = new

    def display(one: object, *, display_id: bool) -> View:
        assert display_id
        on_page.append(one)
        return View(len(on_page) - 1)

    monkeypatch.setattr("tlsrunbook.ui.place.display", display)
    return on_page


def trouble(change: Change) -> Callable[[], None]:
    where = (change.store.folder, "20261124-120000-ab12", "EDGE1")
    Troubles(post_folder()).tell(*where, TOLD)
    return lambda: Troubles(post_folder()).clear(*where)


def test_the_first_card_shows_it_while_it_lasts(change: Change, book: Runbook, shown: list[Any]) -> None:
    book._ipython_display_()
    assert book.chooser
    before = book.bench.stamp()
    clear = trouble(change)
    assert book.bench.stamp() != before, "the page would not look"
    book.refresh()
    assert TOLD in book.chooser.controls.trouble.value
    assert "role=alert" in book.chooser.controls.trouble.value
    clear()
    book.refresh()
    assert book.chooser.controls.trouble.value == ""


def test_a_finished_session_shows_it_in_place_of_the_button(change: Change, book: Runbook, shown: list[Any]) -> None:
    book._ipython_display_()
    book.confirm()
    book.finish()
    book.cards["confirm"].controls.apply.click()
    assert book.works.wait(60)
    (ending,) = book._ending.places
    ending.controls.button.click()
    assert book.works.wait(60)
    assert "was finished" in str(shown[-2])
    clear = trouble(change)
    book.refresh()
    assert TOLD in str(shown[-2])
    clear()
    book.refresh()
    assert TOLD not in str(shown[-2])


def test_status_tells_it(change: Change) -> None:
    trouble(change)
    command = [sys.executable, "-m", "tlsrunbook", "status", str(change.site_file), "--runs", str(change.runs)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert f"london / EDGE1, change 20261124-120000-ab12: {TOLD}" in done.stderr


def test_the_trouble_of_other_evidence_is_not_ours(change: Change) -> None:
    trouble(change)
    assert waited_for(lambda: troubles_of(change.store.folder), "the trouble")
    assert troubles_of(change.runs / "elsewhere" / "london") == ()
