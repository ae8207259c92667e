"""What a job takes along: everything its steps look at on the controller's disk, and nothing secret."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.cluster.portable_change import PortableChange
from tests.support.approval import approved, require_approval
from tests.support.change import Change
from tlsrunbook.adapters.job_kit import relocated
from tlsrunbook.adapters.worker_folder import ServerFolder
from tlsrunbook.run.change_plans import leave_plan
from tlsrunbook.run.outcome import Ending

TOLD = ("record.json", "transcript.jsonl")
ChangeOn = Callable[..., Change]


@pytest.fixture
def by_hand(change_on: ChangeOn, tmp_path: Path) -> PortableChange:
    """A change whose authority is a person with two folders."""
    return PortableChange(change_on(servers=1, authority="folder"), tmp_path / "worker")


def answer(change: PortableChange, csr: Path, name: str = "reply.cer") -> None:
    leaf = change.lab.ca.issue(csr.read_text(encoding="ascii"))
    (change.change.site_file.parent / "inbox" / name).write_bytes(change.lab.ca.reply(leaf))


def test_a_person_at_the_ca_sees_one_outbox_and_one_inbox(by_hand: PortableChange, tmp_path: Path) -> None:
    result, course = by_hand.run("EDGE1")
    assert result.endings[by_hand.site, "EDGE1"] is Ending.STOPPED
    assert by_hand.statuses("EDGE1") == {"confirm": "unchanged", "request": "waiting"}
    assert course.wrong == ()
    (csr,) = (tmp_path / "outbox").iterdir()
    assert csr.name == f"{by_hand.site}-edge1.csr"
    told = b"".join(by_hand.archive(f"EDGE1/2-request/**/{name}")[f"EDGE1/2-request/attempt-1/{name}"] for name in TOLD)
    assert str(tmp_path / "outbox").encode() in told
    assert str(by_hand.courier.place.folder).encode() not in told

    answer(by_hand, csr, "die Antwort für mx1.cer")
    result, course = by_hand.run("EDGE1")
    assert (result.endings[by_hand.site, "EDGE1"], course.wrong) == (Ending.DONE, ())
    assert [path.name for path in (tmp_path / "outbox").iterdir()] == [csr.name]
    assert by_hand.succeeded("EDGE1")["New-ExchangeCertificate"] == 1


def test_a_csr_that_a_person_has_put_away_does_not_come_back(by_hand: PortableChange, tmp_path: Path) -> None:
    by_hand.run("EDGE1")
    (csr,) = (tmp_path / "outbox").iterdir()
    answer(by_hand, csr)
    csr.unlink()
    folder = ServerFolder(by_hand.courier.place.folder, by_hand.site, "EDGE1")
    assert folder.waiting() == {}
    result = by_hand.perform("EDGE1", "confirm")
    assert result.outbox == {}


def test_a_reply_with_a_private_key_does_not_travel_and_is_told(by_hand: PortableChange, tmp_path: Path) -> None:
    by_hand.run("EDGE1")
    (csr,) = (tmp_path / "outbox").iterdir()
    answer(by_hand, csr, "good.cer")
    inbox = tmp_path / "inbox"
    key = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n"
    (inbox / "with-key.pem").write_text((inbox / "good.cer").read_text() + key)
    (inbox / "only-key.pem").write_text(key)
    job = by_hand.packed("EDGE1", "install")
    assert sorted(job.inbox) == ["good.cer"]
    assert [line.split(": ")[1].split()[0] for line in by_hand.said] == ["only-key.pem", "with-key.pem"]


def test_replies_for_other_servers_stay_at_home(by_hand: PortableChange, tmp_path: Path) -> None:
    by_hand.run("EDGE1")
    (csr,) = (tmp_path / "outbox").iterdir()
    answer(by_hand, csr, "mine.cer")
    asked = csr.read_text(encoding="ascii")
    other = by_hand.lab.ca.issue(asked, names=["mx9.elsewhere.example.net"])
    key = rsa.generate_private_key(65537, 2048).public_key()
    stranger = by_hand.lab.ca.issue(asked, names=["mx7.elsewhere.example.net"], public_key=key)
    (tmp_path / "inbox" / "stranger.cer").write_bytes(by_hand.lab.ca.reply(stranger, with_intermediate=False))
    (tmp_path / "inbox" / "same-key.cer").write_bytes(by_hand.lab.ca.reply(other, with_intermediate=False))
    (tmp_path / "inbox" / "notes.txt").write_text("ask Bob about the reply\n")
    assert sorted(by_hand.packed("EDGE1", "install").inbox) == ["mine.cer", "notes.txt", "same-key.cer"]


def test_an_approved_change_is_applied_by_a_worker_and_one_that_is_not_is_blocked(
    change_on: ChangeOn, tmp_path: Path
) -> None:
    change = change_on(servers=1)
    require_approval(change, "alice")
    portable = PortableChange(change, tmp_path / "worker")
    planned, _ = portable.run("EDGE1", mode="plan")
    plan = leave_plan(portable.store, portable.id, planned.records, {"made": "now"})
    assert plan is not None
    portable.run("EDGE1")
    assert portable.statuses("EDGE1")["request"] == "blocked"
    approved(change, plan)
    result, _ = portable.run("EDGE1")
    assert result.endings[portable.site, "EDGE1"] is Ending.DONE
    (record,) = [record for record in result.records if record.step == "request"]
    assert record.approval


def test_a_step_that_takes_over_from_another_server_finds_what_that_one_recorded(
    change_on: ChangeOn, tmp_path: Path
) -> None:
    portable = PortableChange(change_on(subscribed=True), tmp_path / "worker")
    result, course = portable.run()
    assert (set(result.endings.values()), course.wrong) == ({Ending.DONE}, ())
    job = portable.packed("MBX1", "connectors")
    assert f"{portable.id}/EDGE1/4-activate/attempt-1/record.json" in job.context
    assert not any("/EDGE1/" in name for name in job.prior)


def test_what_earlier_changes_recorded_of_the_server_travels_without_transcripts_and_notebooks(
    change_on: ChangeOn, tmp_path: Path
) -> None:
    portable = PortableChange(change_on(servers=1), tmp_path / "worker")
    first = portable.id
    portable.run("EDGE1", steps=("confirm", "request"))
    again = PortableChange(portable.change, tmp_path / "worker")
    assert again.id != first
    names = again.packed("EDGE1", "retire").context
    mine = {name.rsplit("/", 1)[1] for name in names if name.startswith(f"{first}/EDGE1/")}
    assert mine == {"record.json", "before.json", "after.json"}
    assert {f"{first}/change.json", f"{again.id}/change.json"} <= names.keys()


SITE = """
name = "london"
[authority]
kind = "folder"
outbox = "/srv/ca/outbox"
inbox = "/srv/ca/inbox"
[credentials]
file = "secrets.toml"
[[servers]]
name = "EDGE1"
review = 2027-01-31
[servers.logon]
ca_file = "winrm-ca.pem"
"""


def test_a_site_file_is_turned_towards_the_workers_own_files(tmp_path: Path) -> None:
    places = {"authority.outbox": tmp_path / "o", "servers.0.logon.ca_file": tmp_path / "x.pem"}
    site = tomllib.loads(relocated(SITE, places, None, tmp_path))
    assert site["authority"] == {"kind": "folder", "outbox": str(tmp_path / "o"), "inbox": "/srv/ca/inbox"}
    assert site["servers"][0]["logon"]["ca_file"] == str(tmp_path / "x.pem")
    assert site["credentials"]["file"] == str(tmp_path / "secrets.toml")
    assert json.dumps(site["servers"][0]["review"], default=str) == '"2027-01-31"'
    own = tomllib.loads(relocated(SITE, places, tmp_path / "own.toml", tmp_path))
    assert own["credentials"]["file"] == str(tmp_path / "own.toml")
    none = tomllib.loads(relocated('name = "x"', {}, None, tmp_path))
    assert "credentials" not in none


def test_a_worker_goes_back_from_a_change_with_what_the_archive_says_of_it(change_on: ChangeOn, tmp_path: Path) -> None:
    portable = PortableChange(change_on(servers=1), tmp_path / "worker")
    before = portable.change.snapshots()["EDGE1"]
    portable.run("EDGE1")
    shutil.rmtree(tmp_path / "worker")
    assert portable.change.snapshots()["EDGE1"]["send_connectors"] != before["send_connectors"]
    result, course = portable.run("EDGE1", steps=("rollback",))
    assert (result.endings[portable.site, "EDGE1"], course.wrong) == (Ending.DONE, ())
    assert portable.change.snapshots()["EDGE1"]["send_connectors"] == before["send_connectors"]
