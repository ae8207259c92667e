"""A job that a real worker plays: it waits until it is told to stop, or gives back what it was told to."""

from __future__ import annotations

import json
import threading
from typing import Any

_told: dict[str, int] = {}
_changed = threading.Condition()


def perform(text: str) -> Any:
    from distributed import get_worker  # noqa: PLC0415 - only a worker has it

    order, worker = json.loads(text), get_worker()
    worker.log_event(order["topic"], {"job": order["job"], "at": worker.address})
    if order.get("raise"):
        raise ValueError(order["raise"])
    if "give" in order:
        return order["give"]
    with _changed:
        _changed.wait_for(lambda: _told.get(order["job"], 0) >= order["until"], 60)
        return f"told {_told.get(order['job'], 0)} times"


def stop(job: str, asked: int) -> None:
    with _changed:
        _told[job] = asked
        _changed.notify_all()


def settle(text: str) -> None:
    stop(json.loads(text)["job"], 99)
