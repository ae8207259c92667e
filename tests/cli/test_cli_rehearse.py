"""``check --save-state`` and ``rehearse`` as a user types them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tlsrunbook.lab.lab import Lab

DOCS = Path(__file__).parents[2] / "docs"


def call(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tlsrunbook", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
        encoding="utf-8",
    )


def test_state_is_saved_and_the_change_rehearsed_on_it(make_lab: Callable[..., Lab], tmp_path: Path) -> None:
    lab = make_lab(servers=1, version="2019")
    (site,) = lab.write_site_files(tmp_path / "sites")
    checked = call("check", str(site), "--save-state", "saved", "--json", cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert [row["text"] for row in json.loads(checked.stdout) if row["what"] == "state"] == [
        f"saved to {Path('saved', 'london', 'EDGE1.json')}"
    ]
    before = lab.server("london", "EDGE1").snapshot()
    done = call("rehearse", str(site), "--state", "saved", "--runs", "evidence", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("REHEARSAL: ")
    assert "assumed" not in done.stdout
    for words in (
        "london / EDGE1 / request: 2 changes planned",
        "     PS> New-ExchangeCertificate -Server 'EDGE1' -GenerateRequest",
        "     PS> Enable-ExchangeCertificate -Server 'EDGE1' -Thumbprint <",
        "verify: unchanged",
        "no real server was touched",
    ):
        assert words in done.stdout, words
    assert lab.server("london", "EDGE1").snapshot() == before
    (folder,) = (tmp_path / "evidence").iterdir()
    assert folder.name.startswith("rehearsal.")
    records = [json.loads(path.read_bytes()) for path in folder.rglob("record.json")]
    assert {(record["rehearsal"], record["mode"]) for record in records} == {(str(site), "plan"), (str(site), "apply")}
    assert len(list(folder.rglob("*.ipynb"))) == 12
    status = call("status", str(site), "--runs", "evidence", "--json", cwd=tmp_path)
    assert [row["change"] for row in json.loads(status.stdout)] == [""], "a rehearsal is no change of the site"


def test_the_plan_alone_and_as_json(tmp_path: Path) -> None:
    done = call(
        "rehearse",
        str(DOCS / "example-site.toml"),
        "--plan",
        "--server",
        "edge1",
        "--exchange",
        "2016",
        "--json",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert [record["step"] for record in told["planned"]][:2] == ["confirm", "request"]
    assert told["applied"] == []
    assert all(record["rehearsal"].endswith("example-site.toml") for record in told["planned"])
    assert {record["server_facts"]["product"] for record in told["planned"]} == {"2016"}
    assert "assumed: london / EDGE1" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--state", "nowhere"), "there is no saved state of london / EDGE1"),
        (("--edge", "EDGE9"), "there is no server 'EDGE9'"),
        (("--exchange", "2003"), "2003"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    done = call("rehearse", str(DOCS / "example-site.toml"), *arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stdout
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists(), "nothing half-done"


def test_a_server_that_cannot_be_read_is_not_saved(make_lab: Callable[..., Lab], tmp_path: Path) -> None:
    lab = make_lab(servers=2)
    (site,) = lab.write_site_files(tmp_path / "sites")
    text = site.read_text(encoding="utf-8").replace('name = "MBX1"', 'name = "MBX9"')
    site.write_text(text, encoding="utf-8")
    checked = call("check", str(site), "--save-state", "saved", "--json", cwd=tmp_path)
    assert checked.returncode == 1
    rows = {row["subject"]: row for row in json.loads(checked.stdout) if row["what"] == "state"}
    assert rows["EDGE1"]["ok"]
    assert rows["MBX9"]["text"] == "not saved: it is another server"
    assert [path.name for path in (tmp_path / "saved" / "london").iterdir()] == ["EDGE1.json"]
