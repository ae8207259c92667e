"""A notebook that ended early says so, at every cell; real kernels, ended in every way there is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.notebooks import TEXT, a_notebook, states
from tlsrunbook.about import __version__
from tlsrunbook.errors import EvidenceError
from tlsrunbook.run.engine import Execution, NotebookJob
from tlsrunbook.run.executed import ended_early, filed, truthful
from tlsrunbook.run.hosted import DIED
from tlsrunbook.run.server_kernel import Kernels, ServerKernel, can_fork, open_kernels

BEFORE = {"parameters": "site = ''", "open": "x = 1"}
AFTER = {"explained": f"{TEXT}## After", "later": "x = 2", "close": "x = 3"}

#: How a cell ends a notebook, and what is then said of it.
ENDINGS = {
    "dead kernel": ("import os, signal; os._exit(7)", "DeadKernelError"),
    "time-out": ("import threading; threading.Event().wait()", "CellTimeoutError"),
    "error": ("1 / 0", "ZeroDivisionError"),
    "exit with an error": ("import sys; sys.exit(3)", "SystemExit"),
    "exit as if all were well": ("import sys; sys.exit(0)", "SystemExit: 0"),
}


KINDS = [kind for kind in ("fork", "pool", "cold") if kind != "fork" or can_fork()]


@pytest.fixture(scope="module", params=KINDS)
def kernels(request: pytest.FixtureRequest) -> Iterator[Kernels]:
    some = open_kernels(request.param, 1)
    yield some
    some.close()


@pytest.fixture(scope="module")
def process(kernels: Kernels) -> Iterator[ServerKernel]:
    one = kernels.start({})
    yield one
    one.close()


def executed(process: ServerKernel, folder: Path, **cells: str) -> tuple[Execution, dict[str, Any], str]:
    """Execute a notebook and file it."""
    source = a_notebook(folder / "source.ipynb", **cells)
    done = process.execute(NotebookJob(source, folder / ".work.ipynb", {"site": "here"}, cell_seconds=8))
    said = filed(source, done.sha256, folder / ".work.ipynb", folder / "executed.ipynb", done.ended_by)
    return done, json.loads((folder / "executed.ipynb").read_bytes()), said


@pytest.mark.xdist_group("executed")
def test_a_notebook_that_ran_through_says_so(process: ServerKernel, tmp_path: Path) -> None:
    done, notebook, said = executed(process, tmp_path, **BEFORE, **AFTER)
    assert (done.ended_by, said) == ("", "")
    assert set(states(notebook).values()) == {"completed"}
    facts = notebook["metadata"]["papermill"]
    assert facts["exception"] is False
    assert facts["ended_by"] == ""
    source = hashlib.sha256((tmp_path / "source.ipynb").read_bytes()).hexdigest()
    assert notebook["metadata"]["tlsrunbook"] == {
        "source": "source.ipynb",
        "source_sha256": source,
        "package": __version__,
    }
    assert str(tmp_path) not in json.dumps(facts), "no path of this computer"
    left = sorted(path.name for path in tmp_path.iterdir() if "ipynb" in path.name)
    assert left == ["executed.ipynb", "source.ipynb"]


@pytest.mark.xdist_group("executed")
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_notebook_that_ended_early_says_what_ended_it_and_what_never_ran(
    process: ServerKernel, tmp_path: Path, ending: str
) -> None:
    source, says = ENDINGS[ending]
    done, notebook, said = executed(process, tmp_path, **BEFORE, the_end=source, **AFTER)
    assert says in done.ended_by
    assert said == done.ended_by
    found = states(notebook)
    injected = {name: state for name, state in found.items() if name not in {*BEFORE, "the-end", *AFTER}}
    assert set(injected.values()) <= {"completed"}, "the parameters that were filled in"
    assert {name: found[name] for name in BEFORE} == dict.fromkeys(BEFORE, "completed")
    assert found["the-end"] == "failed"
    assert {name: found[name] for name in AFTER} == dict.fromkeys(AFTER, "not_run")
    facts = notebook["metadata"]["papermill"]
    assert facts["exception"] is True
    assert facts["ended_by"] == said
    never = next(cell for cell in notebook["cells"] if cell["id"] == "close")["metadata"]["papermill"]
    assert {never[key] for key in ("start_time", "end_time", "duration")} == {None}


@pytest.mark.xdist_group("executed")
def test_when_the_process_dies_its_last_save_tells_and_the_next_notebook_gets_a_new_process(
    process: ServerKernel, tmp_path: Path
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    end = "import os, psutil\n"
    end += "above = psutil.Process(os.getpid()).parents()\n"
    end += "next(one for one in above if 'notebook_executor' in ' '.join(one.cmdline())).kill()\n"
    end += "import threading; threading.Event().wait()"
    done, notebook, said = executed(process, tmp_path / "a", **BEFORE, the_end=end, **AFTER)
    assert done.ended_by == said == DIED
    found = states(notebook)
    assert (found["open"], found["the-end"], found["later"]) == ("completed", "failed", "not_run")
    again, _, _ = executed(process, tmp_path / "b", **BEFORE)
    assert again.ended_by == ""


def test_without_a_readable_notebook_nothing_is_claimed_of_any_cell(tmp_path: Path) -> None:
    source = a_notebook(tmp_path / "source.ipynb", **BEFORE)
    (tmp_path / ".work.ipynb").write_bytes(b'{"cells": [')
    said = filed(source, "", tmp_path / ".work.ipynb", tmp_path / "executed.ipynb", DIED)
    notebook = json.loads((tmp_path / "executed.ipynb").read_bytes())
    assert said == DIED
    assert set(states(notebook).values()) == {"not_known"}
    assert notebook["metadata"]["papermill"]["exception"] is True
    assert not (tmp_path / ".work.ipynb").exists()


def test_a_notebook_that_cannot_be_written_is_an_error_of_the_evidence(tmp_path: Path) -> None:
    source = a_notebook(tmp_path / "source.ipynb", **BEFORE)
    with pytest.raises(EvidenceError, match="cannot be written"):
        filed(source, "", tmp_path / "gone" / ".work.ipynb", tmp_path / "gone" / "executed.ipynb", "")


def answered(name: str, **facts: Any) -> dict[str, Any]:
    """Give a code cell as nbclient leaves it after the kernel's answer."""
    own = {"start_time": "t", "exception": False, "status": "completed", **facts}
    execution = {"shell.execute_reply": "t"} if own["start_time"] else {}
    return {"cell_type": "code", "id": name, "source": "x", "metadata": {"papermill": own, "execution": execution}}


def test_a_kernel_that_died_after_the_last_cell_makes_no_cell_fail() -> None:
    notebook = truthful({"cells": [answered("one"), answered("two")], "metadata": {}}, "DeadKernelError: died")
    assert states(notebook) == {"one": "completed", "two": "completed"}
    assert notebook["metadata"]["papermill"] == {"exception": True, "ended_by": "DeadKernelError: died"}


def test_what_papermill_claims_of_a_cell_that_never_started_is_corrected() -> None:
    cells = [answered("one"), answered("two", start_time=None, end_time="t")]
    assert ended_early({"cells": cells}) == "the cell two was never run"
    notebook = truthful({"cells": cells, "metadata": {}}, "")
    assert states(notebook) == {"one": "completed", "two": "not_run"}
    assert notebook["metadata"]["papermill"]["exception"] is True
