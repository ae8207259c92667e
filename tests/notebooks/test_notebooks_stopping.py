"""The notebooks in a real kernel, all cells at once: a closed gate stops the run with one clear message."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter

from tests.support.change import Change
from tlsrunbook.steps.registry import STEPS

FOLDER = Path(__file__).parents[2] / "notebooks"
#: What a wall of frames looks like.
WALL = re.compile(r"Traceback \(most recent call last\)|----> |\x1b\[|File .*:\d+, in ")


@pytest.fixture
def change(change_on: Callable[..., Change]) -> Change:
    return change_on(servers=1)


def notebook_of(on: Change, step: str, mode: str = "apply", **parameters: str) -> Any:
    """Give a step's notebook with its parameters filled in, as an operator does by hand."""
    path = next(FOLDER / one.notebook for one in STEPS if one.id == step)
    notebook = nbformat.read(path, 4)
    (cell,) = [cell for cell in notebook.cells if cell.get("id") == "parameters"]
    given = {"site": str(on.site_file), "server": "EDGE1", "runs": str(on.runs), "mode": mode, **parameters}
    cell.source += "".join(f"\n{name} = {value!r}" for name, value in given.items())
    return notebook


def run_all(notebook: Any, folder: Path) -> CellExecutionError | None:
    client = NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(folder)}})
    try:
        client.execute()
    except CellExecutionError as error:
        return error
    return None


def outputs(notebook: Any, cell_id: str) -> list[Any]:
    (cell,) = [cell for cell in notebook.cells if cell.get("id") == cell_id]
    return list(cell.outputs)


def test_a_closed_gate_is_one_message_and_nothing_after_it_runs(change: Change, tmp_path: Path) -> None:
    notebook = notebook_of(change, "install")
    error = run_all(notebook, tmp_path)
    assert error is not None
    assert (error.ename, "run the step request first" in error.evalue) == ("StepStopped", True)
    shown, stopped = outputs(notebook, "install")
    assert stopped.ename == "StepStopped"
    assert stopped.evalue.startswith("london / EDGE1 / install: EDGE1 has no pending request")
    assert stopped.traceback == [
        "⊘ Install the certificate on EDGE1 (london): blocked",
        "  What was seen: EDGE1 has no pending request and no certificate for mx1.london.example.net",
        "  What to do: run the step request first",
    ]
    assert "⊘ blocked" in read(shown["data"]["text/html"])
    assert outputs(notebook, "close") == []
    assert [cell.execution_count for cell in notebook.cells if cell.get("id") == "close"] == [None]


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"server": "edge7"}, "  What to do: did you mean EDGE1?"),
        ({"mode": "aply"}, "  What to do: write plan or apply"),
        ({"change": "42"}, "✗ UsageError: there is no change '42'"),
    ],
)
def test_a_wrong_parameter_is_one_message_in_a_kernel_too(
    change: Change, tmp_path: Path, parameters: dict[str, str], says: str
) -> None:
    notebook = notebook_of(change, "confirm", **parameters)
    assert run_all(notebook, tmp_path) is not None
    (stopped,) = outputs(notebook, "open")
    assert any(says in line for line in stopped.traceback)
    assert not WALL.search("\n".join(stopped.traceback))


def test_an_unforeseen_exception_is_short_and_shows_no_local(change: Change, tmp_path: Path) -> None:
    secret = "s3cret-in-a-frame-0815"
    notebook = notebook_of(change, "confirm")
    (cell,) = [cell for cell in notebook.cells if cell.get("id") == "open"]
    cell.source += (
        "\n%xmode Verbose\nimport tlsrunbook.run.recording as recording\n"
        "def bug(*_):\n"
        f"    password = {secret[:9]!r} + {secret[9:]!r}\n"
        "    raise KeyError('a bug')\n"
        "recording.run_step = bug"
    )
    error = run_all(notebook, tmp_path)
    assert error is not None
    assert (error.ename, error.evalue) == ("KeyError", "'a bug'")
    (stopped,) = outputs(notebook, "confirm")
    told = "\n".join(stopped.traceback)
    assert told.startswith("✗ KeyError: 'a bug'")
    assert len(stopped.traceback) <= 12
    assert secret not in told
    assert not WALL.search(told)


def read(html: str) -> str:
    """Give the words of a page, which may be coloured in the middle."""
    return unescape(re.sub(r"</?(span|strong)\b[^>]*>", "", html))


def test_every_step_carries_its_cards_static_form_and_exports_to_html(change: Change, tmp_path: Path) -> None:
    expected = {
        "request": ("What to tell the CA", "TLSA records to publish early (DANE)", "Download london-edge1.csr"),
        "install": ("The CA's answer", "a trusted root"),
        "connectors": ("The three send connectors (before → now)", "TLS required EDGE1"),
        "verify": ("Endpoint 127.0.0.1", "✓ yes", "How Exchange chose, rule by rule"),
    }
    for step in STEPS:
        notebook = notebook_of(change, step.id)
        assert run_all(notebook, tmp_path) is None
        (shown,) = outputs(notebook, step.id)
        page, _ = HTMLExporter(template_name="classic").from_notebook_node(notebook)
        for words in expected.get(step.id, ()):
            assert words in read(shown["data"]["text/html"]), step.id
            assert words in read(page), step.id
        assert "<script" not in shown["data"]["text/html"]
        assert "<style" not in shown["data"]["text/html"]
