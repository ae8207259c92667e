"""A real scheduler and the workers of two sites over TLS, against a lab of two sites, as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.cluster_processes import Cluster
from tests.cluster.installed import needs_distributed
from tests.support.change import STEPS
from tlsrunbook.adapters.cluster_config import CONFIG, make_cluster
from tlsrunbook.lab.lab import Lab

pytestmark = [needs_distributed, pytest.mark.xdist_group("cluster"), pytest.mark.timeout(600)]

CHANGING = ("New-ExchangeCertificate", "Import-ExchangeCertificate", "New-SendConnector", "Set-ReceiveConnector")


@pytest.fixture
def lab(make_lab: Callable[..., Lab], tmp_path: Path) -> Lab:
    made = make_lab(sites=2, servers=1)
    made.write_site_files(tmp_path / "sites")
    return made


@pytest.fixture
def cluster(lab: Lab, tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path / "cluster", *lab.site_names) as cluster:
        yield cluster


def tlsrunbook(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tlsrunbook", *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, encoding="utf-8", timeout=300, check=False, env=dict(os.environ)
    )


def run_over(cluster: Cluster, folder: Path, *arguments: str, sites: str = "sites") -> subprocess.CompletedProcess[str]:
    config = str(cluster.controller)
    address = ("--executor", cluster.address, "--cluster", config)
    return tlsrunbook(folder, "run", sites, *address, "--side-by-side", "--waves", "100%", *arguments)


def records(folder: Path, site: str) -> list[dict[str, Any]]:
    found = [json.loads(path.read_bytes()) for path in (folder / "runs" / site).rglob("record.json")]
    return sorted(found, key=lambda record: (record["step"], record["attempt"]))


def succeeded(lab: Lab, site: str) -> dict[str, int]:
    counted = lab.station(site, "EDGE1").winrm.counters.succeeded
    return {name: counted[name] for name in CHANGING}


ONCE = dict.fromkeys(CHANGING, 1) | {"New-SendConnector": 3}


def test_a_change_on_two_sites_is_done_by_their_own_workers_and_the_archive_is_whole(
    lab: Lab, cluster: Cluster, tmp_path: Path
) -> None:
    done = run_over(cluster, tmp_path, "--ticket", "CHG-1")
    assert done.returncode == 0, done.stdout + done.stderr
    workers = {}
    for site in lab.site_names:
        made = records(tmp_path, site)
        assert {(record["step"], record["attempt"]) for record in made} == {(step, 1) for step in STEPS}
        assert {record["status"] for record in made} == {"changed", "unchanged"}
        assert all(record["who"]["asked_by"] for record in made)
        workers[site] = {record["who"]["process"] for record in made}
        assert succeeded(lab, site) == ONCE
        assert not list(cluster.work(site).glob("*/*/runs/*/*/EDGE1"))
    assert len(set.union(*workers.values())) == len(lab.site_names), "one kernel per server and site"
    verified = tlsrunbook(tmp_path, "audit", "verify", "runs")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    again = run_over(cluster, tmp_path, "--json", "confirm", "--plan")
    assert again.returncode == 0, again.stdout + again.stderr


class KillWhenDone(Counter[str]):
    """Counts commands, and does something in the moment when one of them has succeeded and is not answered yet.

    Args:
        name: The command.
        act: Done once.
    """

    def __init__(self, name: str, act: Callable[[], object]) -> None:
        super().__init__()
        self._name, self._act = name, [act]

    def __setitem__(self, name: str, count: int) -> None:
        super().__setitem__(name, count)
        if name == self._name and self._act:
            self._act.pop()()


def test_a_worker_killed_in_mid_job_leaves_unknown_and_the_next_run_finishes_without_doing_anything_twice(
    lab: Lab, cluster: Cluster, tmp_path: Path
) -> None:
    hit, other = lab.site_names
    killed: list[int] = []
    counters = lab.station(hit, "EDGE1").winrm.counters
    counters.succeeded = KillWhenDone("Import-ExchangeCertificate", lambda: killed.append(cluster.kill_work(hit)))
    first = run_over(cluster, tmp_path)
    assert killed, first.stdout + first.stderr
    assert first.returncode == 4, first.stdout + first.stderr
    unknown = [record for record in records(tmp_path, hit) if record["status"] == "unknown"]
    assert [(record["step"], record["error"]["code"]) for record in unknown] == [("install", "worker-lost")]
    assert {record["status"] for record in records(tmp_path, other)} == {"changed", "unchanged"}
    assert tlsrunbook(tmp_path, "audit", "verify", "runs").returncode == 0

    second = run_over(cluster, tmp_path)
    assert second.returncode == 0, second.stdout + second.stderr
    assert succeeded(lab, hit) == succeeded(lab, other) == ONCE
    install = [record for record in records(tmp_path, hit) if record["step"] == "install"]
    # Of the worker that died, brought back with its transcript; written here; and the one that looked first.
    assert [(record["attempt"], record["status"]) for record in install] == [
        (1, "unknown"),
        (2, "unknown"),
        (3, "unchanged"),
    ]
    assert install[0]["error"]["code"] == "no-record"
    assert any("Import-ExchangeCertificate" in command["text"] for command in install[0]["commands"])
    assert {record["step"] for record in records(tmp_path, hit)} == set(STEPS)
    verified = tlsrunbook(tmp_path, "audit", "verify", "runs")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_a_site_without_a_worker_is_told_and_not_begun(lab: Lab, tmp_path: Path) -> None:
    here, nowhere = lab.site_names
    with Cluster(tmp_path / "cluster", here, no_worker="1s") as cluster:
        done = run_over(cluster, tmp_path)
    assert done.returncode == 3, done.stdout + done.stderr
    assert f"{nowhere}: not begun" in done.stdout
    assert "there is no worker for this site" in done.stdout
    assert {record["status"] for record in records(tmp_path, here)} == {"changed", "unchanged"}
    assert records(tmp_path, nowhere) == []
    assert sum(succeeded(lab, nowhere).values()) == 0


def test_a_controller_of_another_ca_is_refused(lab: Lab, tmp_path: Path) -> None:
    make_cluster(tmp_path / "foreign", "127.0.0.1", lab.site_names)
    with Cluster(tmp_path / "cluster") as cluster:
        cluster.controller = tmp_path / "foreign" / "controller" / CONFIG
        done = run_over(cluster, tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "the scheduler cannot be reached" in done.stderr
    assert "of the same CA" in done.stderr
    assert all(records(tmp_path, site) == [] for site in lab.site_names)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:8786", "127.0.0.1:8786"])
def test_workers_are_reached_over_tls_only(lab: Lab, tmp_path: Path, address: str) -> None:
    make_cluster(tmp_path / "cluster", "127.0.0.1", lab.site_names)
    config = str(tmp_path / "cluster" / "controller" / CONFIG)
    done = tlsrunbook(tmp_path, "run", "sites", "--executor", address, "--cluster", config)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "tls://" in done.stderr
    assert not list(tmp_path.glob("runs/*/*/change.json"))


def test_the_controllers_certificate_is_asked_for(lab: Lab, tmp_path: Path) -> None:
    done = tlsrunbook(tmp_path, "run", "sites", "--executor", "tls://127.0.0.1:8786")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "TLSRUNBOOK_CLUSTER" in done.stderr
