"""A site wave by wave from the command line: the canary, failures, going on, servers that others work on."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import plain_environment
from tests.support.events import events_of, records_of, result_of
from tlsrunbook.adapters.archive import SiteArchive
from tlsrunbook.adapters.store import RunStore
from tlsrunbook.evidence.chain import verify
from tlsrunbook.lab.lab import Lab

THREE = ["EDGE1", "MBX1", "EDGE2"]
SIX = ["confirm", "request", "install", "activate", "connectors", "verify"]


class Desk:
    """A lab, its site files, and somebody who types commands."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        self.sites = folder / "sites"
        self.files = lab.write_site_files(self.sites)
        self.store = RunStore(folder / "runs", lab.site_names[0])

    def call(self, command: str, *arguments: str, expected: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "tlsrunbook", command, str(self.sites), *arguments],
            cwd=self.folder,
            env=plain_environment(self.folder),
            capture_output=True,
            check=False,
            timeout=150,
            encoding="utf-8",
        )
        assert done.returncode == expected, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    def made(self, server: str, site: str = "") -> int:
        """Count the requests that were made on a server."""
        station = self.lab.station(site or self.lab.site_names[0], server)
        return station.winrm.counters.cmdlets["New-ExchangeCertificate"]

    def whole(self) -> None:
        for site in self.lab.site_names:
            verdict = verify(SiteArchive(self.folder / "runs" / site).contents())
            assert verdict.flaws == ()
            assert not [note for note in verdict.notes if "left by a writer" in note]


@pytest.fixture
def desk_on(make_lab: Callable[..., Lab], tmp_path: Path) -> Callable[..., Desk]:
    return lambda **world: Desk(make_lab(**world), tmp_path)


def done_by(stdout: str) -> dict[str, list[str]]:
    """Give the steps that were run, by server."""
    steps: dict[str, list[str]] = {}
    for record in records_of(stdout):
        steps.setdefault(record["server"], []).append(record["step"])
    return steps


def waves(stdout: str) -> list[str]:
    return [
        f"{event['site']} {event['wave']}/{event['of']} {event['state']}"
        for event in events_of(stdout)
        if event["event"] == "wave"
    ]


def test_a_canary_that_waits_for_the_ca_holds_the_others_and_the_same_command_goes_on(
    desk_on: Callable[..., Desk],
) -> None:
    desk = desk_on(servers=3, faults=("ca-slow",))
    first = desk.call("run", expected=3)
    assert "wave 1 of 2 begun (EDGE1)" in first.stdout
    assert "london: not begun: MBX1, EDGE2: wave 1 of 2 is not done (EDGE1: request waiting" in first.stdout
    assert "to hand in the CSRs of all servers at once: tlsrunbook run SITE confirm request" in first.stdout
    all_requests = desk.call("run", "confirm", "request", "--json", expected=3)
    assert done_by(all_requests.stdout) == dict.fromkeys(THREE, SIX[:2])
    assert waves(all_requests.stdout)[0] == "london 1/1 begun"

    desk.lab.faults.clear()
    last = desk.call("run", "--json")
    assert done_by(last.stdout) == dict.fromkeys(THREE, SIX[1:])
    assert waves(last.stdout) == ["london 1/2 begun", "london 1/2 done", "london 2/2 begun", "london 2/2 done"]
    assert "london: done already, not run again: confirm: EDGE1, MBX1, EDGE2" in last.stderr
    result = result_of(last.stdout)
    assert (result["exit_code"], result["left"]) == (0, [])
    assert {row["ended"] for row in result["servers"]} == {"done"}
    (change,) = desk.store.changes()
    assert [desk.made(server) for server in THREE] == [1, 1, 1]

    nothing = desk.call("run", "--change", change)
    assert "london: nothing is left to do: every step that was asked for is done" in nothing.stdout
    looked = desk.call("run", "verify", "--change", change, "--server", "mbx1", "--json")
    assert [(r["step"], r["status"], r["attempt"]) for r in records_of(looked.stdout)] == [("verify", "unchanged", 2)]
    desk.whole()


def test_a_failure_stops_the_site_and_the_next_run_goes_on_from_there(desk_on: Callable[..., Desk]) -> None:
    desk = desk_on(servers=3, faults=("exchange-error:New-ExchangeCertificate@MBX1",))
    first = desk.call("run", "--workers", "1", "--json", expected=1)
    assert done_by(first.stdout) == {"EDGE1": SIX, "MBX1": ["confirm", "request"]}
    (left,) = result_of(first.stdout)["left"]
    assert (left["server"], left["steps"]) == ("EDGE2", SIX)
    assert left["why"] == "1 server(s) failed, and no further one begins after 1"

    desk.lab.faults.clear()
    second = desk.call("run", "--json")
    assert done_by(second.stdout) == {"MBX1": SIX[1:], "EDGE2": SIX}
    before = {row["server"]: row["steps"] for row in result_of(second.stdout)["done_before"]}
    assert before == {"EDGE1": SIX, "MBX1": ["confirm"]}
    assert len(desk.store.changes()) == 1
    attempts = {(r["server"], r["step"]): r["attempt"] for r in records_of(second.stdout)}
    assert attempts["MBX1", "request"] == 2, "beside the old one"
    desk.whole()


def test_sizes_of_waves_and_the_order_of_servers_are_the_users(desk_on: Callable[..., Desk]) -> None:
    desk = desk_on(servers=3)
    done = desk.call("run", "--waves", "2,100%", "--server", "edge2", "--server", "EDGE1", "--server", "mbx1", "--json")
    sites = [event for event in events_of(done.stdout) if event["event"] == "site"]
    assert sites[0]["waves"] == [["EDGE2", "EDGE1"], ["MBX1"]]


def test_sites_come_one_by_one_and_a_failure_keeps_the_next_from_it(desk_on: Callable[..., Desk]) -> None:
    desk = desk_on(sites=2, servers=1, faults=("gone-before-run:New-ExchangeCertificate",))
    first, second = sorted(path.stem for path in desk.files)
    done = desk.call("run", "--json", expected=4)
    assert {record["site"] for record in records_of(done.stdout)} == {first}
    assert result_of(done.stdout)["left"][0]["why"] == f"{first} is not done, and sites come one by one"
    again = desk.call("run", "--side-by-side", "--json")
    assert {record["site"] for record in records_of(again.stdout)} == {first, second}
    assert waves(again.stdout).index(f"{second} 1/1 begun") < waves(again.stdout).index(f"{first} 1/1 done")


def test_a_server_that_somebody_works_on_is_left_out_with_their_name(desk_on: Callable[..., Desk]) -> None:
    desk = desk_on(servers=2)
    somebody = {"user": "bob", "host": "ws2", "process": "1"}
    lease = desk.store.lease("MBX1", somebody, "JupyterLab")
    seen = desk.call("status", "--json")
    rows = {row["server"]: row for row in json.loads(seen.stdout)}
    assert rows["MBX1"]["held_by"]["user"] == "bob"
    assert rows["EDGE1"]["held_by"] == {}
    assert "london / MBX1: bob on ws2 works on it (JupyterLab, since 2" in desk.call("status").stdout
    done = desk.call("run", "--waves", "100%", expected=3)
    (line,) = [line for line in done.stdout.splitlines() if "/ MBX1: held: " in line]
    assert re.search(r"bob works on this server \(JupyterLab, on ws2, since 2.*free again at 2", line)
    assert "EDGE1 / verify: unchanged" in done.stdout
    lease.release()
    rest = desk.call("run", "--json")
    assert done_by(rest.stdout) == {"MBX1": SIX}
    desk.whole()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--waves", "1,half"), "is not a wave"),
        (("--kernels", "warm"), "no kernels of the kind"),
        (("--executor", "tcp://x:1"), "tls://"),
    ],
)
def test_what_cannot_be_used_is_told_before_anything_starts(
    desk_on: Callable[..., Desk], arguments: tuple[str, ...], says: str
) -> None:
    desk = desk_on(servers=1)
    done = desk.call("run", *arguments, expected=2)
    assert says in done.stderr
    assert not (desk.folder / "runs").exists()


def test_on_a_terminal_bars_and_a_matrix_follow_the_run(desk_on: Callable[..., Desk]) -> None:
    pty = pytest.importorskip("pty", reason="there are no pseudo terminals on Windows")
    desk = desk_on(servers=2)
    ours, theirs = pty.openpty()
    environment = plain_environment(desk.folder, TERM="xterm-256color", COLUMNS="110", LINES="30")
    command = [sys.executable, "-m", "tlsrunbook", "run", str(desk.sites)]
    shown = b""
    with subprocess.Popen(command, cwd=desk.folder, env=environment, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        while chunk := _read(ours):
            shown += chunk
        assert process.wait(60) == 0
    os.close(ours)
    text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", shown).decode("utf-8", "replace")
    assert re.search(
        r"all +.*0 of 2 +time left: known when a server is done\s+london, wave 1 of 2.*\s+1 at work, 1 to come", text
    )
    assert re.search(r"all +.*1 of 2 +about \d+ s left\s+london, wave 2 of 2.*\s+1 at work, 1 done", text)
    assert re.search(r"EDGE1 +✓ unchanged +(✔ changed +)*▸ \d s", text)
    assert "EDGE1 / confirm: started" not in text, "no lines beside the picture"
    assert text.rstrip().splitlines()[-1].startswith("sealed: london")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # the last process has closed it
        return b""


def test_a_table_of_json_lines_says_who_is_at_what(desk_on: Callable[..., Desk]) -> None:
    desk = desk_on(servers=1)
    done = desk.call("run", "confirm", "--json")
    kinds: list[Any] = [(event["event"], event.get("state", "")) for event in events_of(done.stdout)]
    assert kinds == [
        *(("site", ""), ("wave", "begun"), ("server", "begun"), ("started", ""), ("ended", "")),
        *(("server", "ended"), ("wave", "done"), ("result", "")),
    ]
    result = result_of(done.stdout)
    assert (result["exit_code"], result["stopped"], len(result["seals"])) == (0, [], 1)
