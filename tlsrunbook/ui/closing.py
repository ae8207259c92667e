"""Writes down what belongs to a session: the attempts on one server that no earlier session has."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from tlsrunbook.errors import EvidenceError
from tlsrunbook.evidence.layout import SESSION
from tlsrunbook.ports import EvidenceStore
from tlsrunbook.ui.session import Done, Session, read_session


def close_session(
    store: EvidenceStore,
    change: str,
    server: str,
    *,
    since: str,
    now: str,
    who: Mapping[str, str],
    tool: Mapping[str, str],
) -> Session | None:
    """Write ``sessions/<n>/session.json``; None when nothing was done that no session has yet.

    Args:
        since: UTC; what was begun before belongs to somebody else's work.
        now: UTC.
        who: Who closes it.
        tool: Versions.

    Raises:
        EvidenceError: The disk refuses, or a record cannot be read.
    """
    done = left_of(store, change, server, since)
    if not done:
        return None
    number = 1 + len(store.filed(change, SESSION))
    while True:
        session = Session(
            site=store.folder.name,
            server=server,
            change=change,
            number=number,
            begun=done[0][0],
            finished=now,
            who=who,
            tool=tool,
            done=tuple(one for _, one in done),
        )
        if store.file(change, session.file, session.encoded()):
            return session
        number += 1


def left_of(store: EvidenceStore, change: str, server: str, since: str = "") -> list[tuple[str, Done]]:
    """Give the attempts that belong to no session, with the times they were begun at, in that order."""
    known = {one.record for session in sessions_of(store, change) for one in session.done}
    found = []
    for attempt in store.attempts(change, server):
        record = store.record(attempt)
        place = attempt.record_path.relative_to(store.folder / change).as_posix()
        if record is None or place in known or record.started < since or any(attempt.folder.glob("*.ipynb")):
            continue  # an executed notebook lies beside the record only where a batch ran it
        digest = hashlib.sha256(attempt.record_path.read_bytes()).hexdigest()
        done = Done(record.step, record.attempt, record.mode, record.status.value, place, digest)
        found.append((record.started, done))
    return sorted(found, key=lambda one: one[0])


def sessions_of(store: EvidenceStore, change: str) -> list[Session]:
    """Give the sessions of a change, the oldest first; one that cannot be read is passed over."""
    found = []
    for path in store.filed(change, SESSION):
        session = session_at(path)
        if session:
            found.append(session)
    return found


def session_at(path: Path) -> Session | None:
    """Read a ``session.json``; None when that cannot be done."""
    try:
        return read_session(path.read_bytes(), where=str(path))
    except (OSError, EvidenceError):
        return None
