"""A marker is planted as the lab's password; it must be in no file, log, output or exception."""

from __future__ import annotations

import base64
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.change import Change
from tlsrunbook.lab.lab import Lab
from tlsrunbook.secret import Secret


def spellings(marker: str) -> list[bytes]:
    """Give the ways a secret could hide: plain, UTF-16, base64 at any offset."""
    plain = marker.encode()
    found = [plain, marker.encode("utf-16-le")]
    for pad in range(3):
        text = base64.b64encode(b"x" * pad + plain)
        found.append(text[4 if pad else 0 : -4])
    return found


def leaks(folder: Path, marker: str) -> list[str]:
    wanted = spellings(marker)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files, "nothing was searched"
    return [str(path) for path in files if any(text in path.read_bytes() for text in wanted)]


def test_the_search_finds_what_is_planted(tmp_path: Path) -> None:
    marker = "Planted-Marker-0815"
    for number, text in enumerate(spellings(marker)):
        (tmp_path / f"{number}.txt").write_bytes(b"..." + text + b"...")
    (tmp_path / "clean.txt").write_bytes(b"nothing")
    assert len(leaks(tmp_path, marker)) == 5


@pytest.mark.parametrize(
    "faults", [(), ("logon-refused",), ("hop-refused",), ("gone-after-run:Import-ExchangeCertificate",)], ids=str
)
def test_no_secret_is_in_evidence_logs_or_errors(
    change_on: Callable[..., Change],
    faults: tuple[str, ...],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    change = change_on(faults=faults)
    marker = change.lab.credential.password.reveal()
    assert len(marker) >= 12
    for server in ("EDGE1", "MBX1"):
        change.apply(server)
    assert leaks(change.runs, marker) == []
    shown = capfd.readouterr()
    for text in (caplog.text, shown.out, shown.err):
        assert marker not in text


def test_no_secret_is_in_executed_notebooks_or_output(make_lab: Callable[..., Lab], tmp_path: Path) -> None:
    lab = make_lab(servers=1, faults=("exchange-error:Enable-ExchangeCertificate",))
    (site,) = lab.write_site_files(tmp_path / "sites")
    marker = "Planted-By-Environment-4711"
    environment = os.environ | {
        "TLSRUNBOOK_CREDENTIAL_LAB_ADMIN_USER": lab.credential.user,
        "TLSRUNBOOK_CREDENTIAL_LAB_ADMIN_PASSWORD": marker,
    }
    for env, expected in ((environment, 1), (dict(os.environ), 1)):
        command = [sys.executable, "-m", "tlsrunbook", "run", str(site), "--json"]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, check=False, timeout=120)
        assert done.returncode == expected, done.stderr
        for secret in (marker, lab.credential.password.reveal()):
            assert not any(text in done.stdout + done.stderr for text in spellings(secret))
            assert leaks(tmp_path / "runs", secret) == []
    records = [json.loads(path.read_bytes()) for path in (tmp_path / "runs").rglob("record.json")]
    assert {"logon-failed", "command-failed"} <= {record["error"]["code"] for record in records if record["error"]}
    assert list((tmp_path / "runs").rglob("*.ipynb"))


def test_the_lab_keeps_its_password_where_only_the_user_can_read_it(make_lab: Callable[..., Lab]) -> None:
    lab = make_lab(servers=1)
    if os.name == "posix":
        assert lab.folder.stat().st_mode & 0o077 == 0
    marker = lab.credential.password.reveal()
    assert [Path(path).name for path in leaks(lab.folder, marker)] == ["credentials.toml"]


def test_a_secret_never_prints() -> None:
    secret = Secret("Planted-Marker-0815")
    for text in (str(secret), repr(secret), f"{secret}", f"{secret:>30}", "%s" % secret):  # noqa: UP031
        assert "Planted" not in text
    with pytest.raises(TypeError):
        json.dumps({"password": secret})
