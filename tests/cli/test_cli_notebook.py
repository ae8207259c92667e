"""``tlsrunbook notebook``: what it refuses, and what it starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.jupyter import Kernel, running
from tlsrunbook.lab.lab import Lab

COMMAND = [sys.executable, "-m", "tlsrunbook", "notebook"]


def refused(*arguments: str, folder: Path, **environ: str) -> str:
    done = subprocess.run(
        [*COMMAND, *arguments, "--no-browser"],
        cwd=folder,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        encoding="utf-8",
    )
    assert done.returncode == 2, done.stdout + done.stderr
    return done.stderr


@pytest.fixture
def site(make_lab: Callable[..., Lab], tmp_path: Path) -> str:
    (path,) = make_lab(servers=1).write_site_files(tmp_path / "sites")
    return str(path)


def test_it_takes_a_site_or_the_lab_and_a_server_of_the_site(site: str, tmp_path: Path) -> None:
    assert "give a site file, or --lab" in refused(folder=tmp_path)
    assert "give a site file, or --lab" in refused(site, "--lab", folder=tmp_path)
    assert "EDGE9" in refused(site, "--server", "EDGE9", folder=tmp_path)
    assert "nowhere.pem" in refused(site, "--key", "nowhere.pem", folder=tmp_path)
    assert not (tmp_path / "notebooks-london").exists()


@pytest.mark.xdist_group("jupyter")
def test_a_jupyterlab_that_lets_anybody_in_is_refused(site: str, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.mkdir()
    (config / "jupyter_server_config.json").write_text(json.dumps({"IdentityProvider": {"token": ""}}))
    told = refused(site, "--port", "0", folder=tmp_path, JUPYTER_CONFIG_DIR=str(config))
    assert "lets anybody in without a token or password" in told


@pytest.mark.xdist_group("jupyter")
def test_the_lab_starts_with_it_and_each_site_has_its_copies(tmp_path: Path) -> None:
    other = tmp_path / "home" / ".local" / "share" / "jupyter" / "kernels" / "python3"
    for place in (other, tmp_path / "data" / "kernels" / "python3"):  # a kernel of the same name, of another Python
        place.mkdir(parents=True)
        spec = {"argv": ["/nowhere/python"], "display_name": "Another", "language": "python"}
        (place / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    with running(tmp_path, "--lab", "--sites", "2", "--servers", "1") as jupyter:
        root = jupyter.root
        assert sorted(path.name for path in root.iterdir()) == ["dublin", "london"]
        kernel = Kernel(jupyter, "dublin/1-confirm-fqdn.ipynb")
        assert kernel.value("__import__('sys').executable") == sys.executable
        # The credential reaches the kernel by its name in the site file alone.
        assert kernel.run(server="EDGE1") == ""
        assert "unchanged" in str(kernel.notebook["cells"][4]["outputs"])
        kernel.close()
        assert jupyter.stop() == 0
        assert not root.exists()
    assert list((tmp_path / "runtime").glob("kernel-*.json")) == []
