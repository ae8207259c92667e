"""One kernel per server, the same from every source: what notebooks see in it, one after another."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.kernels import KINDS, cells_of, kernels_of, result_of
from tests.support.notebooks import a_notebook
from tlsrunbook.errors import UsageError
from tlsrunbook.run.engine import Execution, NotebookJob
from tlsrunbook.run.server_kernel import Kernels, ServerKernel, open_kernels

PASSWORD = "correct horse 'battery' staple"
NAMED = {"TLSRUNBOOK_CREDENTIAL_ADMIN_USER": "admin", "TLSRUNBOOK_CREDENTIAL_ADMIN_PASSWORD": PASSWORD}

#: What a cell may do that a kernel has to answer for; the last line is what a cell ends with.
CELLS = {
    "shown": "from IPython.display import HTML, display\nhandle = display(HTML('one'), display_id='x')\n"
    "handle.update(HTML('two'))",
    "cleared": "from IPython.display import clear_output\nprint('gone')\nclear_output()\nprint('here')",
    "awaited": "import asyncio\nawait asyncio.sleep(0)\n'slept'",
    "both": "import sys\nprint('out')\nprint('err', file=sys.stderr)",
    "below": "import os, subprocess\n_ = os.write(1, b'written to the descriptor\\n')\n"
    "_ = subprocess.run([__import__('sys').executable, '-c', 'pass'])",
    "magic": "%env TLSRUNBOOK_TEST=1",
    "input": "try:\n    input()\nexcept Exception as error:\n    refused = type(error).__name__\nrefused",
    "main": "(__name__, get_ipython().__class__.__name__, __import__('sys').stdin.read())",
}


@pytest.fixture(scope="module", params=KINDS)
def kernels(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernels]:
    some = open_kernels(request.param, 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTEST_CURRENT_TEST")  # or ipykernel leaves the descriptors of its standard streams alone
        first = some.start({})
        assert execute(first, tmp_path_factory.mktemp("first") / "x.ipynb", x="1").ended_by == ""
        first.close()
    yield some
    some.close()


@pytest.fixture
def kernel(kernels: Kernels) -> Iterator[ServerKernel]:
    one = kernels.start({"TLSRUNBOOK_TEST_GIVEN": "yes"})
    yield one
    one.close()


def execute(kernel: ServerKernel, place: Path, **cells: str) -> Execution:
    """Execute a notebook of these cells; the executed one has the name of the place."""
    source = a_notebook(place.with_suffix(".source.ipynb"), parameters="site = ''", **cells)
    return kernel.execute(NotebookJob(source, place, {"site": "here"}, cell_seconds=60))


def test_a_notebook_finds_nothing_of_the_one_before_it(kernel: ServerKernel, tmp_path: Path) -> None:
    one, two = tmp_path / "one.ipynb", tmp_path / "two.ipynb"
    before = "import os, random, sys\nleft = 1\nwhere = os.getcwd()\nos.chdir('/')\nos.environ['LEFT'] = '1'\n"
    done = execute(kernel, one, before=before + "(os.getpid(), where, len(In))")
    look = "import os\n(os.getpid(), os.getcwd(), len(In), 'left' in dir(), 'LEFT' in os.environ, Out, site)"
    again = execute(kernel, two, look=look)
    assert (done.ended_by, again.ended_by) == ("", "")
    process, where, lines = result_of(one, "before")
    assert result_of(two, "look") == (process, where, lines, False, False, {}, "here")
    assert process != os.getpid()
    for place in (one, two):
        assert [cell["execution_count"] for cell in cells_of(place).values()] == [1, 2, 3]


def test_what_cells_do_comes_out_as_from_any_jupyter_kernel(kernel: ServerKernel, tmp_path: Path) -> None:
    place = tmp_path / "all.ipynb"
    assert execute(kernel, place, **CELLS).ended_by == ""
    cells = cells_of(place)

    def texts(name: str) -> dict[str, str]:
        found = cells[name]["outputs"]
        return {output.get("name", ""): "".join(output["text"]) for output in found if "text" in output}

    (shown,) = cells["shown"]["outputs"]
    assert "".join(shown["data"]["text/html"]) == "two"
    assert texts("cleared") == {"stdout": "here\n"}
    assert result_of(place, "awaited") == "slept"
    assert texts("both") == {"stdout": "out\n", "stderr": "err\n"}
    assert texts("magic") == {"stdout": "env: TLSRUNBOOK_TEST=1\n"}
    assert result_of(place, "input") == "StdinNotImplementedError"
    assert result_of(place, "main") == ("__main__", "ZMQInteractiveShell", "")
    if os.name == "posix":
        assert "written to the descriptor\n" in texts("below")["stdout"]


def test_each_server_has_a_kernel_of_its_own_with_chance_of_its_own(kernels: Kernels, tmp_path: Path) -> None:
    look = "import os, random\n(os.getpid(), random.random(), os.environ['TLSRUNBOOK_TEST_SERVER'])"
    some = [kernels.start({"TLSRUNBOOK_TEST_SERVER": str(number)}) for number in range(2)]
    for number, kernel in enumerate(some):
        assert execute(kernel, tmp_path / f"{number}.ipynb", look=look).ended_by == ""
    (one, chance, first), (two, other, second) = (result_of(tmp_path / f"{n}.ipynb", "look") for n in range(2))
    assert one != two
    assert chance != other
    assert (first, second) == ("0", "1")
    for kernel in some:
        kernel.close()


@pytest.mark.skipif(os.name == "nt", reason="Windows has neither sessions nor these signals")
def test_a_kernel_is_a_process_of_its_own_in_every_respect(kernel: ServerKernel, tmp_path: Path) -> None:
    look = (
        "import os, signal, sys, threading\n"
        "(os.getpid() == os.getsid(0) == os.getpgid(0), signal.getsignal(signal.SIGTERM) == signal.SIG_DFL,"
        " signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL,"
        " [part for part in sys.argv if part.endswith('.json')] != [], threading.current_thread().name)"
    )
    place = tmp_path / "look.ipynb"
    assert execute(kernel, place, look=look).ended_by == ""
    assert result_of(place, "look") == (True, True, True, True, "MainThread")


def test_a_kernel_imports_nothing_of_the_engine_and_no_compiler_of_grammars(
    kernel: ServerKernel, tmp_path: Path
) -> None:
    look = (
        "import sys, tlsrunbook\n_ = tlsrunbook.open_run\n"
        "names = ('papermill', 'nbclient', 'nbformat', 'jsonschema', 'rfc3987_syntax', 'lark', 'debugpy', 'sqlite3')\n"
        "[name for name in names if sys.modules.get(name)]"
    )
    place = tmp_path / "look.ipynb"
    assert execute(kernel, place, look=look).ended_by == ""
    assert [name for name in result_of(place, "look") if name != "sqlite3"] == []


def test_a_kernel_knows_its_variables_and_not_where_the_key_is(
    kernels: Kernels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in NAMED.items():
        monkeypatch.setenv(name, value)
    kernel = kernels.start({"TLSRUNBOOK_LEASE": "a-token", "TLSRUNBOOK_SIGNING_KEY": "key.pem"})
    place = tmp_path / "look.ipynb"
    names = (
        "TLSRUNBOOK_CREDENTIAL_ADMIN_USER",
        "TLSRUNBOOK_LEASE",
        "TLSRUNBOOK_KEEP_SESSION",
        "TLSRUNBOOK_SIGNING_KEY",
    )
    names = (*names, "MALLOC_ARENA_MAX")
    assert execute(kernel, place, look=f"import os\n[os.environ.get(name) for name in {names}]").ended_by == ""
    assert result_of(place, "look") == ["admin", "a-token", "1", None, None]
    kernel.close()


def test_a_secret_never_leaves_the_kernel_wherever_it_came_from(
    kernels: Kernels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in NAMED.items():
        monkeypatch.setenv(name, value)
    kernel = kernels.start({})
    show = """
import os, sys
from tlsrunbook.secret import Credential, Secret
own = Credential("file", "user", Secret("from-" + "a-file"))
password = os.environ["TLSRUNBOOK_CREDENTIAL_ADMIN_PASSWORD"]
print(own.password.reveal(), password)
for part in (password[:9], password[9:]):
    print(part, end="", flush=True)  # in two messages, and yet one text
[own.password.reveal(), password]"""
    place = tmp_path / "shown.ipynb"
    done = execute(kernel, place, show=show, fail="raise RuntimeError(own.password.reveal() + password)")
    assert done.ended_by == "RuntimeError: ****************"
    text = place.read_text(encoding="utf-8")
    assert "horse" not in text
    assert "from-a-file" not in text
    assert text.count("********") >= 6
    kernel.close()


def test_the_folders_of_kernels_are_gone_when_the_kernels_are(
    request: pytest.FixtureRequest, kernels: Kernels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del kernels  # this test has its own, of the same kind
    place = tmp_path / "t"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    own = open_kernels(request.node.callspec.params["kernels"], 1)
    kernel = own.start({})
    try:
        assert execute(kernel, tmp_path / "x.ipynb", x="1").ended_by == ""
        assert list(place.iterdir())
        running = kernels_of(psutil.Process())
    finally:
        kernel.close()
        own.close()
    assert not list(place.iterdir())
    assert running


@pytest.mark.parametrize("kind", KINDS)
def test_where_unix_sockets_are_missing_every_kind_goes_over_encrypted_tcp(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TLSRUNBOOK_TRANSPORT", "tcp")
    own = open_kernels(kind, 1)
    kernel = own.start({})
    look = (
        "from ipykernel.kernelapp import IPKernelApp\nimport zmq\napp = IPKernelApp.instance()\n"
        "(app.transport, app.ip, app.shell_socket.getsockopt(zmq.CURVE_SERVER), app.curve_secretkey is not None)"
    )
    try:
        assert execute(kernel, tmp_path / "x.ipynb", look=look).ended_by == ""
        assert result_of(tmp_path / "x.ipynb", "look") == ("tcp", "127.0.0.1", 1, True)
    finally:
        kernel.close()
        own.close()


def test_a_kind_that_there_is_not_is_refused() -> None:
    with pytest.raises(UsageError, match="lukewarm"):
        open_kernels("lukewarm")
