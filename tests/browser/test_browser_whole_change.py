"""The whole change done by clicking, once; then what it left: servers, records, archive, and a notebook to read."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbconvert import HTMLExporter
from playwright.sync_api import Browser, expect

from tests.browser.desk import Desk, open_desk
from tests.browser.labpage import RUNBOOK, as_text, saved_cell, texts_of
from tests.faults.afterwards import changing, state_of
from tests.support.change import Change
from tlsrunbook.adapters.store import RunStore
from tlsrunbook.lab.lab import Lab
from tlsrunbook.steps.registry import STEP_IDS


@dataclass(frozen=True)
class Clicked:
    """What a person has left who did everything by clicking.

    Args:
        saved: The notebook as it was saved at the end.
        session: Folder of the archived session.
        wide: What had to be scrolled to the side, by the theme in which it was looked at.
    """

    desk: Desk
    saved: dict[str, Any]
    session: Path
    wide: list[str]


@pytest.fixture(scope="module")
def clicked(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clicked]:
    with ExitStack() as stack:
        desk = open_desk(stack, chromium, tmp_path_factory.mktemp("whole"), server="EDGE1")
        tab = desk.tab().open().run_all()
        for step in STEP_IDS:
            tab.plan_and_apply(step)
        wide = tab.scrolls_sideways()
        tab.finish()
        saved = tab.save()
        path, _told = desk.jupyter.new_rendering(())
        desk.jupyter.seal_of(path)
        tab.end_kernel()
        tab.close()
        yield Clicked(desk, saved, path.parent, wide)


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Change]:
    """The same change, done by the runner on a lab of its own."""
    with Lab(servers=1) as lab:
        change = Change(lab, tmp_path_factory.mktemp("batch"))
        change.apply("EDGE1", *STEP_IDS)
        yield change


def shape(store: RunStore) -> dict[str, Any]:
    """What every applied step left: files, the record's parts, the transcript's events, the cmdlets sent."""
    (change,) = store.changes()
    left = {}
    for attempt in store.attempts(change):
        record = store.record(attempt)
        assert record
        if record.mode == "apply":
            lines = (attempt.folder / "transcript.jsonl").read_text(encoding="utf-8").splitlines()
            events = [json.loads(line)["event"] for line in lines]
            cmdlets = [command.cmdlets for command in record.commands]
            left[record.step] = (attempt.files, sorted(record.data()), events, cmdlets, record.status)
    return left


def test_the_servers_are_as_after_a_batch_run(clicked: Clicked, batch: Change) -> None:
    by_hand = clicked.desk.lab.server(clicked.desk.site, "EDGE1").snapshot()
    by_run = batch.lab.server(batch.site, "EDGE1").snapshot()
    assert state_of(by_hand).splitlines() == state_of(by_run).splitlines()
    assert clicked.desk.changed() == changing(batch.lab.station(batch.site, "EDGE1").winrm.counters.succeeded)


def test_the_records_are_those_of_a_batch_run(clicked: Clicked, batch: Change) -> None:
    by_hand = shape(RunStore(clicked.desk.jupyter.runs, clicked.desk.site))
    assert list(by_hand) == list(STEP_IDS)
    assert by_hand == shape(batch.store)


def test_the_session_is_archived_and_the_archive_verifies(clicked: Clicked) -> None:
    jupyter = clicked.desk.jupyter
    session = json.loads((clicked.session / "session.json").read_bytes())
    assert [one["step"] for one in session["done"] if one["mode"] == "apply"] == list(STEP_IDS)
    assert (clicked.session / RUNBOOK).read_bytes() == (jupyter.root / RUNBOOK).read_bytes()
    told = subprocess.run(
        [sys.executable, "-m", "tlsrunbook", "audit", "verify", str(jupyter.runs / clicked.desk.site)],
        env=jupyter.environment,
        cwd=clicked.desk.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr


def test_the_saved_notebook_holds_every_record_and_no_secret(clicked: Clicked) -> None:
    assert "widgets" not in clicked.saved["metadata"]
    assert clicked.desk.lab.credential.password.reveal() not in as_text(clicked.saved)
    for step in STEP_IDS:
        cell = saved_cell(clicked.saved, step)
        assert "✔ Done" in texts_of(cell)
        assert "widget-view" not in str(cell["outputs"]), "controls need a kernel; a finished session has none"
    assert clicked.wide == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_is_read_again_without_a_kernel(clicked: Clicked, theme: str) -> None:
    reader = clicked.desk.tab(theme=theme)
    try:
        reader.read()
        for step in STEP_IDS:
            expect(reader.cell(step)).to_contain_text("✔ Done")
        expect(reader.cell("request")).to_contain_text("New-ExchangeCertificate")
        assert reader.page.locator(".jp-Notebook").get_by_text("model not found").count() == 0
        assert reader.page.locator(".jp-Notebook .widget-button").count() == 0
        assert reader.scrolls_sideways() == []
        worst = reader.faintest()
        assert worst["ratio"] >= 4.5, worst
    finally:
        reader.close()


def test_its_html_export_is_read_without_script(clicked: Clicked, chromium: Browser, tmp_path: Path) -> None:
    html, _ = HTMLExporter().from_notebook_node(nbformat.reads(as_text(clicked.saved), 4))
    (tmp_path / "export.html").write_text(html, encoding="utf-8")
    context = chromium.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 900})
    try:
        page = context.new_page()
        page.goto((tmp_path / "export.html").as_uri())
        expect(page.get_by_text("✔ Done")).to_have_count(len(STEP_IDS))
        expect(page.get_by_text("was finished at").first).to_be_visible()
    finally:
        context.close()
