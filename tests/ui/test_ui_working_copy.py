"""The operator's copies: filled in safely, kept whatever happens, and never the committed notebooks."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsrunbook.errors import UsageError
from tlsrunbook.run.notebooks import notebook_files
from tlsrunbook.ui import working_copy
from tlsrunbook.ui.working_copy import with_values, working_copies

GIVEN = {"site": "/sites/london.toml", "server": "EDGE1", "runs": "/runs"}
CELL = 'site: str = ""  # path ä of the site file\nserver: str = ""\nmode: str = "plan"  # plan or apply'


def values(source: str) -> dict[str, object]:
    found = [node for node in ast.parse(source).body if isinstance(node, ast.AnnAssign)]
    return {ast.unparse(node.target): ast.literal_eval(node.value) for node in found if node.value}


@given(st.text(), st.text())
def test_whatever_a_value_holds_it_stays_a_value(site: str, server: str) -> None:
    source = with_values(CELL, {"site": site, "server": server})
    assert values(source) == {"site": site, "server": server, "mode": "plan"}
    assert source.count("\n") == 2
    assert "# path ä of the site file" in source
    assert with_values(source, {"mode": "apply"}).endswith("mode: str = 'apply'  # plan or apply")


def test_every_notebook_has_a_copy_with_the_site_in_it_and_the_sources_stay_as_they_are(tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in notebook_files()}
    copies = working_copies(tmp_path / "work", GIVEN)
    assert copies.opens == tmp_path / "work" / "runbook.ipynb"
    assert copies.notes == ()
    for source in notebook_files():
        notebook = json.loads((tmp_path / "work" / source.name).read_bytes())
        cell = next(cell for cell in notebook["cells"] if "parameters" in cell["metadata"].get("tags", ()))
        told = values("".join(cell["source"]))
        assert {name: told[name] for name in GIVEN if name in told} == {n: GIVEN[n] for n in GIVEN if n in told}
        assert notebook["metadata"]["tlsrunbook"]["source"] == source.name
    assert {path: path.read_bytes() for path in notebook_files()} == before


def test_a_copy_that_is_there_is_kept(tmp_path: Path) -> None:
    first = working_copies(tmp_path, GIVEN)
    notebook = json.loads(first.opens.read_bytes())
    notebook["cells"][0]["source"] = "my own note"
    first.opens.write_text(json.dumps(notebook), encoding="utf-8")
    again = working_copies(tmp_path, {**GIVEN, "server": "MBX1"})
    assert again == first
    assert json.loads(first.opens.read_bytes()) == notebook


def test_a_newer_notebook_is_put_beside_an_older_copy_and_both_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source" / "runbook.ipynb"
    source.parent.mkdir()
    older = next(path for path in notebook_files() if path.name == "runbook.ipynb").read_bytes()
    source.write_bytes(older)
    monkeypatch.setattr(working_copy, "notebook_files", lambda: (source,))
    first = working_copies(tmp_path / "work", GIVEN)
    kept = first.opens.read_bytes()
    source.write_bytes(older.replace(b"Run all cells once", b"Run all cells, once"))
    second = working_copies(tmp_path / "work", GIVEN)
    assert second.opens.name == "runbook-2.ipynb"
    assert b"Run all cells, once" in second.opens.read_bytes()
    assert first.opens.read_bytes() == kept
    (note,) = second.notes
    assert note.startswith("runbook.ipynb is made from that of tlsrunbook ")
    assert note.endswith("and is kept; use runbook-2.ipynb")
    assert working_copies(tmp_path / "work", GIVEN) == second


@pytest.mark.parametrize(
    ("name", "value"), [("site", "/sites/paris.toml"), ("runs", "/elsewhere")], ids=["another site", "another folder"]
)
def test_a_copy_for_something_else_is_kept_and_not_used(tmp_path: Path, name: str, value: str) -> None:
    first = working_copies(tmp_path, GIVEN)
    other = working_copies(tmp_path, {**GIVEN, name: value})
    assert other.opens.name == "runbook-2.ipynb"
    assert any(f"for {name} = " in note for note in other.notes)
    assert working_copies(tmp_path, GIVEN).opens == first.opens


@pytest.mark.parametrize("content", [b"", b"{}", b"no notebook", b'{"cells": 7, "metadata": {}}'])
def test_a_file_that_is_no_notebook_is_kept_too(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "runbook.ipynb").write_bytes(content)
    assert working_copies(tmp_path, GIVEN).opens.name == "runbook-2.ipynb"
    assert (tmp_path / "runbook.ipynb").read_bytes() == content


def test_the_committed_notebooks_are_never_worked_on() -> None:
    with pytest.raises(UsageError, match="committed notebooks"):
        working_copies(notebook_files()[0].parent, GIVEN)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(UsageError, match="--work"):
        working_copies(tmp_path / "file" / "below", GIVEN)
