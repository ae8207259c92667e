"""The cards as a page has them, without a page: what is pressed, what is shown, and what a save would keep."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import ipywidgets as widgets
import pytest

from tests.support.change import STEPS, Change
from tests.support.runbook_page import Page, clicked
from tlsrunbook import open_runbook
from tlsrunbook.errors import UsageError
from tlsrunbook.evidence.record import MEDIA_TYPE
from tlsrunbook.ui.session import MEDIA_TYPE as SESSION_TYPE
from tlsrunbook.ui.session import finished_in


def test_nothing_works_before_a_server_is_chosen(open_page: Callable[..., Page]) -> None:
    page = open_page(server="")
    assert all(page.card(step).apply.disabled for step in STEPS)
    assert "Choose a server" in page.card("confirm").head.value
    assert page.book.chooser
    page.book.chooser.controls.server.value = "MBX1"
    assert "step 1 on MBX1" in page.card("confirm").head.value
    assert not page.card("confirm").apply.disabled


def test_what_was_recorded_is_an_ordinary_output_with_the_record_in_it(
    open_page: Callable[..., Page], change: Change
) -> None:
    page = open_page()
    assert page.below("confirm").text == "▸ Ready: step 1, Confirm the FQDN, on EDGE1"
    page.press("confirm", "apply")
    bundle = page.below("confirm").bundle
    (record,) = change.store.records(page.book.bench.change)
    assert bundle[MEDIA_TYPE] == record.data()
    for kind in ("text/plain", "text/html"):
        assert "mx1.london.example.net" in bundle[kind]
        assert f"{record.change}/EDGE1/1-confirm/attempt-1" in bundle[kind]
        assert record.finished in bundle[kind]


def test_a_plan_shows_before_and_after_and_its_powershell(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.do("confirm")
    page.press("request", "plan")
    text = page.below("request").text
    assert "KeySize: - -> 2048" in text
    assert "PS> New-ExchangeCertificate" in text
    controls = page.card("request").commands.value
    assert "New-ExchangeCertificate" in controls
    assert 'aria-label="Copy the PowerShell text of step 2"' in controls


def test_a_double_click_applies_once_and_the_buttons_stop_working_at_once(
    open_page: Callable[..., Page], change: Change
) -> None:
    page = open_page()
    page.do("confirm")
    page.press("request", "plan")
    button = page.card("request").apply
    clicked(button)
    assert all(page.card(step).apply.disabled and page.card(step).plan.disabled for step in STEPS)
    button.click()  # the second click was on its way already
    assert page.book.works.wait(60)
    button.click()
    assert page.book.works.wait(60)
    modes = [r.mode for r in change.store.records(page.book.bench.change) if r.step == "request"]
    assert modes == ["plan", "apply"]


def test_two_pages_of_two_kernels_apply_once(open_page: Callable[..., Page], change: Change) -> None:
    one, other = open_page(), open_page()
    one.press("confirm", "apply")
    other.book.refresh()
    one.press("request", "plan")
    other.book.refresh()
    start = threading.Barrier(2)

    def press(page: Page) -> None:
        start.wait()
        clicked(page.card("request").apply)

    people = [threading.Thread(target=press, args=(page,)) for page in (one, other)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert one.book.works.wait(60)
    assert other.book.works.wait(60)
    modes = [r.mode for r in change.store.records(one.book.bench.change) if r.step == "request"]
    assert modes == ["plan", "apply"]
    said = [page.card("request").going.value for page in (one, other)]
    assert sum("role=alert" in line for line in said) == 1, said


def test_what_another_kernel_did_shows_without_a_click(open_page: Callable[..., Page], change: Change) -> None:
    page = open_page()
    seen = threading.Event()
    page.card("request").plan.observe(lambda told: told["new"] or seen.set(), "disabled")
    change.apply("EDGE1", "confirm")
    assert seen.wait(60)
    assert "Done" in page.card("confirm").head.value


def test_while_it_works_the_card_says_what_is_sent(open_page: Callable[..., Page]) -> None:
    page, lines = open_page(), list[str]()
    tell = page.book.works.progress.tell

    def told(what: str) -> None:
        lines.append(what)
        tell(what)

    page.book.works.progress.tell = told  # type: ignore[method-assign]
    page.press("confirm", "apply")
    assert "Opening PowerShell on EDGE1" in lines
    assert any(line.startswith("Asking EDGE1: ") and "Get-ExchangeCertificate" in line for line in lines)
    assert any("from outside (STARTTLS)" in line for line in lines)
    assert page.card("confirm").going.value == ""


def test_what_goes_wrong_is_said_on_the_card(open_page: Callable[..., Page], change: Change) -> None:
    page = open_page()
    change.site_file.write_text("name = 1", encoding="utf-8")
    page.press("confirm", "apply")
    assert "problems in the site file" in page.card("confirm").going.value
    assert "role=alert" in page.card("confirm").going.value
    assert change.store.changes() == ()


def test_going_back_takes_a_second_button_that_says_what_is_undone(
    open_page: Callable[..., Page], change: Change
) -> None:
    page = open_page()
    page.do("confirm", "request", "install")
    before = change.snapshots()
    page.press("install", "undo")
    card = page.card("install")
    assert change.snapshots() == before
    assert card.asking.layout.display == "flex"
    assert "closes the change" in card.note.value
    assert "It puts back: certificate " in card.note.value
    clicked(card.keep)
    assert card.asking.layout.display == "none"
    page.press("install", "undo")
    page.press("install", "back")
    assert "EDGE1 is as it was before the change" in page.below("install").text
    assert "gone back from" in card.note.value
    assert all(page.card(step).apply.disabled for step in STEPS)


def test_a_page_that_was_opened_later_shows_the_records_among_the_controls(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.press("confirm", "apply")
    page.book._page_opened()
    shown = [child.value for child in page.card("confirm").children if isinstance(child, widgets.HTML)][-1]
    assert "run the cell again" in shown
    assert "mx1.london.example.net" in shown


def test_a_cell_that_is_run_again_shows_where_the_work_stands(open_page: Callable[..., Page]) -> None:
    open_page().do("confirm")
    again = open_page()
    assert "Done" in again.card("confirm").head.value
    assert again.below("confirm").text.startswith("✔ Done: step 1")


def test_finish_closes_the_session_and_leaves_no_controls(open_page: Callable[..., Page], change: Change) -> None:
    page = open_page()
    assert page.outputs[-1].text == "Nothing was done yet."
    page.do("confirm")
    place = page.book._ending.places[0]
    clicked(place.controls.button)
    assert page.book.works.wait(60)
    assert not [output for output in page.outputs if isinstance(output.shown, widgets.Widget)]
    (shown,) = finished_in(page.saved())
    path = change.store.folder / shown.change / "sessions" / "1" / "session.json"
    assert path.is_file()
    assert (shown.server, shown.number, shown.runs) == ("EDGE1", 1, str(change.runs))
    assert shown.sha256 in page.outputs[-1].text
    assert "mx1.london.example.net" in page.outputs[-1].bundle["text/html"]
    assert SESSION_TYPE in page.outputs[-1].bundle


def test_the_chooser_tells_what_is_known_and_looks_when_asked(open_page: Callable[..., Page], change: Change) -> None:
    page = open_page()
    assert "not known yet" in page.outputs[1].text
    assert page.book.chooser
    clicked(page.book.chooser.controls.look)
    assert page.book.works.wait(60)
    text = page.outputs[1].text
    assert "Edge" in text
    assert "on the wire at 127.0.0.1:" in text
    assert change.store.changes() == (), "a look leaves nothing"


def test_days_left_come_from_the_records_too(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.do(*STEPS)
    assert "days left 8" in page.outputs[1].text
    assert page.book.chooser
    assert "is finished" in page.book.chooser.controls.note.value
    clicked(page.book.chooser.controls.new)
    assert page.book.works.wait(60)
    assert "No change is under way" in page.book.chooser.controls.note.value
    assert "Ready" in page.card("confirm").head.value


def test_controls_are_labelled_and_take_their_colours_from_the_theme(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.do("confirm")
    page.press("request", "plan")
    for step in STEPS:
        card = page.card(step)
        for button in (card.plan, card.apply, card.undo, card.back, card.keep):
            assert button.layout.display == "none" or (button.description and button.tooltip)
        values = [part.value for part in (card.head, card.note, card.commands, card.going)]
        assert not [value for value in values if "#fff" in value or "black" in value or "white;" in value]
        assert "var(--jp-" in card.head.value


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"site": ""}, "site is empty"),
        ({"server": "NONE"}, "has no server 'NONE'"),
        ({"server": "EDGE1", "change": "nothing"}, "there is no change 'nothing'"),
    ],
    ids=["site", "server", "change"],
)
def test_what_cannot_be_opened_is_said_at_once(change: Change, given: dict[str, str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        open_runbook(**{"site": change.site_file, "runs": change.runs, **given})


def test_opening_writes_nothing(open_page: Callable[..., Page], change: Change, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    open_page()
    assert sorted(tmp_path.rglob("*")) == before
    assert not change.runs.exists()
