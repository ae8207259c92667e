"""Reading the evidence of a whole site: from the newest change back, and what cannot be read is told."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.archives import hasty
from tests.support.change import Change
from tests.support.fleets import FATES, WHO, FleetWorld
from tests.support.members import NOW
from tlsrunbook.adapters.store import RunStore
from tlsrunbook.errors import UsageError
from tlsrunbook.evidence.fleet_model import Fleet, FleetServer, Verdict, Where
from tlsrunbook.evidence.fleet_page import fleet_html
from tlsrunbook.evidence.layout import RECORD
from tlsrunbook.evidence.record import Status
from tlsrunbook.evidence.standing import State
from tlsrunbook.site import load_site, load_sites
from tlsrunbook.wiring_fleet import fleet_of


def world_of(folder: Path, *fates: str) -> FleetWorld:
    with hasty():
        return FleetWorld(folder, servers=len(fates), fates=fates)


def seen(world: FleetWorld) -> Fleet:
    return fleet_of(load_sites(world.sites), world.runs, NOW)


def one(world: FleetWorld) -> FleetServer:
    (server,) = seen(world).servers
    return server


def attempt_folder(world: FleetWorld, step: str, at: int = -1) -> Path:
    return sorted(world.runs.glob(f"*/*/*/*-{step}/attempt-1"))[at]


def test_a_change_done_on_a_lab_is_fine_and_what_was_seen_stands_there(change_on: Callable[..., Change]) -> None:
    change = change_on(servers=2)
    for name in ("EDGE1", "MBX1"):
        change.apply(name)
    fleet = fleet_of([load_site(change.site_file)], change.runs)
    assert [server.verdict for server in fleet.servers] == [Verdict.FINE, Verdict.FINE]
    for server in fleet.servers:
        (endpoint,) = server.endpoints
        assert endpoint.ok
        assert endpoint.result == "tls TLSv1.2"
        held = next(held for held in server.certificates if held.for_fqdn)
        assert (held.where, held.thumbprint, held.ends) == (Where.ON_WIRE, endpoint.thumbprint, endpoint.ends)
        assert held.issuer == "tlsrunbook lab issuing CA 1"
        assert held.limit == 200
        assert {row.state for row in server.steps} == {State.DONE}
        assert any("default SMTP certificate" in other.uses for other in server.certificates)


def test_a_request_that_waits_on_a_lab_is_known_by_its_key(change_on: Callable[..., Change]) -> None:
    change = change_on(servers=1, authority="folder")
    record = change.apply("EDGE1")[-1]
    assert record.status is Status.WAITING
    (server,) = fleet_of([load_site(change.site_file)], change.runs).servers
    (request,) = server.requests
    line = next(line for line in change.transcript(record) if line["event"] == "submitted")
    assert (request.key, request.receipt, request.change) == (line["key"], line["receipt"], record.change)
    assert request.names == ("mx1.london.example.net",)
    assert request.submitted is not None
    assert line["at"].startswith(request.submitted.isoformat()[:19])
    assert server.verdict is Verdict.WAITING
    pending = [held for held in server.certificates if held.where is Where.PENDING]
    assert [held.ends for held in pending] == [None]


def test_a_name_that_went_stale_on_a_lab_is_told(change_on: Callable[..., Change]) -> None:
    change = change_on(servers=1)
    change.apply("EDGE1")
    server = change.lab.server(change.site, "EDGE1")
    name = "<I>CN=Nobody<S>CN=mx1.london.example.net"
    with server.directory.lock:
        server.own_receive_connectors()[0].properties["TlsCertificateName"] = name
    change.apply("EDGE1", "verify")
    (found,) = fleet_of([load_site(change.site_file)], change.runs).servers
    assert [(stale.kind, stale.names) for stale in found.stale] == [("gone", name)]
    assert found.verdict is Verdict.FAILED


def test_the_last_verification_of_an_older_change_counts_until_there_is_a_newer_one(tmp_path: Path) -> None:
    server = one(world_of(tmp_path, "waiting"))
    (endpoint,) = server.endpoints
    assert endpoint.change < server.change
    assert endpoint.ok
    assert (server.requests[0].change, server.requests[0].submitted is not None) == (server.change, True)


def test_the_state_that_was_read_last_counts_whatever_step_read_it(tmp_path: Path) -> None:
    world = world_of(tmp_path, "fine")
    folder = attempt_folder(world, "confirm")
    later = folder.with_name("attempt-2")
    later.mkdir()
    record = json.loads((folder / RECORD).read_bytes()) | {"attempt": 2, "started": "2026-11-24T11:00:00.000Z"}
    (later / RECORD).write_text(json.dumps(record | {"finished": "2026-11-24T11:00:09.000Z"}), encoding="utf-8")
    state = json.loads((folder / "before.json").read_bytes()) | {"at": "2026-11-24T11:00:01.000Z"}
    (later / "before.json").write_text(json.dumps(state), encoding="utf-8")
    read_at = one(world).read_at
    assert read_at is not None
    assert read_at.isoformat() == "2026-11-24T11:00:01+00:00"


def test_an_attempt_without_a_record_is_unknown_where_a_change_was_sent(tmp_path: Path) -> None:
    world = world_of(tmp_path, "half")
    folder = attempt_folder(world, "activate")
    (folder / RECORD).unlink()
    assert one(world).steps[3].state is State.FAILED
    with (folder / "transcript.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"event": "sent", "changes": True, "commands": [], "text": "", "at": ""}) + "\n")
    server = one(world)
    assert (server.steps[3].state, server.verdict) == (State.UNKNOWN, Verdict.UNKNOWN)
    store = RunStore(world.runs, "london")
    lease = store.lease(server.server, WHO, "run")
    try:
        at_work = one(world)
        assert (at_work.at_work, at_work.verdict, at_work.holder["user"]) == (("activate",), Verdict.UNDER_WAY, "alice")
    finally:
        lease.release()


@pytest.mark.parametrize(("step", "name"), [("connectors", "record.json"), ("verify", "before.json")])
@pytest.mark.parametrize("content", [b"{", b"[]", b'{"at": "2026-11-24T11:00:01.000Z", "state": {}}'])
def test_what_cannot_be_read_is_told_and_the_rest_is_shown(
    tmp_path: Path, step: str, name: str, content: bytes
) -> None:
    world = world_of(tmp_path, "fine", "fine")
    path = attempt_folder(world, step) / name
    path.write_bytes(content)
    spoiled = path.parts[-4]
    fleet = seen(world)
    assert {server.server: server.verdict for server in fleet.servers if server.server != spoiled} != {}
    for server in fleet.servers:
        assert (server.verdict is Verdict.FINE) is (server.server != spoiled)
    (told,) = [server.trouble for server in fleet.servers if server.server == spoiled]
    assert any(name in text for text in told)


def test_a_change_that_cannot_be_read_is_told_for_the_whole_site(tmp_path: Path) -> None:
    world = world_of(tmp_path, "waiting")
    max(world.runs.glob("*/*/change.json")).write_bytes(b"{")
    fleet = seen(world)
    assert len(fleet.trouble) == 1
    assert "what was asked for cannot be read" in fleet_html(fleet)


def test_the_evidence_of_a_rehearsal_is_not_taken_for_real(tmp_path: Path) -> None:
    world = world_of(tmp_path, "fine")
    path = next(world.runs.glob("*/*/change.json"))
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"rehearsal": "x.toml"}), encoding="utf-8")
    with pytest.raises(UsageError, match="rehearsal"):
        seen(world)


def test_no_evidence_at_all_makes_every_server_unknown(tmp_path: Path) -> None:
    world = world_of(tmp_path, "untouched", "untouched")
    fleet = fleet_of(load_sites(world.sites), tmp_path / "nothing-there", NOW)
    assert {server.verdict for server in fleet.servers} == {Verdict.NOT_KNOWN}
    assert not (tmp_path / "nothing-there").exists()


def test_each_file_is_read_once_at_most_and_old_changes_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is old costs nothing: with every change a server has its evidence would take longer to read."""
    world = world_of(tmp_path, *("fine" for _ in range(6)))
    with hasty():
        for member in world.members:
            member.past = [(ago, *rest) for ago in (200, 150, 100) for _, *rest in member.past]
        older = FleetWorld.__new__(FleetWorld)
        older._write(RunStore(tmp_path / "old" / "runs", "london"), world.members)
    for change in sorted((tmp_path / "old" / "runs" / "london").iterdir()):
        change.rename(world.runs / "london" / change.name)
    opened: Counter[Path] = Counter()
    read = Path.read_bytes

    def counting(path: Path) -> bytes:
        opened[path] += 1
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", counting)
    assert {server.verdict for server in seen(world).servers} == {Verdict.FINE}
    evidence = {path: count for path, count in opened.items() if path.suffix == ".json"}
    assert max(evidence.values()) == 1 or {p.name for p, c in evidence.items() if c > 1} == {"change.json"}
    per_server = Counter(path.parts[-4] for path in evidence if path.name in (RECORD, "before.json", "after.json"))
    assert set(per_server) == {member.name for member in world.members}
    assert max(per_server.values()) <= len(FATES) - 4  # six records and a state, whatever lies behind them


def test_five_hundred_servers_are_read_and_rendered_within_two_seconds(tmp_path: Path) -> None:
    with hasty():
        world = FleetWorld(tmp_path, sites=5, servers=100)
    took = []
    for _ in range(3):
        begun = time.process_time()
        page = fleet_html(fleet_of(load_sites(world.sites), world.runs, NOW))
        took.append(time.process_time() - begun)
    assert page.count("<tr data-server") > 1500
    assert min(took) < 2.0
