"""A double click, two tabs, and a second operator with a kernel of their own: a step runs once, and all see it."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.desk import Desk
from tests.browser.labpage import PATIENCE, RUNBOOK
from tests.support.jupyter import waited_for
from tlsrunbook.adapters.store import RunStore


def test_whoever_clicks_however_often_a_step_runs_once(desk_on: Callable[..., Desk]) -> None:
    desk = desk_on(server="EDGE1")
    shutil.copy(desk.jupyter.root / RUNBOOK, desk.jupyter.root / "other.ipynb")
    mine = desk.tab().open().run_all()
    mine.plan_and_apply("confirm")
    mine.press("request", "Plan")
    mine.wait_for_state("request", "planned")
    mine.save()
    second = desk.tab().open()  # the same notebook, the same kernel
    other = desk.tab().open("other.ipynb").run_all()  # another operator: another kernel
    other.wait_for_state("request", "planned")
    expect(second.button("request", "Approve and apply")).to_be_enabled()

    with desk.board.holding("New-ExchangeCertificate") as held:
        mine.button("request", "Approve and apply").dblclick()
        second.button("request", "Approve and apply").dispatch_event("click")
        other.button("request", "Approve and apply").dispatch_event("click")
        waited_for(held.is_set, "New-ExchangeCertificate")
        for tab in (mine, second):
            expect(tab.card("request")).to_contain_text("Changing EDGE1: New-ExchangeCertificate", timeout=PATIENCE)
            expect(tab.button("request", "Approve and apply")).to_be_disabled()
        expect(other.card("request")).to_contain_text("works on EDGE1 (JupyterLab) since", timeout=PATIENCE)
        expect(other.button("request", "Approve and apply")).to_be_disabled()
        assert "works on EDGE1" in other.output("request").inner_text()
    for tab in (mine, second, other):
        tab.wait_for_state("request", "done")
    assert desk.changed() == {"New-ExchangeCertificate": 1}
    store = RunStore(desk.jupyter.runs, desk.site)
    (change,) = store.changes()
    told = [(one.step, one.mode) for one in store.records(change)]
    assert sorted(told) == [("confirm", "apply"), ("request", "apply"), ("request", "plan")]
