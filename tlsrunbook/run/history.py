"""Reads what a change did on one server from its attempts' folders."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tlsrunbook.errors import EvidenceError
from tlsrunbook.evidence.history import receipts, sent_commands
from tlsrunbook.evidence.layout import AFTER, BEFORE
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.exchange.state_data import state_from_data
from tlsrunbook.plan.history import History, Tried
from tlsrunbook.ports import Attempt, EvidenceStore
from tlsrunbook.run.abandoned import transcript_lines


def read_history(store: EvidenceStore, change: str, server: str, leave_out: Path | None = None) -> History:
    """Read the attempts of a change on one server, the oldest first.

    Args:
        store: The site's evidence.
        leave_out: Folder of the attempt that asks.

    Raises:
        EvidenceError: A state cannot be read, or is not the one whose digest the transcript has.
    """
    found: list[tuple[str, int, Tried]] = []
    for attempt in store.attempts(change, server):
        lines = transcript_lines(attempt)
        if attempt.folder != leave_out and lines:
            found.append((str(lines[0].get("at", "")), len(found), _tried(attempt, lines)))
    return History(change, tuple(tried for _, _, tried in sorted(found, key=lambda one: one[:2])))


def _tried(attempt: Attempt, lines: Sequence[Mapping[str, Any]]) -> Tried:
    return Tried(
        step=attempt.step,
        number=attempt.number,
        before=_state(attempt.folder / BEFORE, lines),
        after=_state(attempt.folder / AFTER, lines),
        sent=sent_commands(lines, where=str(attempt.folder)),
        submitted=receipts(lines),
    )


def _state(path: Path, lines: Sequence[Mapping[str, Any]]) -> ServerState | None:
    try:
        content = path.read_bytes()
        data = json.loads(content)["state"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvidenceError("the recorded state cannot be read", where=str(path)) from error
    noted = [line.get("sha256") for line in lines if line.get("event") == "state" and line.get("file") == path.name]
    if noted and noted[-1] != hashlib.sha256(content).hexdigest():
        raise EvidenceError(
            "the recorded state is not the one that was written: its digest differs from the transcript's",
            where=str(path),
            todo="restore the evidence from a copy; nothing was sent",
        )
    return state_from_data(data, where=str(path))
