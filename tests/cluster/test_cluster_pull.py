"""The pull recipe of docs/scale.md: an approval travels in, sealed evidence travels out, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tlsrunbook.lab.lab import Lab

pytestmark = pytest.mark.timeout(600)


class Office:
    """A place with a signing key of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.public = self.call("approve", "--public-key").stdout

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "TLSRUNBOOK_CONFIG_DIR": str(self.folder / "config")}
        return subprocess.run(
            [sys.executable, "-m", "tlsrunbook", *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            timeout=300,
            check=False,
        )


@pytest.fixture
def offices(make_lab: Callable[..., Lab], tmp_path: Path) -> tuple[Office, Office]:
    lab = make_lab(servers=1)
    site, headquarters = Office(tmp_path / "site"), Office(tmp_path / "headquarters")
    (path,) = lab.write_site_files(site.folder)
    (site.folder / "headquarters.pem").write_text(headquarters.public, encoding="ascii")
    (headquarters.folder / "site.pem").write_text(site.public, encoding="ascii")
    policy = 'approval = "required"\napprovers = ["headquarters.pem"]\nseparate_approver = true'
    text = path.read_text(encoding="utf-8").replace('approval = "none"', policy)
    (site.folder / "site.toml").write_text(text, encoding="utf-8")
    return site, headquarters


def fetched(site: Office, headquarters: Office) -> None:
    """Bring the site's evidence out, in place of what was there."""
    shutil.rmtree(headquarters.folder / "evidence", ignore_errors=True)
    shutil.copytree(site.folder / "runs", headquarters.folder / "evidence")


def verified(headquarters: Office) -> subprocess.CompletedProcess[str]:
    return headquarters.call("audit", "verify", "evidence", "--key", "site.pem")


def test_a_site_that_only_dials_out_does_what_was_approved_elsewhere(offices: tuple[Office, Office]) -> None:
    site, headquarters = offices
    assert site.call("run", "site.toml", "--plan").returncode == 0
    assert site.call("run", "site.toml").returncode == 3, "nothing is approved yet"
    fetched(site, headquarters)
    done = verified(headquarters)
    assert done.returncode == 0, done.stdout + done.stderr
    (change,) = (path.parent for path in (headquarters.folder / "evidence").glob("*/*/change.json"))
    done = headquarters.call("approve", change.name, "--runs", "evidence", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr

    (approval,) = change.glob("approvals/*.dsse.json")
    place = site.folder / "runs" / change.parent.name / change.name / "approvals"
    place.mkdir()
    shutil.copy(approval, place)
    done = site.call("run", "site.toml")
    assert done.returncode == 0, done.stdout + done.stderr
    fetched(site, headquarters)
    done = verified(headquarters)
    assert done.returncode == 0, done.stdout + done.stderr

    installed = max((headquarters.folder / "evidence").glob("*/*/*/3-install/*/record.json"))
    assert json.loads(installed.read_bytes())["status"] == "changed"
    installed.write_bytes(installed.read_bytes().replace(b"changed", b"planned"))
    assert verified(headquarters).returncode == 1, "what was altered on the way must not verify"
