"""A reload and a restart of the kernel in the middle of each step: the page finds its way, nothing is sent twice."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.desk import Desk
from tests.browser.labpage import PATIENCE, LabPage
from tests.faults.afterwards import changing, state_of
from tests.support.change import Change
from tests.support.jupyter import waited_for
from tlsrunbook.steps.registry import STEP_IDS, step_of

#: What each step is stopped at: the first cmdlet that changes something, or, where none does, one that looks.
MIDDLE = {
    "confirm": "Get-ReceiveConnector",
    "request": "New-ExchangeCertificate",
    "install": "Import-ExchangeCertificate",
    "activate": "Enable-ExchangeCertificate",
    "connectors": "New-SendConnector",
    "verify": "Get-SendConnector",
}
BROKEN_OFF = re.compile(r"^\W*(Failed|Unknown)\b")


def begin(tab: LabPage, step: str) -> None:
    """Press what sends the step."""
    if not step_of(step).looks_only:
        tab.press(step, "Plan")
        tab.wait_for_state(step, "planned")
    tab.press(step, "Check" if step_of(step).looks_only else "Approve and apply")


def break_off(desk: Desk, tab: LabPage, step: str) -> None:
    """Reload the page, then restart the kernel, while the server is at work on a cmdlet of this step."""
    counters = desk.lab.station(desk.site, "EDGE1").winrm.counters
    cmdlet = MIDDLE[step]
    with desk.board.holding(cmdlet) as held:
        before = counters.cmdlets[cmdlet]
        begin(tab, step)
        assert held.wait(60), f"{cmdlet} did not come"
        tab.save()
        tab.reload()
        expect(tab.card(step)).to_contain_text(re.compile(r"Applying|at work|Asking|Changing"), timeout=PATIENCE)
        for button in tab.card(step).get_by_role("button", name=re.compile("^(Plan|Approve and apply|Check)$")).all():
            expect(button).to_be_disabled()
        tab.restart_kernel()
    waited_for(lambda: counters.cmdlets[cmdlet] > before, f"the end of {cmdlet}")


def test_each_step_survives_a_reload_and_a_restart_in_its_middle(
    desk_on: Callable[..., Desk], change_on: Callable[..., Change]
) -> None:
    clean = change_on(servers=1)
    clean.apply("EDGE1", *STEP_IDS)
    desk = desk_on(server="EDGE1")
    tab = desk.tab().open().run_all()
    for at, step in enumerate(STEP_IDS):
        break_off(desk, tab, step)
        tab.run_all()
        for done in STEP_IDS[:at]:
            tab.wait_for_state(done, "done")
        tab.wait_for_state(step, BROKEN_OFF)
        tab.go_on(step)
    was, wanted = desk.lab.server(desk.site, "EDGE1"), clean.lab.server(clean.site, "EDGE1")
    assert state_of(was.snapshot()) == state_of(wanted.snapshot())
    assert desk.changed() == changing(clean.lab.station(clean.site, "EDGE1").winrm.counters.succeeded)
