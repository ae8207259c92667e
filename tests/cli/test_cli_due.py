"""``due`` and ``status --html``, as a user or a nightly job types them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.archives import hasty
from tests.support.fleets import FleetWorld
from tlsrunbook.lab.lab import Lab

FINE = ("fine", "fine")


def call(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tlsrunbook", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, timeout=120, check=False, encoding="utf-8")


def world_of(folder: Path, *fates: str, sites: int = 1) -> FleetWorld:
    with hasty():
        return FleetWorld(folder, sites=sites, servers=len(fates) // sites, fates=fates)


def due(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return call("due", "sites", *arguments, cwd=folder)


@pytest.mark.parametrize(
    ("fates", "code", "told"),
    [
        (FINE, 0, "none due within 1d, of 2 servers"),
        (("fine", "expired"), 3, "1 due within 1d, of 2 servers"),
        (("fine", "untouched"), 4, "none due within 1d, of 1 servers"),
        (("expired", "untouched"), 3, "? london / MBX002: nothing is on record of it"),
    ],
)
def test_the_exit_code_tells_a_job_whether_somebody_has_to_look(
    tmp_path: Path, fates: tuple[str, ...], code: int, told: str
) -> None:
    world_of(tmp_path, *fates)
    done = due(tmp_path, "--within", "1d")
    assert (done.returncode, done.stderr) == (code, "")
    assert told in done.stdout


def test_due_tells_server_fqdn_end_days_and_the_open_change(tmp_path: Path) -> None:
    world = world_of(tmp_path, "waiting", "fine")
    done = due(tmp_path, "--within", "31d")
    (line,) = [line for line in done.stdout.splitlines() if "EDGE001" in line]
    member = world.members[0]
    for text in ("london / EDGE001", member.fqdn, f"{member.ends:%Y-%m-%d}", "on the wire at", "(waiting)"):
        assert text in line
    assert "MBX002" not in done.stdout


def test_a_program_reads_the_same_and_what_is_unknown(tmp_path: Path) -> None:
    world_of(tmp_path, "soon", "untouched", "fine", "fine", sites=2)
    done = due(tmp_path, "--json")
    assert done.returncode == 3
    answer = json.loads(done.stdout)
    (one,) = answer["due"]
    assert (one["site"], one["server"], one["change"], one["stands"]) == ("london", "EDGE001", "", "ends soon")
    assert 0 <= one["days_left"] <= 30
    assert [row["server"] for row in answer["unknown"]] == ["MBX002"]
    assert (answer["within"], answer["unreadable"]) == ("", [])


def test_without_a_time_each_sites_own_renewal_time_counts(tmp_path: Path) -> None:
    world = world_of(tmp_path, "fine")
    assert due(tmp_path).returncode == 0
    path = world.sites / "london.toml"
    text = path.read_text(encoding="utf-8").replace("[certificate]", "[certificate]\nrenew_before_days = 180")
    path.write_text(text, encoding="utf-8")
    assert due(tmp_path).returncode == 3


@pytest.mark.parametrize("within", ["30", "30 d", "2y", "0d", "400d", "-1d"])
def test_a_time_is_written_as_in_the_site_file(tmp_path: Path, within: str) -> None:
    world_of(tmp_path, "fine")
    done = due(tmp_path, f"--within={within}")
    assert done.returncode == 2
    assert f"{within!r} is no time" in done.stderr
    assert '"30d"' in done.stderr


def test_the_page_of_a_folder_of_sites_is_written_whole_and_in_place_of_an_earlier_one(tmp_path: Path) -> None:
    world_of(tmp_path, "fine", "failed", "waiting", "untouched", sites=2)
    (tmp_path / "fleet.html").write_text("an earlier one", encoding="utf-8")
    done = call("status", "sites", "--html", "fleet.html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "4 servers: 1 failed, 1 not known, 1 waiting, 1 fine" in done.stdout
    assert "page: fleet.html" in done.stdout
    page = (tmp_path / "fleet.html").read_text(encoding="utf-8")
    assert "4 servers of london, paris" in page
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".") and path.suffix == ".part"] == []


def test_a_page_that_cannot_be_written_is_one_message_and_leaves_nothing(tmp_path: Path) -> None:
    world_of(tmp_path, "fine")
    done = call("status", "sites", "--html", "not/there/fleet.html", cwd=tmp_path)
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "not").exists()


def test_with_json_the_page_is_written_and_standard_output_is_for_the_program(tmp_path: Path) -> None:
    world_of(tmp_path, "fine")
    done = call("status", "sites", "--html", "fleet.html", "--json", cwd=tmp_path)
    assert [row["server"] for row in json.loads(done.stdout)] == ["EDGE001"]
    assert "page: fleet.html" in done.stderr
    assert (tmp_path / "fleet.html").is_file()


def test_a_change_on_a_lab_ends_up_on_the_page_and_is_not_due(make_lab: Callable[..., Lab], tmp_path: Path) -> None:
    lab = make_lab(servers=1)
    (site,) = lab.write_site_files(tmp_path / "sites")
    assert call("due", str(site), cwd=tmp_path).returncode == 4
    assert call("run", str(site), cwd=tmp_path).returncode == 0
    assert call("due", str(site), cwd=tmp_path).returncode == 0
    soon = call("due", str(site), "--within", "100d", "--json", cwd=tmp_path)
    assert soon.returncode == 3
    (one,) = json.loads(soon.stdout)["due"]
    assert one["uses"][0].startswith("on the wire at 127.0.0.1:")
    assert call("status", str(site), "--html", "fleet.html", cwd=tmp_path).returncode == 0
    page = (tmp_path / "fleet.html").read_text(encoding="utf-8")
    assert one["thumbprint"] in page
    assert 'data-server="london / EDGE1" data-verdict="fine"' in page
