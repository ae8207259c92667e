"""What the evidence tells of sessions, in the report and for ``audit show``."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tlsrunbook.adapters.store import RunStore
from tlsrunbook.evidence.layout import SESSION, SESSION_NOTEBOOK, SESSION_PAGE, SESSION_RENDERING
from tlsrunbook.evidence.rendering import Rendering
from tlsrunbook.run.sessions import session_rows
from tlsrunbook.ui.session import Done, Session
from tlsrunbook.wiring_evidence import change_shown, report_change

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
WHO = {"user": "alice", "host": "admin-ws", "process": "1"}
DONE = Done("confirm", 1, "apply", "unchanged", "EDGE1/1-confirm/attempt-1/record.json", "0" * 64)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs", "london")


@pytest.fixture
def change(store: RunStore) -> str:
    return store.new_change(NOW, {"servers": ["EDGE1"], "who": WHO})


def add(store: RunStore, change: str, number: int, rendering: Rendering | None) -> None:
    times = ("2026-11-24T12:00:01.000Z", "2026-11-24T12:05:00.000Z")
    session = Session("london", "EDGE1", change, number, *times, WHO, {"package": "1"}, (DONE,))
    assert store.file(change, SESSION.format(number), session.encoded())
    if rendering:
        store.file(change, SESSION_RENDERING.format(number), rendering.encoded())
    if rendering and rendering.sha256:
        store.file(change, SESSION_NOTEBOOK.format(number), b"{}")
        store.file(change, SESSION_PAGE.format(number), b"<p>page</p>")


def test_each_session_says_who_did_what_and_what_became_of_its_notebook(store: RunStore, change: str) -> None:
    add(store, change, 1, Rendering("t", "0" * 64, "runbook.ipynb", "ab" * 32))
    add(store, change, 2, Rendering("t", "0" * 64, why="its kernel was ended before the notebook was saved"))
    add(store, change, 3, None)
    first, second, third = session_rows(store, change)
    assert (first["rendering"], first["page"]) == ("archived", "sessions/1/runbook.html")
    assert first["steps"] == ["confirm 1, apply: unchanged"]
    assert (second["rendering"], second["page"]) == ("missing", "")
    assert third["rendering"] == "not settled"
    assert list(change_shown(store.folder / change)["sessions"]) == [first, second, third]


def test_the_report_has_a_row_per_session_with_a_link_that_leads_to_the_page(store: RunStore, change: str) -> None:
    add(store, change, 1, Rendering("t", "0" * 64, "<runbook>.ipynb", "ab" * 32))
    add(store, change, 2, Rendering("t", "0" * 64, why="it was not saved within 10 minutes"))
    report = report_change(store, change)
    page = report.read_text(encoding="utf-8")
    assert "Sessions in JupyterLab" in page
    assert "alice on admin-ws" in page
    assert "&lt;runbook&gt;.ipynb" in page
    assert "– missing" in page
    assert "it was not saved within 10 minutes" in page
    link = page.split('href="../../sessions', 1)[1].split('"')[0]
    assert (report.parent / f"../../sessions{link}").resolve().is_file()


def test_a_change_without_sessions_has_no_such_section(store: RunStore, change: str) -> None:
    assert "Sessions in JupyterLab" not in report_change(store, change).read_text(encoding="utf-8")


@pytest.mark.parametrize("content", [b"no json", b"[]", json.dumps({"done": []}).encode()])
def test_a_session_that_cannot_be_read_is_said_and_does_not_stop_the_report(
    store: RunStore, change: str, content: bytes
) -> None:
    store.file(change, SESSION.format(1), content)
    (row,) = session_rows(store, change)
    assert "cannot be read" in row["wrong"]
    assert "cannot be read" in report_change(store, change).read_text(encoding="utf-8")
