"""Other servers' shells are opened when they are needed, once, and closed together; what is recalled of servers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.evidence.record_samples import a_record
from tlsrunbook.adapters.origin import SystemClock
from tlsrunbook.adapters.peers import SitePeers
from tlsrunbook.adapters.store import RunStore
from tlsrunbook.evidence.data import readable_json
from tlsrunbook.evidence.record import Record, Status


class Shell:
    def __init__(self, name: str) -> None:
        self.name = name
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


def test_one_shell_per_server_until_it_is_closed() -> None:
    made: list[Shell] = []

    def make(name: str) -> Any:
        made.append(Shell(name))
        return made[-1]

    peers = SitePeers(make)
    assert peers.shell("EDGE1") is peers.shell("EDGE1")
    peers.shell("MBX1")
    assert [shell.name for shell in made] == ["EDGE1", "MBX1"]
    peers.close()
    peers.close()
    assert [shell.closed for shell in made] == [1, 1]
    assert peers.shell("EDGE1") is made[2], "after closing there is a new one"


def test_the_clock_lets_time_pass() -> None:
    clock = SystemClock()
    before = clock.now()
    clock.pause(0.01)
    assert (clock.now() - before).total_seconds() >= 0.009


def filed(store: RunStore, change: str, record: Record) -> None:
    attempt = store.attempt(change, record.server, record.step, 4)
    attempt.write("record.json", readable_json(replace(record, change=change, attempt=attempt.number).data()))


def test_what_is_recalled_is_the_step_that_was_applied_and_finished_last_over_all_changes(tmp_path: Path) -> None:
    store = RunStore(tmp_path, "london")
    assert store.newest("EDGE1", "activate") is None
    old, new = (store.new_change(datetime(2026, 11, day, tzinfo=UTC), {"servers": ["EDGE1"]}) for day in (1, 2))
    base: dict[str, Any] = {"server": "EDGE1", "step": "activate", "mode": "apply"}
    filed(store, new, a_record(**base, finished="2026-11-02T00:00:00.000Z", facts={"at": "new"}))
    filed(store, old, a_record(**base, finished="2026-11-03T00:00:00.000Z", facts={"at": "old change, gone on with"}))
    for other in (
        {"status": Status.FAILED},
        {"status": Status.UNKNOWN},
        {"mode": "plan", "status": Status.PLANNED},
        {"step": "install"},
        {"server": "EDGE2"},
    ):
        filed(
            store, new, a_record(**{**base, "finished": "2026-11-09T00:00:00.000Z", "facts": {"at": "wrong"}, **other})
        )
    newest = store.newest("EDGE1", "activate")
    assert newest
    assert newest.facts == {"at": "old change, gone on with"}
