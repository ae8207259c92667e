"""A change from its plan to its rollback by command line: a report each time, sealed, and what auditors ask for."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests.evidence.test_evidence_report import Page
from tlsrunbook.adapters.archive import SiteArchive
from tlsrunbook.adapters.keys import make_key
from tlsrunbook.evidence.chain import verify
from tlsrunbook.lab.faults import FaultBoard
from tlsrunbook.lab.lab import Lab

DOCS = Path(__file__).parents[2] / "docs"

pytestmark = pytest.mark.xdist_group("cli-report")


@dataclass
class World:
    """A site file, a folder, and what each command printed."""

    folder: Path
    site: Path
    printed: dict[str, str]

    def call(self, *arguments: str, expected: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "tlsrunbook", *arguments],
            cwd=self.folder,
            env=os.environ | {"TLSRUNBOOK_CONFIG_DIR": str(self.folder / "config")},
            capture_output=True,
            text=True,
            check=False,
            timeout=150,
            encoding="utf-8",
            input="n\n",
        )
        assert done.returncode == expected, done.stdout + done.stderr
        return done.stdout

    @property
    def change(self) -> Path:
        (path,) = self.folder.glob("runs/*/2*")
        return path

    def report(self, number: int) -> Path:
        return self.change / "reports" / str(number) / "report.html"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("report")
    with Lab(servers=1, faults=FaultBoard()) as lab:
        (site,) = lab.write_site_files(folder / "sites")
        made = World(folder, site, {})
        (site.parent / "alice.pub").write_bytes(make_key(folder / "alice.pem").pem)
        policy = 'approval = "required"\napprovers = ["alice.pub"]\nseparate_approver = true'
        site.write_text(site.read_text(encoding="utf-8").replace('approval = "none"', policy), encoding="utf-8")
        why = ("--ticket", "CHG-4711", "--reason", "renewal", "--risk", "low: back-out takes two minutes")
        made.printed["plan"] = made.call("run", str(site), "--plan", *why)
        change = made.change.name
        made.printed["approve"] = made.call("approve", change, "--key", "alice.pem", "--by", "Alice Ng", "--yes")
        made.printed["run"] = made.call("run", str(site), "--change", change)
        made.printed["rollback"] = made.call("rollback", str(site), "--change", change)
        yield made


def test_each_command_leaves_a_report_and_says_where(world: World) -> None:
    for number, command in enumerate(("plan", "approve", "run", "rollback"), 1):
        assert world.report(number).is_file()
        assert f"report: {world.report(number)}" in world.printed[command]


def test_each_report_says_what_was_so_when_it_was_made(world: World) -> None:
    texts = [Page(world.report(number).read_text(encoding="utf-8")).text for number in (1, 2, 3, 4)]
    assert "What would be changed" in texts[0]
    assert "no approval was given" in texts[0]
    assert "Alice Ng" in texts[1]
    assert "From outside, 1 of 1 endpoints show the activated certificate." in texts[2]
    assert "It was not used." in texts[2]
    assert "EDGE1 / activate" in texts[2], "what was applied under the approval"
    assert "Rolled back on EDGE1." in texts[3]
    assert all("CHG-4711" in text and "low: back-out takes two minutes" in text for text in texts)


def test_every_link_leads_to_a_page_and_every_notebook_has_one(world: World) -> None:
    page = Page(world.report(4).read_text(encoding="utf-8"))
    linked = {(world.report(4).parent / unquote(link)).resolve() for link in page.links() if not link.startswith("#")}
    notebooks = {path.with_suffix(".html").resolve() for path in world.change.rglob("*.ipynb")}
    assert len(notebooks) == 6 + 6 + 1
    assert linked == notebooks
    assert all(path.is_file() for path in linked)


def test_reports_and_pages_are_sealed_with_everything_else(world: World) -> None:
    verdict = verify(SiteArchive(world.change.parent).contents())
    assert verdict.flaws == ()
    sealed = [name for seal in verdict.seals for name in seal.seal.files if name.endswith(".html")]
    assert len(sealed) == 4 + 13
    assert [seal.seal.claims.what for seal in verdict.seals] == ["run", "approve", "run", "rollback"]


def test_an_approval_that_is_not_given_leaves_no_report(world: World) -> None:
    before = list(world.change.glob("reports/*"))
    world.call("approve", world.change.name, "--key", "alice.pem", expected=3)
    assert list(world.change.glob("reports/*")) == before


def test_a_run_that_fails_leaves_a_report_too(tmp_path: Path) -> None:
    with Lab(servers=1, faults=FaultBoard("winrm-refused")) as lab:
        (site,) = lab.write_site_files(tmp_path / "sites")
        made = World(tmp_path, site, {})
        made.call("run", str(site), "confirm", expected=1)
        assert "✗ failed" in Page(made.report(1).read_text(encoding="utf-8")).text
        verdict = verify(SiteArchive(made.change.parent).contents())
        assert verdict.flaws == ()


def named_fields() -> list[tuple[str, str]]:
    """Give each ``file:field`` of the table in the guide for auditors."""
    section = (DOCS / "auditors.md").read_text(encoding="utf-8").split("## Which field answers which question")[1]
    table = [line for line in section.split("\n## ")[0].splitlines() if line.startswith("|")]
    found = [match for line in table for match in re.findall(r"`([\w*/.-]+\.(?:jsonl?|ipynb)):([\w.]+)`", line)]
    assert len(found) > 30
    return list(dict.fromkeys(found))


@pytest.mark.parametrize(("file", "field"), named_fields())
def test_every_field_that_auditors_are_told_of_is_there_and_says_something(world: World, file: str, field: str) -> None:
    found = []
    for path in world.change.parent.rglob(file):
        lines = path.read_bytes().splitlines() if path.suffix == ".jsonl" else [path.read_bytes()]
        found += [value for line in lines for value in values(json.loads(line), field.split("."))]
    assert [value for value in found if value not in (None, "", [], {})], f"no {file} says {field}"


def values(data: Any, path: list[str]) -> Iterator[Any]:
    """Give every value at a path; a list on the way stands for each of its items."""
    if isinstance(data, list):
        for item in data:
            yield from values(item, path)
    elif not path:
        yield data
    elif isinstance(data, dict) and path[0] in data:
        yield from values(data[path[0]], path[1:])
