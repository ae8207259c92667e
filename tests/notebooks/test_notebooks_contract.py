"""A notebook is a checklist: parameters, open, one call per step, close. No logic, no outputs."""

from __future__ import annotations

import ast
import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from tlsrunbook.run.context import Run
from tlsrunbook.run.notebooks import PARAMETERS
from tlsrunbook.steps.registry import ALL_STEPS, STEPS

FOLDER = Path(__file__).parents[2] / "notebooks"
#: Cells of the notebooks that are for people alone, by name.
INTERACTIVE = {
    "fleet.ipynb": ("title", "parameters", "open", "why-picture", "picture", "why-show", "show"),
    "runbook.ipynb": (
        *("title", "parameters", "open"),
        *(name for step in STEPS for name in (f"why-{step.id}", step.id)),
        *("why-finish", "finish"),
    ),
}
EVERY = sorted(FOLDER.glob("*.ipynb"))
NOTEBOOKS = [path for path in EVERY if path.name not in INTERACTIVE]
ALLOWED = (
    ast.Module,
    ast.Expr,
    ast.Assign,
    ast.Call,
    ast.Attribute,
    ast.Name,
    ast.Load,
    ast.Store,
    ast.ImportFrom,
    ast.alias,
)


def load(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def code(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def offences(source: str) -> list[str]:
    """Give what a step notebook's cell may not hold."""
    tree = ast.parse(source)
    found = [type(node).__name__ for node in ast.walk(tree) if not isinstance(node, ALLOWED)]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module != "tlsrunbook":
            found.append(f"import from {node.module}")
        if isinstance(node, ast.Assign) and not isinstance(node.value, ast.Call):
            found.append("assignment of something else than a call")
    return found


def test_each_step_has_its_notebook_and_no_other_is_there() -> None:
    assert [path.name for path in NOTEBOOKS] == [step.notebook for step in ALL_STEPS]
    assert {path.name for path in EVERY} - {path.name for path in NOTEBOOKS} == set(INTERACTIVE)


@pytest.mark.parametrize("name", INTERACTIVE)
def test_a_notebook_for_people_has_its_cells_in_order(name: str) -> None:
    assert tuple(cell["id"] for cell in load(FOLDER / name)["cells"]) == INTERACTIVE[name]


def test_the_fleet_is_opened_and_shown_and_nothing_else() -> None:
    sources = {cell["id"]: "".join(cell["source"]) for cell in code(load(FOLDER / "fleet.ipynb"))}
    assert sources["open"] == "from tlsrunbook import open_fleet\n\nfleet = open_fleet(site, runs)\nfleet"
    assert (sources["picture"], sources["show"]) == ("fleet.picture()", "fleet.show()")
    assert [line.split(":")[0] for line in sources["parameters"].splitlines()] == ["site", "runs"]


def test_the_runbook_is_one_card_per_step_and_nothing_else() -> None:
    sources = {cell["id"]: "".join(cell["source"]) for cell in code(load(FOLDER / "runbook.ipynb"))}
    assert sources["open"] == (
        "from tlsrunbook import open_runbook\n\nrunbook = open_runbook(site, server, runs, change)\nrunbook"
    )
    assert {step: sources[step] for step in ("finish", *(step.id for step in STEPS))} == {
        name: f"runbook.{name}()" for name in ("finish", *(step.id for step in STEPS))
    }
    assert tuple(line.split(":")[0] for line in sources["parameters"].splitlines()) == tuple(
        name for name in PARAMETERS if name != "mode"
    )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_are_named_tagged_and_in_order(path: Path) -> None:
    notebook = load(path)
    step = next(step for step in ALL_STEPS if step.notebook == path.name)
    ids = [cell["id"] for cell in notebook["cells"]]
    assert ids == ["title", "parameters", "open", f"why-{step.id}", step.id, "close"]
    assert [cell["metadata"]["tags"] for cell in code(notebook)] == [["parameters"], ["open"], ["step"], ["close"]]
    assert "".join(notebook["cells"][4]["source"]) == f"run.{step.id}()"
    assert step.title in "".join(notebook["cells"][0]["source"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_step_opens_any_change_and_the_way_back_only_one_on_record(path: Path) -> None:
    opener = "open_recorded" if path.name == "rollback.ipynb" else "open_run"
    (cell,) = [cell for cell in code(load(path)) if cell["id"] == "open"]
    assert "".join(cell["source"]) == (
        f"from tlsrunbook import {opener}\n\nrun = {opener}(site, server, runs, change, mode)\nrun"
    )


@pytest.mark.parametrize("path", EVERY, ids=lambda path: path.stem)
def test_notebooks_are_committed_bare(path: Path) -> None:
    notebook = load(path)
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code(notebook))
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_parameters_are_the_five_all_text_with_help(path: Path) -> None:
    (cell,) = [cell for cell in code(load(path)) if cell["id"] == "parameters"]
    names = []
    for line in cell["source"]:
        node = ast.parse(line).body[0]
        assert isinstance(node, ast.AnnAssign)
        assert isinstance(node.target, ast.Name)
        assert isinstance(node.annotation, ast.Name)
        assert node.annotation.id == "str"
        assert isinstance(node.value, ast.Constant)
        assert "# " in line, "a parameter without help"
        names.append(node.target.id)
    assert tuple(names) == PARAMETERS


@pytest.mark.parametrize("path", EVERY, ids=lambda path: path.stem)
def test_notebooks_hold_no_logic(path: Path) -> None:
    for cell in code(load(path)):
        if cell["id"] != "parameters":
            assert offences("".join(cell["source"])) == []


@pytest.mark.parametrize(
    "planted",
    ["if mode: run()", "x = 1 + 1", "for s in run: s()", "import os", "f'{site}'", "[x for x in run]", "lambda: 1"],
)
def test_the_contract_sees_planted_logic(planted: str) -> None:
    assert offences(planted)


def test_every_step_call_is_a_documented_method_of_run() -> None:
    for step in ALL_STEPS:
        method = getattr(Run, step.id)
        assert inspect.getdoc(method)
        assert list(inspect.signature(method).parameters) == ["self"]


@pytest.mark.parametrize("path", EVERY, ids=lambda path: path.stem)
def test_markdown_says_why_in_few_lines(path: Path) -> None:
    for cell in load(path)["cells"]:
        if cell["cell_type"] == "markdown":
            assert 1 <= len(cell["source"]) <= 5
            assert "```" not in "".join(cell["source"]), "no commands to copy"
