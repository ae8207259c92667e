"""A subscribed Edge and a shared key, as a user types it: one run does it all, the second changes nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.events import records_of
from tlsrunbook.lab.lab import Lab

TLSRUNBOOK = [sys.executable, "-m", "tlsrunbook"]


def run(site: Path, cwd: Path, *arguments: str) -> dict[tuple[str, str], str]:
    command = [*TLSRUNBOOK, "run", str(site), "--json", *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=150, check=False, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    return {(record["server"], record["step"]): record["status"] for record in records_of(done.stdout)}


@pytest.mark.parametrize("workers", ["1", "4"])
def test_one_run_does_both_sides_of_a_subscribed_edge_and_the_second_nothing(
    make_lab: Callable[..., Lab], tmp_path: Path, workers: str
) -> None:
    lab = make_lab(subscribed=True)
    (site,) = lab.write_site_files(tmp_path / "sites")
    first = run(site, tmp_path, "--workers", workers)
    assert len(first) == 12
    assert (first["MBX1", "connectors"], first["EDGE1", "connectors"]) == ("changed", "unchanged")
    assert {first[server, "verify"] for server in ("EDGE1", "MBX1")} == {"unchanged"}
    assert set(run(site, tmp_path, "--workers", workers).values()) == {"unchanged"}


def test_one_run_shares_the_key_whatever_the_order_in_the_file(make_lab: Callable[..., Lab], tmp_path: Path) -> None:
    lab = make_lab(servers=4)
    (site,) = lab.write_site_files(tmp_path / "sites")
    text = site.read_text(encoding="utf-8").replace("exportable = false", "exportable = true")
    head, tail = text.split('name = "MBX1"')
    # MBX1 comes first in the file and shares what MBX2 has.
    tail = tail.replace('fqdn = "mx2.london', 'share_from = "MBX2"\nfqdn = "mx4.london', 1)
    site.write_text(f'{head}name = "MBX1"{tail}', encoding="utf-8")
    first = run(site, tmp_path, "--server", "MBX1", "--server", "MBX2")
    assert (first["MBX1", "request"], first["MBX1", "install"]) == ("skipped", "changed")
    assert (first["MBX1", "verify"], first["MBX2", "verify"]) == ("unchanged", "unchanged")


def test_check_asks_for_what_a_server_does_for_others(make_lab: Callable[..., Lab], tmp_path: Path) -> None:
    lab = make_lab(subscribed=True)
    (site,) = lab.write_site_files(tmp_path / "sites")
    done = subprocess.run(
        [*TLSRUNBOOK, "check", str(site), "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rights = {row["subject"]: row["text"] for row in json.loads(done.stdout) if row["what"] == "rights"}
    assert rights == {"EDGE1": "all 4 cmdlets that a change needs", "MBX1": "all 8 cmdlets that a change needs"}


def test_the_lab_command_subscribes_its_edges(tmp_path: Path) -> None:
    site = tmp_path / "lab.toml"
    command = [*TLSRUNBOOK, "lab", "--subscribed-edge", "--site-file", str(site)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert "site file" in process.stdout.readline()
            assert 'send_through = "MBX1"' in site.read_text(encoding="utf-8")
        finally:
            process.kill()


def test_a_lab_without_a_mailbox_server_has_nobody_to_subscribe_an_edge(tmp_path: Path) -> None:
    command = [*TLSRUNBOOK, "lab", "--subscribed-edge", "--servers", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "an Edge and a Mailbox server" in done.stderr
