"""``audit`` as a user types it; and the instructions in an export, run as they stand."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.support.archives import SealedSite, hasty
from tlsrunbook.adapters.keys import make_key
from tlsrunbook.cli import app
from tlsrunbook.errors import UsageError
from tlsrunbook.evidence.rollup import change_row, changes_csv

TOOLS = ("bash", "openssl", "sha256sum", "cmp", "sed", "find")


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["audit", *map(str, arguments)])


@pytest.fixture
def site(tmp_path: Path) -> SealedSite:
    with hasty():
        made = SealedSite(tmp_path / "runs", random.Random(8))
        made.run("EDGE1", steps=("confirm", "request"))
        made.run("EDGE1", "MBX1", steps=("confirm",))
        made.new_change("MBX1")  # asked for, and nothing was done
        change = made.new_change("MBX1")
        made.store.attempt(change, "MBX1", "confirm", 1).append({"event": "started"}, durable=False)  # interrupted
        made.run("EDGE1", steps=("confirm",))
    return made


def test_a_whole_archive_verifies_and_gives_its_head(site: SealedSite) -> None:
    call("seal", site.folder)
    done = call("verify", site.folder, "--json")
    assert done.exit_code == 1, "the transcript of the step at work is not sealed yet"
    assert [flaw["kind"] for flaw in json.loads(done.stdout)[0]["flaws"]] == ["added"]
    next(path for path in site.folder.rglob("transcript.jsonl") if not (path.parent / "record.json").exists()).unlink()
    for path in (site.folder, site.folder.parent, site.folder / "seals"):
        done = call("verify", path, "--head", site.head)
        assert done.exit_code == 0, done.output
        assert "london: whole" in done.output


def test_what_is_wrong_is_said_with_its_place_and_exit_code_1(site: SealedSite) -> None:
    record = next(path for path in site.folder.rglob("record.json") if "EDGE1" in path.parts)
    record.write_bytes(record.read_bytes().replace(b"renewal", b"Renewal"))
    done = call("verify", site.folder)
    assert done.exit_code == 1
    assert f"london/{record.relative_to(site.folder).as_posix()}: its content is not what was sealed" in done.stdout
    assert "NOT WHOLE" in done.stdout
    assert call("verify", site.folder, "--head", "0" * 64).stdout.count("[head]") == 1


def test_a_trusted_key_is_the_only_one_that_counts(site: SealedSite, tmp_path: Path) -> None:
    (tmp_path / "mine.pem").write_bytes(site.signer.public.pem)
    (tmp_path / "other.pem").write_bytes(make_key(tmp_path / "private.pem").pem)
    assert "[unknown-key]" not in call("verify", site.folder, "--key", tmp_path / "mine.pem").stdout
    assert call("verify", site.folder, "--key", tmp_path / "other.pem").stdout.count("[unknown-key]") == 3
    assert isinstance(call("verify", site.folder, "--key", tmp_path / "none.pem").exception, UsageError)


def test_a_path_without_evidence_is_a_usage_error(site: SealedSite, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "nowhere", next(site.folder.glob("2*"))):
        error = call("verify", path).exception
        assert isinstance(error, UsageError)
        assert "runs" in str(error)


def test_the_list_names_all_changes_failed_and_aborted_ones_too(site: SealedSite) -> None:
    rows = json.loads(call("list", site.folder, "--json").stdout)
    assert [row["change"] for row in rows] == list(site.store.changes())
    outcomes = [row["outcome"] for row in rows]
    assert outcomes.count("nothing done") == 1
    assert outcomes.count("interrupted") == 1
    assert all(row["seals"] for row in rows)
    text = call("list", site.folder.parent).stdout
    assert all(row["change"] in re.sub(r"\s", "", text) for row in rows)


def test_show_gives_every_attempt_and_the_seals(site: SealedSite) -> None:
    change = site.store.changes()[0]
    shown = json.loads(call("show", site.folder / change, "--json").stdout)
    assert [(step["step"], step["attempt"]) for step in shown["steps"]] == [("confirm", 1), ("request", 1)]
    assert shown["sealed"][0]["digest"] == site.seals[0].digest
    assert shown["asked_for"]["reason"] == "renewal"
    assert "CHG-1" in call("show", site.folder / change).stdout


def commands(folder: Path) -> list[str]:
    text = (folder / "VERIFY.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```bash\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 5
    return blocks


def followed(folder: Path) -> str:
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing and os.environ.get("CI") != "true":
        pytest.skip(f"not here: {', '.join(missing)}")
    # One shell for all blocks, as when they are pasted.
    script = "\n".join(commands(folder))
    done = subprocess.run(
        ["bash", "-u", "-c", script], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    return done.stdout + done.stderr


@pytest.fixture
def exported(site: SealedSite, tmp_path: Path) -> Path:
    out = tmp_path / "for the auditor"
    done = call("export", site.folder, out)
    assert done.exit_code == 1, "a step is at work, and the export says so"
    assert out.is_dir()
    next(path for path in site.folder.rglob("transcript.jsonl") if not (path.parent / "record.json").exists()).unlink()
    shutil.rmtree(out)
    done = call("export", site.folder, out)
    assert done.exit_code == 0, done.output
    return out


def test_an_auditor_checks_an_export_with_its_own_instructions(exported: Path) -> None:
    text = followed(exported)
    assert "WRONG" not in text
    for line in ("list of changes: OK", "signatures: OK", "chain of 3 seals: OK", "files: OK"):
        assert line in text
    assert f"head {(exported / 'HEAD').read_text().strip()}: OK" in text


@pytest.mark.parametrize(
    ("pattern", "block"),
    [
        ("london/2*/EDGE1/1-confirm/attempt-1/record.json", "files"),
        ("*/seals/0002/statement.json", "signatures"),
        ("*/seals/0001/sig.bin", "signatures"),
        ("*/seals/0001/SHA256SUMS", "signatures"),
        ("*/seals/0003/seal.dsse.json", "signatures"),
        ("changes.csv", "list of changes"),
        ("rollup/statement.json", "list of changes"),
        ("HEAD", "list of changes"),
        ("VERIFY.md", "list of changes"),
    ],
)
def test_the_instructions_and_the_command_find_what_was_altered(exported: Path, pattern: str, block: str) -> None:
    path = min(exported.glob(pattern))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    text = followed(exported)
    assert "WRONG" in text
    assert f"{block}: OK" not in text
    done = call("verify", exported)
    assert done.exit_code == 1
    assert path.name in done.stdout


def test_a_file_added_or_a_change_deleted_is_found_by_both(exported: Path) -> None:
    (exported / "london" / "note.txt").write_bytes(b"")
    assert "note.txt" in followed(exported)
    assert call("verify", exported).exit_code == 1
    (exported / "london" / "note.txt").unlink()
    shutil.rmtree(min((exported / "london").glob("2*")))
    assert "files: OK" not in followed(exported)
    assert call("verify", exported).exit_code == 1


def test_seals_cut_off_an_export_are_found_by_its_list(exported: Path) -> None:
    seal = exported / "london" / "seals" / "0003"
    for line in (seal / "SHA256SUMS").read_text().splitlines():
        (exported / "london" / line[66:]).unlink()
    shutil.rmtree(seal)
    done = call("verify", exported)
    assert done.exit_code == 1
    assert "[rollup]" in done.stdout
    assert "WRONG" in followed(exported)


def test_an_export_can_be_one_file_and_is_never_overwritten(site: SealedSite, tmp_path: Path) -> None:
    out = tmp_path / "london.tar.gz"
    assert call("export", site.folder, out).exit_code == 1
    with tarfile.open(out) as packed:
        names = packed.getnames()
        assert {member.uname for member in packed.getmembers()} == {""}
    assert "london/VERIFY.md" in names
    before = out.read_bytes()
    assert "[added]" in call("verify", out).stdout
    assert isinstance(call("export", site.folder, out).exception, UsageError)
    assert out.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".") and path.name != ".config"] == []


def test_an_export_names_every_change_and_keeps_spreadsheets_safe(site: SealedSite, exported: Path) -> None:
    lines = (exported / "changes.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == list(site.store.changes())
    row = change_row({"change": "c", "ticket": "=1+1", "reason": '@x,"y"'}, [], 0, [])
    assert changes_csv([row]).decode().splitlines()[1].split(",")[4] == "'=1+1"
    assert "'@x" in changes_csv([row]).decode()


def test_file_names_cannot_write_on_the_terminal(site: SealedSite) -> None:
    if os.name != "posix":
        pytest.skip("such names do not exist on Windows")
    (site.folder / "\x1b[2Jx\udcff").write_bytes(b"")
    done = subprocess.run(
        [sys.executable, "-m", "tlsrunbook", "audit", "verify", str(site.folder)], capture_output=True, check=False
    )
    assert done.returncode == 1
    assert b"\x1b" not in done.stdout
    assert rb"\x1b[2Jx\udcff" in done.stdout
