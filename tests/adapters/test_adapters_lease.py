"""One runner or person per server, whoever dies and whoever comes back to life."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tlsrunbook.adapters.archive import SiteArchive
from tlsrunbook.adapters.lease import FileLease
from tlsrunbook.adapters.store import RunStore
from tlsrunbook.errors import LeaseHeld, LeaseLost
from tlsrunbook.evidence.data import utc_text

ANNA = {"user": "anna", "host": "admin1", "process": str(os.getpid())}
BEN = {"user": "ben", "host": "admin2", "process": str(os.getpid())}


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs", "london")


def the_file(store: RunStore) -> Path:
    (path,) = (store.folder / ".leases").glob("*.json")
    return path


def alter(store: RunStore, **facts: Any) -> None:
    path = the_file(store)
    path.write_text(json.dumps({**json.loads(path.read_text()), **facts}))


def minutes_ago(minutes: float) -> str:
    return utc_text(datetime.now(UTC) - timedelta(minutes=minutes))


def test_the_second_one_is_told_who_has_the_server_since_when_and_until_when(store: RunStore) -> None:
    lease = store.lease("EDGE1", ANNA, "run")
    with pytest.raises(LeaseHeld) as caught:
        store.lease("EDGE1", BEN, "JupyterLab")
    holder = store.lease_holder("EDGE1")
    assert (holder["user"], holder["host"], holder["what"]) == ("anna", "admin1", "run")
    assert caught.value.holder == holder
    assert caught.value.exit_code == 3
    assert f"anna works on this server (run, on admin1, since {holder['since']})" in str(caught.value)
    assert holder["until"] in str(caught.value)
    assert store.lease_holder("MBX1") == {}
    lease.release()
    assert store.lease_holder("EDGE1") == {}
    assert not (store.folder / ".leases").exists()


def test_other_servers_are_free(store: RunStore) -> None:
    first, second = store.lease("EDGE1", ANNA, "run"), store.lease("EDGE10", BEN, "run")
    first.check()
    second.check()
    first.release()
    second.check()
    second.release()


def test_a_lease_that_was_not_renewed_is_taken_over_and_its_holder_notices(store: RunStore) -> None:
    sleeper = store.lease("EDGE1", ANNA, "run")
    alter(store, until=minutes_ago(1))
    with pytest.raises(LeaseLost, match="ran out"):
        sleeper.check()
    second = store.lease("EDGE1", BEN, "run")
    assert {**second.taken_over, "since": "", "until": ""} == {**ANNA, "what": "run", "since": "", "until": ""}
    with pytest.raises(LeaseLost, match="taken over by ben on admin2; nothing more is sent"):
        sleeper.check()
    sleeper.renew()
    sleeper.release()
    second.check()
    assert store.lease_holder("EDGE1")["user"] == "ben"
    second.release()


def test_one_that_ran_out_stays_lost_though_nobody_took_it_over(store: RunStore) -> None:
    sleeper = store.lease("EDGE1", ANNA, "run")
    alter(store, until=minutes_ago(1))
    sleeper.renew()
    with pytest.raises(LeaseLost):
        sleeper.check()


def test_renewing_makes_it_last_longer_and_forgets_nothing(store: RunStore) -> None:
    store.lease("EDGE1", ANNA, "run")
    alter(store, until=minutes_ago(1))
    lease = store.lease("EDGE1", BEN, "run")
    soon = utc_text(datetime.now(UTC) + timedelta(seconds=5))
    alter(store, until=soon)
    lease.renew()
    assert store.lease_holder("EDGE1")["until"] > soon
    assert json.loads(the_file(store).read_text())["taken_over_from"]["user"] == "anna"
    lease.check()
    lease.release()


def test_a_process_of_this_computer_that_has_ended_holds_nothing(store: RunStore) -> None:
    code = (
        "from pathlib import Path; from tlsrunbook.adapters.origin import who; "
        "from tlsrunbook.adapters.store import RunStore; import os, sys; "
        "RunStore(Path(sys.argv[1]), 'london').lease('EDGE1', who(), 'run'); os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(store.folder.parent)], check=False, timeout=60)
    assert done.returncode == 9
    assert the_file(store).exists()
    assert store.lease_holder("EDGE1") == {}
    lease = store.lease("EDGE1", ANNA, "run")
    assert lease.taken_over["what"] == "run"
    lease.release()


def test_a_computer_elsewhere_is_believed_until_its_time_is_over(store: RunStore) -> None:
    store.lease("EDGE1", ANNA, "run")
    alter(store, host="elsewhere", process="999999")
    with pytest.raises(LeaseHeld):
        store.lease("EDGE1", BEN, "run")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_a_lease_that_cannot_be_read_holds_for_its_time(store: RunStore, content: bytes) -> None:
    store.lease("EDGE1", ANNA, "run")
    the_file(store).write_bytes(content)
    with pytest.raises(LeaseHeld):
        store.lease("EDGE1", BEN, "run")
    long_ago = datetime.now(UTC).timestamp() - 3600
    os.utime(the_file(store), (long_ago, long_ago))
    store.lease("EDGE1", BEN, "run").release()


def test_who_works_for_the_holder_shares_the_lease_and_loses_it_too(store: RunStore) -> None:
    lease = store.lease("EDGE1", ANNA, "run")
    helper = store.joined_lease("EDGE1", lease.token)
    helper.check()
    helper.release()
    lease.check()
    lease.release()
    with pytest.raises(LeaseLost):
        helper.check()


def test_a_stranger_with_a_wrong_token_may_send_nothing(store: RunStore) -> None:
    lease = store.lease("EDGE1", ANNA, "run")
    with pytest.raises(LeaseLost):
        store.joined_lease("EDGE1", "0" * 32).check()
    lease.release()


def test_of_many_at_once_one_gets_it(store: RunStore) -> None:
    def take(_: int) -> FileLease | None:
        try:
            return store.lease("EDGE1", ANNA, "run")
        except LeaseHeld:
            return None

    with ThreadPoolExecutor(16) as pool:
        got = [lease for lease in pool.map(take, range(48)) if lease]
    assert len(got) == 1
    got[0].release()


def _take_and_tell(folder: str, told: Any, all_told: Any) -> None:
    store = RunStore(Path(folder), "london")
    try:
        store.lease("EDGE1", BEN, "run")
        told.put("got it")
    except LeaseHeld:
        told.put("held")
    all_told.wait(60)  # a process that has ended would hold nothing


def test_of_many_that_take_over_at_once_one_gets_it(store: RunStore) -> None:
    store.lease("EDGE1", ANNA, "run")
    alter(store, until=minutes_ago(1), host="elsewhere")
    spawn = multiprocessing.get_context("spawn")
    told, all_told = spawn.Queue(), spawn.Event()
    arguments = (str(store.folder.parent), told, all_told)
    processes = [spawn.Process(target=_take_and_tell, args=arguments) for _ in range(4)]
    for process in processes:
        process.start()
    answers = sorted(told.get(timeout=60) for _ in processes)
    all_told.set()
    for process in processes:
        process.join(60)
    assert answers == ["got it", "held", "held", "held"]


def test_leases_are_no_evidence(store: RunStore) -> None:
    store.new_change(datetime.now(UTC), {"servers": ["EDGE1"]})
    lease = store.lease("EDGE1", ANNA, "run")
    archive = SiteArchive(store.folder)
    assert not [name for name in archive.unsealed(()) if "lease" in name]
    contents = archive.contents()
    assert not [name for name in (*contents.digests, *contents.odd, *contents.left_over) if "lease" in name]
    lease.release()
