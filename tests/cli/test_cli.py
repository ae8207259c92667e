"""The command line, as a user types it, against a running lab."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.events import records_of
from tlsrunbook.lab.lab import Lab

TLSRUNBOOK = [sys.executable, "-m", "tlsrunbook"]


def call(*arguments: str, cwd: Path, timeout: float = 150) -> subprocess.CompletedProcess[str]:
    command = [*TLSRUNBOOK, *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, timeout=timeout, check=False, encoding="utf-8")


@pytest.fixture
def site(make_lab: Callable[..., Lab], tmp_path: Path) -> Path:
    lab = make_lab()
    (path,) = lab.write_site_files(tmp_path / "sites")
    return path


def test_demo_does_everything_and_leaves_evidence(tmp_path: Path) -> None:
    done = call("demo", "--sites", "1", "--servers", "2", "--runs", "evidence", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    records = [json.loads(path.read_bytes()) for path in (tmp_path / "evidence").rglob("record.json")]
    assert len(records) == 12
    assert {record["status"] for record in records} == {"unchanged", "changed"}
    notebooks = list((tmp_path / "evidence").rglob("*.ipynb"))
    assert len(notebooks) == 12
    assert "evidence: evidence" in done.stdout.replace("\\", "/")
    assert "EDGE1" in done.stdout
    assert "MBX1" in done.stdout


def test_run_twice_changes_nothing_the_second_time(site: Path, tmp_path: Path) -> None:
    first = call("run", str(site), "--ticket", "CHG-1", "--reason", "renewal", "--json", cwd=tmp_path)
    assert first.returncode == 0, first.stdout + first.stderr
    records = records_of(first.stdout)
    assert {record["why"]["ticket"] for record in records} == {"CHG-1"}
    second = call("run", str(site), "--json", cwd=tmp_path)
    assert second.returncode == 0
    assert {record["status"] for record in records_of(second.stdout)} == {"unchanged"}
    status = call("status", str(site), "--json", cwd=tmp_path)
    assert {step["status"] for row in json.loads(status.stdout) for step in row["steps"].values()} == {"unchanged"}


def test_plan_changes_nothing_and_exits_0(site: Path, tmp_path: Path) -> None:
    done = call("run", str(site), "request", "--plan", "--server", "edge1", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "planned" in done.stdout


def test_check_names_every_server_and_the_authority(site: Path, tmp_path: Path) -> None:
    done = call("check", str(site), "--json", cwd=tmp_path)
    assert done.returncode == 0
    rows = json.loads(done.stdout)
    assert {row["subject"] for row in rows} == {"authority", "EDGE1", "MBX1"}
    assert all(row["ok"] for row in rows)


def test_check_fails_when_a_server_is_not_there(site: Path, tmp_path: Path) -> None:
    text = site.read_text(encoding="utf-8").replace('name = "MBX1"', 'name = "MBX9"')
    site.write_text(text, encoding="utf-8")
    done = call("check", str(site), cwd=tmp_path)
    assert done.returncode == 1
    assert "MBX1" in done.stdout
    assert "correct name or address" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "SITE", "--server", "edge9"), "did you mean EDGE1"),
        (("run", "SITE", "confrm"), "use confirm"),
        (("run", "SITE", "--change", "yesterday"), "there is no change 'yesterday'"),
        (("run", "nowhere.toml"), "nowhere.toml"),
        (("lab", "--fault", "smtp-clsed"), "use one of"),
        (("lab", "--sites", "2", "--site-file", "x.toml"), "use --site-dir"),
        (("lab", "--exchange", "2003"), "2003"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(
    site: Path, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    done = call(*(str(site) if part == "SITE" else part for part in arguments), cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists(), "nothing half-done"


def test_a_site_file_with_mistakes_lists_them_all(site: Path, tmp_path: Path) -> None:
    text = site.read_text(encoding="utf-8").replace("key_size = 2048", "key_size = 1024").replace("fqdn =", "fqdnn =")
    site.write_text(text, encoding="utf-8")
    done = call("run", str(site), cwd=tmp_path)
    assert done.returncode == 2
    assert "certificate.key_size" in done.stderr
    assert "write 2048 or 4096" in done.stderr
    assert done.stderr.count("did you mean fqdn?") == 2


def test_a_missing_credential_is_told_before_anything_starts(site: Path, tmp_path: Path) -> None:
    site.write_text(site.read_text(encoding="utf-8").replace('"lab-admin"', '"nobody"'), encoding="utf-8")
    done = call("run", str(site), cwd=tmp_path)
    assert done.returncode == 2
    assert "TLSRUNBOOK_CREDENTIAL_NOBODY_USER" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_step_that_is_blocked_exits_3_and_one_that_fails_1(make_lab: Callable[..., Lab], tmp_path: Path) -> None:
    lab = make_lab(servers=1)
    (site,) = lab.write_site_files(tmp_path / "sites")
    early = call("run", str(site), "install", cwd=tmp_path)
    assert early.returncode == 3
    assert "no-request" in (next((tmp_path / "runs").rglob("record.json"))).read_text(encoding="utf-8")
    early = call("run", str(site), "verify", cwd=tmp_path)
    assert early.returncode == 1


def test_an_unanswered_change_exits_4(make_lab: Callable[..., Lab], tmp_path: Path) -> None:
    lab = make_lab(servers=1, faults=("gone-after-run:New-ExchangeCertificate",))
    (site,) = lab.write_site_files(tmp_path / "sites")
    assert call("run", str(site), "confirm", "request", cwd=tmp_path).returncode == 4
    assert call("run", str(site), "request", cwd=tmp_path).returncode == 0


@pytest.fixture
def lab_process(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    site = tmp_path / "lab.toml"
    with subprocess.Popen([*TLSRUNBOOK, "lab", "--site-file", str(site)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert "site file" in process.stdout.readline()
            assert "The lab runs" in process.stdout.readline()
            yield process, site
        finally:
            process.kill()


@pytest.mark.skipif(os.name == "nt", reason="signals are sent another way on Windows")
@pytest.mark.parametrize("ending", ["SIGINT", "SIGTERM"])
def test_the_lab_ends_when_asked_and_leaves_nothing(
    lab_process: tuple[subprocess.Popen[str], Path], ending: str
) -> None:
    process, site = lab_process
    text = site.read_text(encoding="utf-8")
    secrets = Path(text.split('[credentials]\nfile = "')[1].split('"')[0])
    assert secrets.is_file()
    started = time.monotonic()
    process.send_signal(getattr(signal, ending))
    assert process.wait(timeout=20) == 0
    assert time.monotonic() - started < 15
    assert not secrets.parent.exists()


@pytest.mark.skipif(os.name == "nt", reason="there are no background jobs of a POSIX shell on Windows")
def test_a_lab_in_the_background_of_a_shell_ends_when_told(tmp_path: Path) -> None:
    site = tmp_path / "lab.toml"
    command = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *TLSRUNBOOK, "lab", "--site-file", str(site)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert "site file" in process.stdout.readline()
            assert "The lab runs" in process.stdout.readline()
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=20) == 0
        finally:
            process.kill()


def test_help_names_every_command_and_imports_little() -> None:
    probe = "import sys; sys.argv=['tlsrunbook','--help']\nimport tlsrunbook.cli as c\n"
    probe += "try: c.main()\nexcept SystemExit: pass\n"
    probe += "print(sorted(m for m in ('papermill','aiohttp','winrm','cryptography','pydantic') if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, encoding="utf-8")
    assert done.stdout.rstrip().endswith("[]")
    for name in ("demo", "lab", "run", "check", "status", "audit"):
        assert name in done.stdout
