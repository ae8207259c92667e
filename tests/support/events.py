"""What ``run --json`` and ``rollback --json`` print: one event per line, the result last."""

from __future__ import annotations

import json
from typing import Any


def events_of(stdout: str) -> list[dict[str, Any]]:
    """Give every event."""
    return [json.loads(line) for line in stdout.splitlines()]


def records_of(stdout: str) -> list[dict[str, Any]]:
    """Give the record of every step that ended, in the order of sites, servers and steps of the result."""
    events = events_of(stdout)
    result = result_of(stdout)
    ended = {key(event["record"]): event["record"] for event in events if event["event"] == "ended"}
    records = [ended[key(place)] for place in result["records"]]
    assert len(records) == len(ended), "every record is in the result"
    return records


def result_of(stdout: str) -> dict[str, Any]:
    """Give the last line."""
    result = events_of(stdout)[-1]
    assert result["event"] == "result"
    return result


def key(record: dict[str, Any]) -> tuple[Any, ...]:
    """Give what names a record."""
    return tuple(record[name] for name in ("site", "change", "server", "step", "attempt"))
