"""``tlsrunbook rollback``, as a user types it, against a running lab."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.change import Change
from tests.support.events import records_of

TLSRUNBOOK = [sys.executable, "-m", "tlsrunbook"]
MakeChange = Callable[..., Change]


def call(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*TLSRUNBOOK, *arguments], cwd=cwd, capture_output=True, text=True, timeout=150, check=False, encoding="utf-8"
    )


def rollback(change: Change, id_: str, *more: str) -> subprocess.CompletedProcess[str]:
    folder = change.site_file.parent
    return call("rollback", str(change.site_file), "--change", id_, "--runs", str(change.runs), *more, cwd=folder)


def status(change: Change) -> str:
    return call("status", str(change.site_file), "--runs", str(change.runs), cwd=change.site_file.parent).stdout


def test_it_plans_then_goes_back_is_sealed_and_shown_by_status(change_on: MakeChange) -> None:
    change = change_on(servers=1)
    before = change.snapshots()
    id_ = change.apply("EDGE1")[0].change
    after = change.snapshots()

    planned = rollback(change, id_, "--plan")
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert "send connector TLS never EDGE1: exists: yes -> no" in planned.stdout
    assert change.snapshots() == after
    assert not list((change.runs / change.site / id_).glob("plans/*")), "a way back is no plan to be approved"

    done = rollback(change, id_, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    (record,) = records_of(done.stdout)
    assert (record["server"], record["step"], record["status"]) == ("EDGE1", "rollback", "changed")
    assert change.snapshots() == before
    assert "sealed: london" in done.stderr
    folder = change.runs / change.site / id_ / "EDGE1" / "8-rollback" / "attempt-2"
    assert (folder / "rollback.ipynb").is_file()

    shown = status(change)
    assert "rollback" in shown.splitlines()[0]
    assert "was rolled back" in shown


def test_a_change_made_by_somebody_else_since_exits_with_3_and_shows_it(change_on: MakeChange) -> None:
    change = change_on(servers=1)
    id_ = change.apply("EDGE1")[0].change
    server = change.lab.server(change.site, "EDGE1")
    parameters = [
        {"name": "Identity", "type": "string", "value": "TLS never EDGE1"},
        {"name": "MaxMessageSize", "type": "string", "value": "20 MB"},
    ]
    assert not server.execute([{"name": "Set-SendConnector", "parameters": parameters}], [])["errors"]
    done = rollback(change, id_)
    assert done.returncode == 3, done.stdout + done.stderr
    text = "changed since: send connector TLS never EDGE1: MaxMessageSize: as the change left it: 35 MB"
    assert text in done.stdout
    assert "as it is now: 20 MB" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rollback", "{site}", "--change", "20200101-000000-0000"], "there is no change"),
        (["rollback", "{site}"], "--change"),
        (["run", "{site}", "rollback"], "use tlsrunbook rollback"),
    ],
)
def test_what_cannot_be_meant_exits_with_2(change_on: MakeChange, arguments: list[str], message: str) -> None:
    change = change_on(servers=1)
    done = call(*(text.replace("{site}", str(change.site_file)) for text in arguments), cwd=change.site_file.parent)
    assert done.returncode == 2
    assert message in done.stderr


def test_the_notebook_refuses_an_empty_change(change_on: MakeChange) -> None:
    from tlsrunbook import open_recorded  # noqa: PLC0415
    from tlsrunbook.errors import UsageError  # noqa: PLC0415

    change = change_on(servers=1)
    arguments: Any = (change.site_file, "EDGE1", change.runs)
    with pytest.raises(UsageError, match="change is empty"):
        open_recorded(*arguments)
    assert not change.runs.exists(), "no change is started by trying to undo one"
