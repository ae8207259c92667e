"""A real JupyterLab without a browser: what is saved over its API, by real kernels on the real lab, is archived."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.support.jupyter import Jupyter, Kernel, running, waited_for
from tlsrunbook.evidence.record import MEDIA_TYPE as RECORD_TYPE
from tlsrunbook.lab.lab import Lab

pytestmark = pytest.mark.xdist_group("jupyter")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(sites=1, servers=2) as running_lab:
        yield running_lab


@pytest.fixture(scope="module")
def jupyter(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    folder = tmp_path_factory.mktemp("jupyter")
    (site,) = lab.write_site_files(folder / "sites")
    with running(folder, str(site), "--server", "EDGE1") as started:
        yield started


@pytest.fixture
def kernel(jupyter: Jupyter) -> Iterator[Callable[..., Kernel]]:
    kernels: list[Kernel] = []
    copies = {path: path.read_bytes() for path in jupyter.root.glob("*.ipynb")}

    def start(name: str = "1-confirm-fqdn.ipynb") -> Kernel:
        kernels.append(Kernel(jupyter, name))
        return kernels[-1]

    yield start
    for one in kernels:
        one.end()
    for path, content in copies.items():
        path.write_bytes(content)


def test_the_site_and_the_server_are_chosen_and_the_committed_source_is_not_touched(jupyter: Jupyter) -> None:
    copy = jupyter.read("1-confirm-fqdn.ipynb")
    (parameters,) = [cell for cell in copy["cells"] if cell["id"] == "parameters"]
    source = "".join(parameters["source"])
    names: dict[str, str] = {}
    exec(source, names)
    assert names["site"] == str(jupyter.folder / "sites" / "london.toml")
    assert (names["server"], names["runs"]) == ("EDGE1", str(jupyter.runs))
    assert "# path of the site file" in source


def test_a_saved_step_notebook_is_archived_and_sealed_as_it_was_saved(
    jupyter: Jupyter, kernel: Callable[..., Kernel]
) -> None:
    before = jupyter.renderings()
    one = kernel()
    assert one.run() == ""
    one.save()
    path, told = jupyter.new_rendering(before)
    archived = (path.parent / "runbook.ipynb").read_bytes()
    assert archived == (jupyter.root / "1-confirm-fqdn.ipynb").read_bytes()
    assert (told["rendering"], told["notebook"]) == ("archived", "1-confirm-fqdn.ipynb")
    assert told["sha256"] == hashlib.sha256(archived).hexdigest()
    shown = {key for cell in json.loads(archived)["cells"] for out in cell.get("outputs", []) for key in out["data"]}
    assert {RECORD_TYPE, "application/vnd.tlsrunbook.session.v1+json"} <= shown
    page = (path.parent / "runbook.html").read_text(encoding="utf-8")
    assert "Confirm the FQDN" in page
    verdict = jupyter.seal_of(path)
    claims = verdict.seals[-1].seal.claims
    assert claims.what == "session"
    assert [(step["server"], step["step"]) for step in claims.about["steps"]] == [("EDGE1", "confirm")]
    assert list(claims.about["notebooks"]) == ["1-confirm-fqdn.ipynb"]
    assert claims.about["found"] == []
    # Saved again: it is archived already, and nothing more is written.
    sealed = verdict.head
    one.save()
    other = kernel("2-request-certificate.ipynb")
    other.run()
    other.save()
    jupyter.new_rendering({**before, path: told})
    assert (path.parent / "runbook.ipynb").read_bytes() == archived
    assert sealed


def test_a_save_before_the_end_is_not_archived_and_a_kernel_that_ends_is_sealed_without_a_notebook(
    jupyter: Jupyter, kernel: Callable[..., Kernel]
) -> None:
    before = jupyter.renderings()
    one = Kernel(jupyter, "1-confirm-fqdn.ipynb")
    assert one.run("parameters", "open", "confirm", server="MBX1") == ""
    one.save()
    one.end()
    path, told = jupyter.new_rendering(before)
    assert told["rendering"] == "missing"
    assert told["why"] == "its kernel was ended before the session was finished"
    assert not (path.parent / "runbook.ipynb").exists()
    session = json.loads((path.parent / "session.json").read_bytes())
    assert [(one["step"], one["status"]) for one in session["done"]] == [("confirm", "unchanged")]
    jupyter.seal_of(path)


def test_a_step_that_stops_ends_in_an_archived_notebook_too(jupyter: Jupyter, kernel: Callable[..., Kernel]) -> None:
    before = jupyter.renderings()
    one = kernel("3-install-certificate.ipynb")
    assert one.run(server="MBX1", mode="apply").startswith("StepStopped")
    one.save()
    path, told = jupyter.new_rendering(before)
    assert told["rendering"] == "archived"
    assert json.loads((path.parent / "session.json").read_bytes())["done"][0]["status"] == "blocked"
    jupyter.seal_of(path)


def test_widget_state_is_left_out_and_said_so(jupyter: Jupyter, kernel: Callable[..., Kernel]) -> None:
    before = jupyter.renderings()
    one = kernel()
    one.run()
    typed = {"state": {"model": {"state": {"value": "typed into a password box"}}}}
    one.notebook["metadata"]["widgets"] = {"application/vnd.jupyter.widget-state+json": typed}
    one.save()
    path, told = jupyter.new_rendering(before)
    archived = (path.parent / "runbook.ipynb").read_bytes()
    assert b"typed into a password box" not in archived
    assert told["left_out"] == ["metadata.widgets"]
    assert told["saved_sha256"] == hashlib.sha256((jupyter.root / "1-confirm-fqdn.ipynb").read_bytes()).hexdigest()
    jupyter.seal_of(path)


@pytest.mark.parametrize("secret", ["the password", "the token"])
def test_a_notebook_that_holds_a_secret_is_refused_and_shown_until_it_is_taken_out(
    jupyter: Jupyter, lab: Lab, kernel: Callable[..., Kernel], secret: str
) -> None:
    before = jupyter.renderings()
    text = lab.credential.password.reveal() if secret == "the password" else jupyter.token
    one = kernel()
    one.run()
    clean = json.loads(json.dumps(one.notebook))
    one.notebook["cells"][0]["source"] = f"a note: {text}"
    one.save()
    trouble = waited_for(lambda: next((jupyter.own / "jupyter" / "troubles").glob("*"), None), "a trouble")
    assert "holds the value of a credential or a token" in trouble.read_text(encoding="utf-8")
    assert "holds the value of a credential or a token" in jupyter.log
    assert text not in trouble.read_text(encoding="utf-8")
    assert jupyter.renderings() == before
    one.notebook = clean
    one.save()
    path, _ = jupyter.new_rendering(before)
    jupyter.seal_of(path)
    waited_for(lambda: not trouble.exists(), "the end of the trouble")


def test_each_kernel_runs_this_python(jupyter: Jupyter, kernel: Callable[..., Kernel]) -> None:
    one = kernel()
    assert one.value("__import__('sys').executable") == sys.executable
