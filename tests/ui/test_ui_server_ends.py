"""No save, a JupyterLab that ends or is killed, one that the person started, and evidence that cannot be written."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.jupyter import ROOT, Jupyter, Kernel, waited_for
from tlsrunbook.adapters.keys import make_key
from tlsrunbook.lab.lab import Lab

pytestmark = pytest.mark.xdist_group("jupyter")
CONFIRM = "1-confirm-fqdn.ipynb"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(sites=1, servers=1) as running_lab:
        yield running_lab


@pytest.fixture
def site(lab: Lab, tmp_path: Path) -> str:
    (path,) = lab.write_site_files(tmp_path / "sites")
    return str(path)


@pytest.fixture
def jupyter(tmp_path: Path) -> Iterator[Jupyter]:
    started = Jupyter(tmp_path, final_save=1.0)
    yield started
    started.stop()


def test_a_notebook_that_is_not_saved_in_time_is_missing_and_the_record_sealed(jupyter: Jupyter, site: str) -> None:
    key = make_key(jupyter.folder / "the-key.pem")
    jupyter.start(site, "--server", "edge1", "--key", str(jupyter.folder / "the-key.pem"))
    kernel = Kernel(jupyter, CONFIRM)
    assert kernel.run() == ""
    path, told = jupyter.new_rendering(())
    assert told["rendering"] == "missing"
    assert told["why"].startswith("it was not saved within 0.0166667 minutes")
    verdict = jupyter.seal_of(path)
    assert verdict.seals[0].seal.claims.keyid == key.keyid
    assert kernel.value("[name for name in __import__('os').environ if 'SIGNING_KEY' in name]") == "[]", (
        "the kernel is told"
    )
    # Saved after all: what is written stays.
    kernel.save()
    # A second session is open when JupyterLab is ended by Ctrl-C.
    kernel.run("open", CONFIRM.split("-")[1], mode="apply")
    kernel.close()
    assert jupyter.stop() == 0
    assert not (path.parent / "runbook.ipynb").exists()
    (other,) = [told for one, told in jupyter.renderings().items() if one != path]
    assert other["why"] == "JupyterLab was ended before the session was finished"
    assert len(jupyter.sealed().seals) == 2
    assert not any((jupyter.own / "jupyter").iterdir())


@pytest.mark.skipif(os.name == "nt", reason="a killed server's kernels live on there")
def test_what_a_killed_jupyterlab_left_is_settled_by_the_next_one_whoever_starts_it(
    jupyter: Jupyter, site: str
) -> None:
    jupyter.start(site, "--server", "EDGE1")
    kernel = Kernel(jupyter, CONFIRM)
    assert kernel.run("parameters", "open", "confirm") == ""
    kernel.close()
    jupyter.kill()
    assert jupyter.renderings() == {}
    jupyter.start_alone()
    path, told = jupyter.new_rendering(())
    assert told["why"] == "its kernel was ended before the session was finished"
    jupyter.seal_of(path)
    # Enabled by its installation, the extension archives here too.
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"] == {"etc/jupyter": "etc/jupyter"}
    kernel = Kernel(jupyter, CONFIRM)
    assert kernel.run() == ""
    kernel.save()
    path, told = jupyter.new_rendering([path])
    assert told["rendering"] == "archived"
    jupyter.seal_of(path)
    kernel.close()


def test_evidence_that_cannot_be_sealed_never_fails_a_save_and_is_shown(jupyter: Jupyter, site: str) -> None:
    jupyter.start(site, "--server", "EDGE1")
    (jupyter.runs / "london").mkdir(parents=True)
    in_the_way = jupyter.runs / "london" / "seals"
    in_the_way.write_text("this is no folder", encoding="utf-8")
    kernel = Kernel(jupyter, CONFIRM)
    assert kernel.run() == ""
    kernel.save()
    kernel.close()
    trouble = waited_for(lambda: next((jupyter.own / "jupyter").glob("troubles/*.json"), None), "a trouble")
    told = json.loads(trouble.read_bytes())
    assert (told["server"], told["folder"]) == ("EDGE1", str(jupyter.runs / "london"))
    assert "seals" in told["what"]
    assert "tlsrunbook: " in jupyter.log
