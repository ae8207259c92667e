"""One kernel and one PowerShell per server and run: counted by the lab, whichever way kernels start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.kernels import KINDS, cells_of
from tlsrunbook.lab.lab import Lab
from tlsrunbook.run.engine import Execution, NotebookJob
from tlsrunbook.run.notebooks import notebook_path
from tlsrunbook.run.server_kernel import Kernels, ServerKernel, open_kernels
from tlsrunbook.steps.registry import STEPS


@pytest.fixture(scope="module", params=KINDS)
def kernels(request: pytest.FixtureRequest) -> Iterator[Kernels]:
    some = open_kernels(request.param, 2)
    yield some
    some.close()


class Desk:
    """A lab with a site file, and what is executed on it."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        (self.site,) = lab.write_site_files(folder / "sites")
        self.lab, self.folder = lab, folder
        self.name = lab.site_names[0]

    def execute(self, kernel: ServerKernel, server: str, step: str, **parameters: str) -> Execution:
        """Execute a step's notebook on a server."""
        (found,) = [one for one in STEPS if one.id == step]
        given = {"site": str(self.site), "server": server, "runs": str(self.folder / "runs"), "mode": "apply"}
        place = self.folder / f"{server}-{step}.ipynb"
        return kernel.execute(NotebookJob(notebook_path(found.notebook), place, {**given, **parameters}))

    def starts(self, server: str) -> int:
        """Give how many PowerShells were started on a server."""
        return self.lab.station(self.name, server).winrm.counters.powershell_starts

    def open(self, server: str) -> int:
        """Give how many shells are open on a server."""
        return self.lab.station(self.name, server).winrm.shells_open


@pytest.fixture
def desk(make_lab: Callable[..., Lab], tmp_path: Path) -> Desk:
    return Desk(make_lab(), tmp_path)


def test_six_notebooks_of_a_server_share_one_powershell_that_ends_with_the_kernel(kernels: Kernels, desk: Desk) -> None:
    kernel = kernels.start({})
    for step in STEPS:
        assert desk.execute(kernel, "EDGE1", step.id).ended_by == ""
        assert desk.open("EDGE1") == 1, "kept for the next notebook"
    kernel.close()
    assert desk.starts("EDGE1") == 1
    assert desk.open("EDGE1") == 0
    assert desk.starts("MBX1") == 0


def test_two_servers_have_a_powershell_each(kernels: Kernels, desk: Desk) -> None:
    some = {server: kernels.start({}) for server in ("EDGE1", "MBX1")}
    for step in STEPS[:2]:
        for server, kernel in some.items():
            assert desk.execute(kernel, server, step.id).ended_by == ""
    for server, kernel in some.items():
        kernel.close()
        assert (desk.starts(server), desk.open(server)) == (1, 0)


def test_a_session_that_died_between_two_notebooks_is_opened_again(kernels: Kernels, desk: Desk) -> None:
    kernel = kernels.start({})
    assert desk.execute(kernel, "EDGE1", "confirm").ended_by == ""
    desk.lab.on_loop(desk.lab.station(desk.name, "EDGE1").winrm.vanish)
    assert desk.execute(kernel, "EDGE1", "request").ended_by == ""
    assert desk.starts("EDGE1") == 2
    kernel.close()
    assert desk.open("EDGE1") == 0


def test_a_step_that_stops_ends_the_session_at_once(kernels: Kernels, desk: Desk) -> None:
    kernel = kernels.start({})
    done = desk.execute(kernel, "EDGE1", "install")
    assert "StepStopped" in done.ended_by
    assert desk.open("EDGE1") == 0
    kernel.close()


def test_a_misspelt_parameter_of_a_later_notebook_is_refused_and_one_of_an_earlier_one_forgotten(
    kernels: Kernels, desk: Desk
) -> None:
    kernel = kernels.start({})
    assert desk.execute(kernel, "EDGE1", "confirm").ended_by == ""
    assert (
        "there is no parameter 'sever' -> write server" in desk.execute(kernel, "EDGE1", "request", sever="x").ended_by
    )
    assert desk.execute(kernel, "EDGE1", "request").ended_by == ""
    numbers = [cell["execution_count"] for cell in cells_of(desk.folder / "EDGE1-request.ipynb").values()]
    assert numbers == [1, 2, 3, 4, 5]
    kernel.close()


def test_a_site_file_that_says_something_else_now_gets_another_session(kernels: Kernels, desk: Desk) -> None:
    kernel = kernels.start({})
    assert desk.execute(kernel, "EDGE1", "confirm").ended_by == ""
    text = desk.site.read_text(encoding="utf-8")
    for written, starts in ((f"{text}\n# a remark\n", 1), (text.replace("key_size = 2048", "key_size = 4096"), 2)):
        desk.site.write_text(written, encoding="utf-8")
        assert desk.execute(kernel, "EDGE1", "confirm").ended_by == ""
        assert (desk.starts("EDGE1"), desk.open("EDGE1")) == (starts, 1)
    kernel.close()
