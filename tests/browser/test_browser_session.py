"""From the start of JupyterLab to the sealed archive, clicked by a person."""

from __future__ import annotations

import json
from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.desk import Desk
from tests.browser.labpage import RUNBOOK, as_text, saved_cell, texts_of


def test_the_runbook_starts_with_the_site_chosen_and_a_finished_session_is_archived(
    desk_on: Callable[..., Desk],
) -> None:
    desk = desk_on(server="EDGE1")
    tab = desk.tab().open().run_all()
    expect(tab.server).to_have_value("EDGE1")
    tab.press("confirm", "Check")
    tab.wait_for_state("confirm", "done")
    tab.press("request", "Plan")
    tab.wait_for_state("request", "planned")
    assert tab.scrolls_sideways() == []
    tab.save()
    # A restarted kernel knows where the work stands, from the records alone.
    tab.restart_kernel()
    tab.run_all()
    tab.wait_for_state("request", "planned")
    tab.finish()
    saved = tab.save()
    path, told = desk.jupyter.new_rendering(())
    assert told["rendering"] == "archived"
    assert (path.parent / "runbook.ipynb").read_bytes() == (desk.jupyter.root / RUNBOOK).read_bytes()
    assert "widgets" not in saved["metadata"]
    desk.jupyter.seal_of(path)
    assert desk.lab.credential.password.reveal() not in as_text(saved)
    session = json.loads((path.parent / "session.json").read_bytes())
    assert [one["step"] for one in session["done"]] == ["confirm", "request"]
    # Opened again by somebody without a kernel, it still tells what was done.
    tab.end_kernel()
    reader = desk.tab().open(kernel=False)
    expect(reader.cell("request")).to_contain_text("New-ExchangeCertificate")
    expect(reader.cell("finish")).to_contain_text("was finished at")
    assert "was finished at" in texts_of(saved_cell(saved, "finish"))


def test_a_finished_session_that_is_never_saved_is_sealed_without_its_notebook(desk_on: Callable[..., Desk]) -> None:
    desk = desk_on(server="EDGE1", final_save=1.0)
    tab = desk.tab().open().run_all()
    tab.press("confirm", "Check")
    tab.wait_for_state("confirm", "done")
    tab.finish()
    path, told = desk.jupyter.new_rendering(())
    assert told["rendering"] == "missing"
    assert "was not saved within" in told["why"]
    assert not (path.parent / "runbook.ipynb").exists()
    desk.jupyter.seal_of(path)
