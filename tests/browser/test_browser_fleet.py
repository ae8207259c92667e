"""The fleet's page and its notebook in a real browser: filter, sort, keyboard, light and dark, and without script."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Desk
from tests.browser.labpage import CONTRAST, as_text, saved_cell, texts_of
from tests.support.archives import hasty
from tests.support.fleets import FATES, FleetWorld
from tests.support.members import NOW
from tlsrunbook.evidence.fleet_page import fleet_html
from tlsrunbook.site import load_sites
from tlsrunbook.wiring_fleet import fleet_of

ROWS = "#servers ~ table tbody tr"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("fleet")
    with hasty():
        world = FleetWorld(folder, sites=2, servers=len(FATES), fates=(*FATES, *FATES))
    out = folder / "fleet.html"
    out.write_text(fleet_html(fleet_of(load_sites(world.sites), world.runs, NOW)), encoding="utf-8")
    return out.as_uri()


@contextmanager
def opened(chromium: Browser, address: str, **how: object) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, **how)  # type: ignore[arg-type]
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    yield page
    assert complaints == []
    context.close()


def servers(page: Page) -> list[str]:
    names = page.locator(f"{ROWS}:visible").evaluate_all("rows => rows.map(row => row.dataset.server)")
    return [str(name) for name in names]


def test_words_and_tiles_choose_servers_in_every_table(chromium: Browser, address: str) -> None:
    with opened(chromium, address) as page:
        assert len(servers(page)) == 24
        page.get_by_label("Filter").fill("PARIS waiting")
        (name,) = servers(page)
        assert name.startswith("paris / ")
        expect(page.get_by_role("status")).to_have_text("1 of 24 servers")
        shown = page.locator("tr[data-server]:visible").evaluate_all("rows => rows.map(row => row.dataset.server)")
        assert set(shown) == {name}
        expect(page.locator("#stale ~ .nothing")).to_be_visible()
        page.get_by_role("button", name="Show all").click()
        page.get_by_role("button", name="failed").click()
        expect(page.get_by_role("button", name="failed")).to_have_attribute("aria-pressed", "true")
        assert len(servers(page)) == 2
        page.get_by_role("button", name="failed").click()
        assert len(servers(page)) == 24


def test_heads_sort_by_keyboard_and_say_so(chromium: Browser, address: str) -> None:
    with opened(chromium, address) as page:
        head = page.locator("#servers ~ table thead th").filter(has_text="ends")
        button = head.get_by_role("button")
        button.focus()
        page.keyboard.press("Enter")
        expect(head).to_have_attribute("aria-sort", "ascending")
        ends = page.locator(f"{ROWS} td:last-child").evaluate_all("cells => cells.map(cell => +cell.dataset.sort)")
        assert ends == sorted(ends)
        page.keyboard.press("Enter")
        expect(head).to_have_attribute("aria-sort", "descending")
        again = page.locator(f"{ROWS} td:last-child").evaluate_all("cells => cells.map(cell => +cell.dataset.sort)")
        assert again == sorted(ends, reverse=True)
        assert (
            page.locator("#servers ~ table thead th[aria-sort=none]").count()
            == page.locator("#servers ~ table thead th").count() - 1
        )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_scrolls_sideways_and_texts_stand_out(chromium: Browser, address: str, scheme: str) -> None:
    with opened(chromium, address, color_scheme=scheme) as page:
        page.locator("summary").evaluate_all("all => all.forEach(one => one.parentElement.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280
        worst = page.evaluate(CONTRAST)
        assert worst["ratio"] >= 4.5, worst


def test_heads_stay_in_sight(chromium: Browser, address: str) -> None:
    with opened(chromium, address) as page:
        page.set_viewport_size({"width": 1280, "height": 400})
        page.locator(ROWS).nth(20).scroll_into_view_if_needed()
        head = page.locator("#servers ~ table thead th").first
        expect(head).to_be_in_viewport()
        expect(page.get_by_label("Filter")).to_be_in_viewport()


def test_without_script_it_is_the_same_page_without_controls(chromium: Browser, address: str) -> None:
    with opened(chromium, address, java_script_enabled=False) as page:
        assert page.locator("button:visible, input:visible").count() == 0
        expect(page.locator(ROWS)).to_have_count(24)
        expect(page.locator("svg.overview")).to_be_visible()
        page.get_by_text("This picture as a table").click()
        expect(page.get_by_text("in use", exact=True).first).to_be_visible()


def test_the_notebooks_controls_change_what_a_save_keeps(desk_on: Callable[..., Desk]) -> None:
    desk = desk_on(servers=2)
    tab = desk.tab().open("fleet.ipynb").run_all()
    assert "image/svg+xml" in str(saved_cell(tab.save(), "picture")["outputs"])
    field = tab.page.get_by_role("textbox", name="Filter")
    field.fill("mbx1")
    field.press("Enter")
    expect(tab.cell("show")).to_contain_text("Servers and steps (1 of 2)")
    assert tab.scrolls_sideways() == []
    tab.page.get_by_role("combobox", name="Stands").focus()
    tab.page.keyboard.type("m")  # in JupyterLab's command mode this key makes a cell Markdown
    saved = tab.save()
    assert [cell["cell_type"] for cell in saved["cells"] if cell["id"] == "show"] == ["code"]
    assert "EDGE1" not in texts_of(saved_cell(saved, "show"))
    assert "MBX1" in texts_of(saved_cell(saved, "show"))
    assert "widgets" not in saved["metadata"]
    assert desk.lab.credential.password.reveal() not in as_text(saved)
    tab.end_kernel()
    reader = desk.tab().open("fleet.ipynb")  # another kernel, in which nothing was run
    expect(reader.cell("show")).to_contain_text("nothing is on record of it")
    expect(reader.cell("picture").locator("img")).to_be_visible()
