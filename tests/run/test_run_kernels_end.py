"""Kernels end: when they are closed, killed, or when whoever drives them has ended; and nobody else's with them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.support.kernels import KINDS, executors_of, kernels_of, result_of, templates_of
from tests.support.notebooks import a_notebook
from tlsrunbook.run.engine import Execution, NotebookJob
from tlsrunbook.run.hosted import DIED
from tlsrunbook.run.kernels.template import threads
from tlsrunbook.run.server_kernel import Kernels, ServerKernel, open_kernels

HANG = "import os, pathlib, threading\npathlib.Path(site).write_text(str(os.getpid()))\nthreading.Event().wait()"
FORK = pytest.mark.skipif("fork" not in KINDS, reason="nothing can be forked on this system")


@pytest.fixture(scope="module", params=KINDS)
def kernels(request: pytest.FixtureRequest) -> Iterator[Kernels]:
    some = open_kernels(request.param, 2)
    yield some
    some.close()


def execute(kernel: ServerKernel, place: Path, source: str) -> Execution:
    """Execute a notebook of one cell; its parameter is a path where it may tell its process."""
    made = a_notebook(place.with_suffix(".source.ipynb"), parameters="site = ''", cell=source)
    return kernel.execute(NotebookJob(made, place, {"site": str(place.with_suffix(".pid"))}, cell_seconds=120))


def told(place: Path) -> psutil.Process:
    """Wait until a cell has told its process."""
    path, deadline = place.with_suffix(".pid"), time.monotonic() + 60
    while time.monotonic() < deadline:
        if path.exists() and path.read_text(encoding="utf-8"):
            return psutil.Process(int(path.read_text(encoding="utf-8")))
        threading.Event().wait(0.01)
    raise AssertionError("the cell has not begun")


def test_a_kernel_that_is_closed_ends_at_once_whatever_would_hold_it_up(kernels: Kernels, tmp_path: Path) -> None:
    kernel = kernels.start({})
    busy = "import atexit, os, threading, time\natexit.register(time.sleep, 30)\n"
    busy += "threading.Thread(target=time.sleep, args=(30,)).start()\nos.getpid()"
    assert execute(kernel, tmp_path / "x.ipynb", busy).ended_by == ""
    process = psutil.Process(result_of(tmp_path / "x.ipynb", "cell"))
    begun = time.monotonic()
    kernel.close()
    assert not process.is_running()
    assert time.monotonic() - begun < 10
    kernel.close()  # once more does no harm


def test_a_kernel_that_is_killed_ends_its_notebook_at_once_and_no_other_and_the_next_one_gets_a_new_kernel(
    kernels: Kernels, tmp_path: Path
) -> None:
    doomed, other = kernels.start({}), kernels.start({})
    assert execute(other, tmp_path / "before.ipynb", "import os\nleft = 1\nos.getpid()").ended_by == ""
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(execute, doomed, tmp_path / "x.ipynb", HANG)
        process = told(tmp_path / "x.ipynb")
        begun = time.monotonic()
        doomed.kill()
        assert "Kernel died" in under_way.result(60).ended_by
        assert time.monotonic() - begun < 5
    assert not process.is_running()
    assert execute(other, tmp_path / "after.ipynb", "import os\nos.getpid()").ended_by == ""
    assert result_of(tmp_path / "before.ipynb", "cell") == result_of(tmp_path / "after.ipynb", "cell")
    assert execute(doomed, tmp_path / "again.ipynb", "1").ended_by == ""
    for kernel in (doomed, other):
        kernel.close()


def test_after_a_notebook_that_ended_early_nothing_else_runs_in_its_kernel(kernels: Kernels, tmp_path: Path) -> None:
    kernel = kernels.start({})
    assert execute(kernel, tmp_path / "x.ipynb", "import os\nprint(os.getpid())\n1 / 0").ended_by
    assert execute(kernel, tmp_path / "y.ipynb", "import os\nos.getpid()").ended_by == ""
    assert str(result_of(tmp_path / "y.ipynb", "cell")) not in (tmp_path / "x.ipynb").read_text(encoding="utf-8")
    kernel.close()


def test_when_the_executor_dies_its_kernels_end_and_a_new_one_does_the_next_notebook(
    kernels: Kernels, tmp_path: Path
) -> None:
    kernel = kernels.start({})
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(execute, kernel, tmp_path / "x.ipynb", HANG)
        process = told(tmp_path / "x.ipynb")
        below = kernels_of(psutil.Process())
        assert process in below
        for one in executors_of(psutil.Process()):
            one.kill()
        assert under_way.result(60) == Execution(DIED, "")
    _, alive = psutil.wait_procs(below, timeout=10)
    assert not alive, "nothing goes on in the background"
    assert execute(kernel, tmp_path / "y.ipynb", "1").ended_by == ""
    kernel.close()


RUNNER = """
import sys
from pathlib import Path
from tlsrunbook.run.engine import NotebookJob
from tlsrunbook.run.server_kernel import open_kernels
kind, source, place = sys.argv[1:]
kernel = open_kernels(kind, 1).start({})
kernel.execute(NotebookJob(Path(source), Path(place), {"site": place.replace(".ipynb", ".pid")}))
"""


@pytest.mark.parametrize("kind", KINDS)
def test_when_the_runner_is_killed_nothing_goes_on(tmp_path: Path, kind: str) -> None:
    source, place = a_notebook(tmp_path / "s.ipynb", parameters="site = ''", cell=HANG), tmp_path / "x.ipynb"
    temporary = tmp_path / "t"
    temporary.mkdir()
    command = [sys.executable, "-c", RUNNER, kind, str(source), str(place)]
    with subprocess.Popen(command, env={**os.environ, "TMPDIR": str(temporary)}) as runner:
        told(place)
        below = psutil.Process(runner.pid).children(recursive=True)
        assert len(below) >= 2
        runner.kill()
    _, alive = psutil.wait_procs(below, timeout=20)
    assert not alive
    assert not list(temporary.glob("tlsrb-*")), "nor is anything left on disk"


@FORK
def test_a_template_has_one_thread_no_secret_and_is_started_anew_after_it_died(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TLSRUNBOOK_CREDENTIAL_ADMIN_PASSWORD", "a password in the environment")
    monkeypatch.setenv("TLSRUNBOOK_SIGNING_KEY", "key.pem")
    some = open_kernels("fork", 1)
    kernel = some.start({})
    look = "import os\n(os.getppid(), os.environ['TLSRUNBOOK_CREDENTIAL_ADMIN_PASSWORD'])"
    try:
        assert execute(kernel, tmp_path / "x.ipynb", look).ended_by == ""
        (template,) = [
            one for one in templates_of(psutil.Process()) if one.pid == result_of_parent(tmp_path / "x.ipynb")
        ]
        (executor,) = [one for one in executors_of(psutil.Process()) if template in one.children()]
        assert template.num_threads() == 1
        for process in (executor, template, *kernels_of(psutil.Process())):
            assert "a password in the environment" not in process.environ().values()
            assert "TLSRUNBOOK_SIGNING_KEY" not in process.environ()
        template.kill()
        psutil.wait_procs([template], timeout=10)
        died = execute(kernel, tmp_path / "y.ipynb", "1").ended_by
        assert "Kernel died" in died or "it ended" in died
        assert execute(kernel, tmp_path / "z.ipynb", look).ended_by == ""
    finally:
        kernel.close()
        some.close()


def result_of_parent(place: Path) -> int:
    """Give the parent's process that a cell told; the password beside it is masked."""
    assert "a password in the environment" not in place.read_text(encoding="utf-8")
    parent, masked = result_of(place, "cell")
    assert masked == "********"
    return int(parent)


@FORK
def test_a_template_with_a_second_thread_refuses_to_fork() -> None:
    probe = """
import json, socket, threading
from tlsrunbook.run.kernels.template import Template
ours, theirs = socket.socketpair()
template = Template(theirs, None)
threading.Thread(target=threading.Event().wait, daemon=True).start()
template._do({"number": 1, "connection_file": "nowhere", "said": "nowhere"})
print(ours.recv(1000).decode())
"""
    ran = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert '"refused": "the template has more than one thread"' in ran.stdout


def test_threads_are_counted_also_those_that_python_did_not_start() -> None:
    assert threads() == psutil.Process().num_threads() or os.name == "nt"
