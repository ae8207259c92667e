"""Changes in their order, which one is open, and what the evidence remembers of a server."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tlsrunbook.adapters.store import RunStore

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_changes_within_a_second_stay_in_the_order_they_were_made(tmp_path: Path) -> None:
    store = RunStore(tmp_path, "london")
    made = [store.new_change(AT, {"servers": ["EDGE1"]}) for _ in range(5)]
    made.append(store.new_change(AT + timedelta(seconds=2), {"servers": ["EDGE1"]}))
    assert store.changes() == tuple(made)
    assert store.open_change("EDGE1") == made[-1]
    assert store.new_change(AT + timedelta(hours=1), {"servers": []}).startswith("20261124-130000-")


def test_a_folder_that_somebody_named_is_no_matter(tmp_path: Path) -> None:
    store = RunStore(tmp_path, "london")
    other = tmp_path / "london" / "zz-copy"
    other.mkdir(parents=True)
    (other / "change.json").write_text("{}", encoding="utf-8")
    assert store.new_change(AT, {"servers": []}).startswith("20261124-120000-")


def test_certificate_names_come_from_every_state_of_that_server(tmp_path: Path) -> None:
    store = RunStore(tmp_path, "london")
    for number, server in enumerate(("EDGE1", "EDGE1", "MBX1")):
        attempt = store.attempt(store.new_change(AT, {"servers": [server]}), server, "confirm", 1)
        one = {"tls_certificate_name": f"<I>CN=CA {number}<S>CN=a", "names": ["a.example"]}
        untold = {"tls_certificate_name": "", "names": ["b.example"]}
        name = "before.json" if number else "after.json"
        attempt.write(name, json.dumps({"state": {"certificates": [one, untold]}}).encode())
    broken = store.attempt(store.changes()[-1], "EDGE1", "confirm", 1)
    broken.write("before.json", b'{"state": {"certificates"')
    assert store.certificate_names("EDGE1") == {
        "<I>CN=CA 0<S>CN=a": ("a.example",),
        "<I>CN=CA 1<S>CN=a": ("a.example",),
    }
