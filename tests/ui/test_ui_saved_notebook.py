"""The runbook in a real kernel: what the saved file holds, and what is left of it without a kernel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbclient
import nbconvert
import nbformat
import pytest

from tests.support.change import STEPS, Change
from tlsrunbook.evidence.record import MEDIA_TYPE
from tlsrunbook.ui.working_copy import with_values

SOURCE = Path(__file__).parents[2] / "notebooks" / "runbook.ipynb"
#: What somebody presses, as a cell: the kernel gets a click as this call.
PRESS = """
for step, button in (("confirm", "apply"), ("request", "plan")):
    runbook.press(step, button)
    assert runbook.works.wait(60)
"""


def executed(change: Change, *cells: str) -> Any:
    """Give the runbook as JupyterLab saves it (without the state of its widgets) after all cells, and some more."""
    notebook = nbformat.read(SOURCE, as_version=4)
    parameters = next(cell for cell in notebook.cells if cell.id == "parameters")
    given = {"site": str(change.site_file), "server": "EDGE1", "runs": str(change.runs)}
    parameters.source = with_values(parameters.source, given)
    notebook.cells += [nbformat.v4.new_code_cell(source) for source in cells]
    nbclient.NotebookClient(notebook, timeout=120, store_widget_state=False).execute()
    return notebook


def outputs(notebook: Any, cell: str) -> list[Any]:
    return next(one for one in notebook.cells if one.id == cell).outputs


@pytest.fixture
def change(change_on: Callable[..., Change]) -> Change:
    return change_on(servers=1)


def test_run_all_shows_every_card_and_sends_nothing(change: Change) -> None:
    before = change.snapshots()
    notebook = executed(change)
    for step in STEPS:
        controls, record = outputs(notebook, step)
        assert "application/vnd.jupyter.widget-view+json" in controls.data
        assert "buttons" in controls.data["text/html"]
        assert "on EDGE1" in record.data["text/plain"]
    assert change.snapshots() == before
    assert change.store.changes() == ()


def test_what_was_recorded_is_read_in_the_saved_file_and_in_its_html_export(change: Change) -> None:
    notebook = executed(change, PRESS)
    record = outputs(notebook, "confirm")[1].data
    assert record[MEDIA_TYPE]["status"] == "unchanged"
    assert "Done: step 1" in record["text/plain"]
    planned = outputs(notebook, "request")[1].data
    assert "KeySize: - -> 2048" in planned["text/plain"]
    page, _ = nbconvert.HTMLExporter().from_notebook_node(notebook)
    for text in ("Done", "mx1.london.example.net", "KeySize", "New-ExchangeCertificate", "was recorded stands below"):
        assert text in page, text
    assert "model not found" not in page
    assert "application/vnd.jupyter.widget-view+json" not in page


def test_a_kernel_that_is_started_anew_goes_on_where_the_records_end(change: Change) -> None:
    executed(change, PRESS)
    notebook = executed(change)
    assert outputs(notebook, "confirm")[1].data["text/plain"].startswith("✔ Done: step 1")
    assert outputs(notebook, "request")[1].data["text/plain"].startswith("○ Planned: step 2")
    assert "2 attempt(s) on record" in outputs(notebook, "finish")[1].data["text/plain"]
