"""The first card and the first step by keyboard alone."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.desk import Desk
from tests.browser.labpage import PATIENCE, LabPage


def tab_to(tab: LabPage, name: str, *, at_most: int = 12) -> None:
    """Press Tab until what has the focus is called so."""
    seen = []
    for _ in range(at_most):
        tab.page.keyboard.press("Tab")
        seen.append(tab.focused())
        if seen[-1] == name:
            return
    raise AssertionError(f"{name} is not reached by Tab: {seen}")


def sources(tab: LabPage) -> list[str]:
    """Give the cells of the page, as kind and source: no key may have changed one."""
    return list(
        tab.page.evaluate(
            """() => window.jupyterapp.shell.currentWidget.content.widgets
                .map(one => one.model.type + one.model.sharedModel.getSource())"""
        )
    )


def test_server_and_first_step_by_keyboard_alone(desk_on: Callable[..., Desk]) -> None:
    desk = desk_on(servers=2)
    tab = desk.tab().open().run_all()
    before = sources(tab)
    tab.server.focus()
    tab.page.keyboard.type("MBX")
    expect(tab.server).to_have_value("MBX1")
    tab.page.keyboard.press("ArrowUp")
    expect(tab.server).to_have_value("EDGE1")
    expect(tab.card("confirm")).to_contain_text("step 1 on EDGE1", timeout=PATIENCE)
    tab_to(tab, "Ticket")
    tab.page.keyboard.type("CHG-4711")
    tab_to(tab, "Look at it now")
    tab.page.keyboard.press("Enter")
    expect(tab.cell("open")).to_contain_text("Looking", timeout=PATIENCE)
    expect(tab.cell("open")).not_to_contain_text("Looking", timeout=PATIENCE)
    tab_to(tab, "Check", at_most=30)
    tab.page.keyboard.press("Enter")
    tab.wait_for_state("confirm", "done")
    tab_to(tab, "Plan", at_most=30)
    tab.page.keyboard.press("Space")
    tab.wait_for_state("request", "planned")
    assert sources(tab) == before
