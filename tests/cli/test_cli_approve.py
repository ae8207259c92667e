"""Plan, approve, apply on the command line, each in a process of its own, with notebooks in their kernels."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.events import records_of
from tlsrunbook import open_run
from tlsrunbook.adapters.keys import load_signer
from tlsrunbook.lab.lab import Lab


@dataclass
class Desk:
    """A folder with a site file, and people with a signing key each."""

    folder: Path
    site: Path

    def call(self, *arguments: str, who: str = "operator", answer: str = "") -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "TLSRUNBOOK_CONFIG_DIR": str(self.folder / who)}
        return subprocess.run(
            [sys.executable, "-m", "tlsrunbook", *arguments], cwd=self.folder, env=environment, input=answer,
            capture_output=True, text=True, timeout=150, check=False, encoding="utf-8",
        )  # fmt: skip

    def policy(self, *lines: str) -> None:
        text = self.site.read_text("utf-8")
        assert 'approval = "none"' in text
        self.site.write_text(text.replace('approval = "none"', "\n".join(lines)), encoding="utf-8")

    def public_key(self, who: str) -> str:
        done = self.call("approve", "--public-key", who=who)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def change(self) -> str:
        (path,) = (self.folder / "runs").glob("*/*/change.json")
        return path.parent.name


@pytest.fixture
def desk(make_lab: Callable[..., Lab], tmp_path: Path) -> Desk:
    lab = make_lab(servers=1)
    (path,) = lab.write_site_files(tmp_path / "sites")
    desk = Desk(tmp_path, path)
    (tmp_path / "sites" / "alice.pem").write_text(desk.public_key("alice"), encoding="ascii")
    desk.policy('approval = "required"', 'approvers = ["alice.pem"]', "separate_approver = true", 'valid_for = "2h"')
    return desk


def test_plan_approve_apply(desk: Desk) -> None:
    site = str(desk.site)
    planned = desk.call("run", site, "--plan", "--ticket", "CHG-7", "--reason", "renewal")
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert f"tlsrunbook approve {desk.change}" in planned.stdout
    (plan,) = (desk.folder / "runs").glob("*/*/plans/1/plan.json")
    digest = json.loads(plan.read_bytes())["digest"]
    assert digest in planned.stdout

    early = desk.call("run", site, "request", "--change", desk.change, "--json")
    assert early.returncode == 3, early.stdout + early.stderr
    (blocked,) = records_of(early.stdout)
    assert (blocked["status"], blocked["commands"]) == ("blocked", [c for c in blocked["commands"] if not c["changes"]])

    declined = desk.call("approve", desk.change, who="alice", answer="n\n")
    assert declined.returncode == 3, declined.stdout + declined.stderr
    assert not list(plan.parents[2].glob("approvals/*"))

    agreed = desk.call("approve", desk.change, "--by", "Alice Example", who="alice", answer="y\n")
    assert agreed.returncode == 0, agreed.stdout + agreed.stderr
    for text in ("CHG-7", "renewal", "Enable-ExchangeCertificate", "TLS required EDGE1", digest, "undo:",
                 "<thumbprint of the certificate to be issued>", "Alice Example until"):  # fmt: skip
        assert text in agreed.stdout

    applied = desk.call("run", site, "--change", desk.change, "--json")
    assert applied.returncode == 0, applied.stdout + applied.stderr
    records = {record["step"]: record for record in records_of(applied.stdout)}
    assert {step: record["status"] for step, record in records.items()} == {
        "confirm": "unchanged", "request": "changed", "install": "changed", "activate": "changed",
        "connectors": "changed", "verify": "unchanged"}  # fmt: skip
    approval = records["activate"]["approval"]
    assert (approval["by"], approval["digest"]) == ("Alice Example", digest)
    assert approval["keyid"] == load_signer("", {"TLSRUNBOOK_CONFIG_DIR": str(desk.folder / "alice")}).keyid
    assert not desk.call("audit", "verify", "runs").returncode, "plans and approvals are sealed"


def test_who_may_not_approve_is_told_why_at_once(desk: Desk) -> None:
    desk.call("run", str(desk.site), "request", "--plan")
    stranger = desk.call("approve", desk.change, "--yes", who="mallory")
    assert stranger.returncode == 2
    assert "is not among the approvers" in stranger.stderr
    assert desk.public_key("mallory") in stranger.stderr.replace("\r", "")

    (desk.folder / "sites" / "alice.pem").write_text(desk.public_key("operator"), encoding="ascii")
    own = desk.call("approve", desk.change, "--yes", "--site", str(desk.site))
    assert own.returncode == 2
    assert "wants a separate approver" in own.stderr
    assert not list((desk.folder / "runs").rglob("approvals"))


def test_notebooks_planned_one_by_one_are_approved_as_one_plan(desk: Desk) -> None:
    run = open_run(desk.site, "EDGE1", desk.folder / "runs")
    for step in ("confirm", "request"):
        run.step(step)
    run.close()
    done = desk.call("approve", run.change, "--yes", "--site", str(desk.site), who="alice")
    assert done.returncode == 0, done.stdout + done.stderr
    applied = open_run(desk.site, "EDGE1", desk.folder / "runs", run.change, "apply")
    assert applied.step("request").record.approval["plan"] == "1"
    applied.close()


def test_whoever_runs_the_notebooks_by_hand_cannot_approve_them_with_their_own_key(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TLSRUNBOOK_CONFIG_DIR", str(desk.folder / "alice"))
    first = open_run(desk.site, "EDGE1", desk.folder / "runs")
    change = first.step("confirm").record.change
    first.close()
    done = desk.call("approve", change, "--yes", "--site", str(desk.site), who="alice")
    assert done.returncode == 0, "nothing to approve: confirm changes nothing"
    second = open_run(desk.site, "EDGE1", desk.folder / "runs", change)
    second.step("request")
    second.close()
    (desk.folder / "runs" / "london" / change / "plans" / "1" / "plan.json").unlink()
    done = desk.call("approve", change, "--yes", "--site", str(desk.site), who="alice")
    assert done.returncode == 2
    assert "wants a separate approver" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "no change is named"),
        (("20261124-000000-0000",), "there is no change '20261124-000000-0000'"),
    ],
)
def test_a_change_that_is_not_there(desk: Desk, arguments: tuple[str, ...], text: str) -> None:
    done = desk.call("approve", *arguments, who="alice")
    assert done.returncode == 2
    assert text in done.stderr


def test_a_missing_public_key_is_told_before_anything_is_done(desk: Desk) -> None:
    (desk.folder / "sites" / "alice.pem").unlink()
    done = desk.call("run", str(desk.site), "--plan")
    assert done.returncode == 2
    assert "policy.approvers[0]" in done.stderr
    assert not list((desk.folder / "runs").glob("*/*/change.json"))


def test_what_needs_no_change_needs_no_approval(make_lab: Callable[..., Lab], tmp_path: Path) -> None:
    (site,) = make_lab(servers=1).write_site_files(tmp_path / "sites")
    desk = Desk(tmp_path, site)
    planned = desk.call("run", str(site), "confirm", "--plan")
    assert re.search(r"plan: \S+plan.json, digest [0-9a-f]{64}", planned.stdout)
    assert "to be approved" not in planned.stdout
    done = desk.call("approve", desk.change, "--yes")
    assert (done.returncode, "nothing to approve" in done.stdout) == (0, True)


def test_stock_papermill_is_held_to_it_too(desk: Desk) -> None:
    notebook = Path(__file__).parents[2] / "notebooks" / "2-request-certificate.ipynb"
    parameters = {"site": str(desk.site), "server": "EDGE1", "runs": str(desk.folder / "runs"), "mode": "apply"}
    given = [part for name, value in parameters.items() for part in ("-p", name, value)]
    command = [sys.executable, "-m", "papermill", str(notebook), str(desk.folder / "out.ipynb"), *given]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False, encoding="utf-8")
    assert done.returncode == 1
    (path,) = (desk.folder / "runs").rglob("record.json")
    record = json.loads(path.read_bytes())
    assert (record["status"], [c for c in record["commands"] if c["changes"]]) == ("blocked", [])
    assert "has no approval" in record["summary"]


def test_only_the_plan_that_was_read_is_approved(desk: Desk) -> None:
    assert desk.call("run", str(desk.site), "--plan", "confirm", "request").returncode == 0
    digest = json.loads((desk.folder / "runs" / "london" / desk.change / "plans" / "1" / "plan.json").read_bytes())[
        "digest"
    ]
    done = desk.call("approve", desk.change, "--yes", "--digest", "0" * 64, who="alice")
    assert done.returncode == 2
    assert "not the one that was read" in done.stderr
    assert not list((desk.folder / "runs" / "london" / desk.change).glob("approvals/*"))
    assert desk.call("approve", desk.change, "--yes", "--digest", digest, who="alice").returncode == 0
