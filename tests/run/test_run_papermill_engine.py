"""``papermill --engine tlsrunbook``: what the batch guarantees, for whoever types papermill."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.notebooks import a_notebook, states
from tests.support.papermill_command import papermill

BEFORE = {"parameters": "site = ''", "open": "x = 1"}
AFTER = {"later": "x = 2", "close": "x = 3"}
ENGINE = ("--engine", "tlsrunbook")
PASSWORD = "correct horse 'battery' staple"

ENDINGS = {
    "dead kernel": ("import os; os._exit(7)", (), "DeadKernelError"),
    "time-out": ("import threading; threading.Event().wait()", ("--execution-timeout", "3"), "CellTimeoutError"),
    "error": ("1 / 0", (), "ZeroDivisionError"),
    "exit with an error": ("import sys; sys.exit(3)", (), "SystemExit"),
    "exit as if all were well": ("import sys; sys.exit(0)", (), "SystemExit"),
}


def done(folder: Path, *options: str, env: dict[str, str] | None = None, **cells: str) -> tuple[Any, dict[str, Any]]:
    """Execute a notebook and give papermill's process and the notebook it saved."""
    source = a_notebook(folder / "source.ipynb", **cells)
    process = papermill(source, "out.ipynb", folder, *ENGINE, *options, env=env, site="here")
    return process, json.loads((folder / "out.ipynb").read_bytes())


def test_a_notebook_that_ran_through_says_so_and_names_no_place_of_this_computer(tmp_path: Path) -> None:
    process, notebook = done(tmp_path, **BEFORE, **AFTER)
    assert process.returncode == 0, process.stderr[-2000:]
    assert set(states(notebook).values()) == {"completed"}
    facts = notebook["metadata"]["papermill"]
    assert facts["parameters"] == {"site": "here"}
    assert facts["exception"] is False
    assert not {"input_path", "output_path"} & set(facts)
    assert str(tmp_path) not in json.dumps(notebook)
    assert notebook["metadata"]["language_info"]["name"] == "python"
    assert [cell["execution_count"] for cell in notebook["cells"]] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_papermill_saves_is_true_however_the_notebook_ended(tmp_path: Path, ending: str) -> None:
    source, options, says = ENDINGS[ending]
    process, notebook = done(tmp_path, *options, **BEFORE, the_end=source, **AFTER)
    assert process.returncode != 0, "a notebook that ended early is no success"
    assert says in process.stderr
    found = states(notebook)
    assert {name: found[name] for name in BEFORE} == dict.fromkeys(BEFORE, "completed")
    assert found["the-end"] == "failed"
    assert {name: found[name] for name in AFTER} == dict.fromkeys(AFTER, "not_run")
    assert notebook["metadata"]["papermill"]["exception"] is True
    assert says in notebook["metadata"]["papermill"]["ended_by"]


def test_no_kernel_and_no_socket_is_left(tmp_path: Path) -> None:
    temporary = tmp_path / "t"
    temporary.mkdir()
    tell = "import os, pathlib; pathlib.Path('pid').write_text(str(os.getpid()))"
    done(tmp_path, env={"TMPDIR": str(temporary)}, parameters=tell, the_end="os._exit(7)")
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))
    assert not list(temporary.iterdir())


def test_a_credential_of_the_environment_is_masked_in_every_save(tmp_path: Path) -> None:
    show = f"""
import html, json, os, pathlib, sys
from IPython.display import HTML, display
password = {PASSWORD!r}
assert site == password
first = pathlib.Path("out.ipynb").read_text()  # what was saved before this cell ran
assert "ho" + "rse" not in first
print(password, flush=True)
print("for my eyes only:", password, file=sys.stderr)
display(HTML("<b>" + html.escape(password) + "</b>"))
print(json.dumps([password]))
assert [password] == [site]
site"""
    source = a_notebook(tmp_path / "source.ipynb", parameters="site = ''", show=show, fail="raise ValueError(password)")
    named = {"TLSRUNBOOK_CREDENTIAL_ADMIN_USER": "admin", "TLSRUNBOOK_CREDENTIAL_ADMIN_PASSWORD": PASSWORD}
    process = papermill(source, "out.ipynb", tmp_path, *ENGINE, env=named, site=PASSWORD)
    assert "ValueError: ********" in process.stderr
    assert "horse" not in process.stderr
    text = (tmp_path / "out.ipynb").read_text(encoding="utf-8")
    shown = json.loads(text)
    outputs = [output for cell in shown["cells"] for output in cell.get("outputs", ()) if cell["id"] == "show"]
    assert len(outputs) == 4, "stdout, stderr, display and result"
    assert "horse" not in text
    assert text.count("********") >= 7


def test_streams_are_one_each_and_widgets_leave_no_state(tmp_path: Path) -> None:
    show = """
import sys, ipywidgets
for number in range(50):
    print(number, flush=True)
ipywidgets.Password(value="hidden-in-a-widget")"""
    process, notebook = done(tmp_path, parameters="site = ''", show=show)
    assert process.returncode == 0, process.stderr[-2000:]
    outputs = notebook["cells"][-1]["outputs"]
    assert [output["output_type"] for output in outputs] == ["stream", "execute_result"]
    assert "".join(outputs[0]["text"]).split() == [str(number) for number in range(50)]
    assert "widgets" not in notebook["metadata"]
    assert "hidden-in-a-widget" not in json.dumps(notebook["cells"][-1]["outputs"] + [notebook["metadata"]])


def test_where_unix_sockets_are_missing_it_goes_over_encrypted_tcp(tmp_path: Path) -> None:
    look = """
import json, sys, pathlib
from ipykernel.kernelapp import IPKernelApp
app = IPKernelApp.instance()
(app.transport, app.shell_socket.getsockopt(__import__("zmq").CURVE_SERVER), app.curve_secretkey is not None)"""
    process, notebook = done(tmp_path, env={"TLSRUNBOOK_TRANSPORT": "tcp"}, parameters="site = ''", look=look)
    assert process.returncode == 0, process.stderr[-2000:]
    (result,) = notebook["cells"][-1]["outputs"]
    assert "".join(result["data"]["text/plain"]) == "('tcp', 1, True)"


def test_otherwise_it_goes_over_a_socket_of_its_own_that_only_this_user_can_open(tmp_path: Path) -> None:
    look = """
import os, pathlib
from ipykernel.kernelapp import IPKernelApp
app = IPKernelApp.instance()
folder = pathlib.Path(app.connection_file).parent
(app.transport, folder.is_absolute(), oct(folder.stat().st_mode & 0o777))"""
    process, notebook = done(tmp_path, parameters="site = ''", look=look)
    assert process.returncode == 0, process.stderr[-2000:]
    (result,) = notebook["cells"][-1]["outputs"]
    assert "".join(result["data"]["text/plain"]) == "('ipc', True, '0o700')"


def test_the_door_imports_nothing_and_opens_in_any_order() -> None:
    probe = (
        "import sys, tlsrunbook.run.papermill_entry as door\n"
        "heavy = {'papermill', 'nbclient', 'zmq', 'jupyter_client'}\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & heavy))\n"
        "import papermill.engines as engines\n"
        "engines.papermill_engines.register('ours', door.TlsRunbookEngine)\n"
        "print(engines.papermill_engines.get_engine('ours') is door.TlsRunbookEngine)"
    )
    ran = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert ran.stdout.split("\n")[:2] == ["[]", "True"]
