"""Puts evidence that a worker sent into the archive: all of one server's, or nothing of it, and never over a file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from tlsrunbook.errors import EvidenceError, TlsRunbookError
from tlsrunbook.evidence.layout import RECORD
from tlsrunbook.evidence.record import record_from_data
from tlsrunbook.ports import EvidenceStore
from tlsrunbook.run.portable import Files, safe_name
from tlsrunbook.steps.registry import step_of

_PLACE = re.compile(
    r"(?P<change>[^/]+)/(?P<server>[^/]+)/(?P<number>[1-9][0-9]?)-(?P<step>[a-z-]+)/attempt-(?P<attempt>[1-9][0-9]{0,5})"
    r"/(?P<file>[^/]+)"
)
_TODO = "nothing of it was filed; find out what runs on that worker before anything else is done there"


@dataclass(frozen=True)
class Conflict:
    """An attempt that is on record already, with other content.

    Args:
        folder: Below the site's folder.
        files: As they came, by path below the site's folder.
    """

    folder: str
    files: Files


def of_servers(files: Files, where: str) -> dict[tuple[str, str], dict[str, bytes]]:
    """Sort files by change and server.

    Args:
        files: By path below the site's folder.
        where: For the error.

    Raises:
        EvidenceError: One is not in an attempt's folder.
    """
    sorted_: dict[tuple[str, str], dict[str, bytes]] = {}
    for name, content in files.items():
        place = _place(name, where)
        sorted_.setdefault((place["change"], place["server"]), {})[name] = content
    return sorted_


def _place(name: str, where: str) -> dict[str, str]:
    """Take a path in an attempt's folder apart.

    Raises:
        EvidenceError: It is none.
    """
    found = _PLACE.fullmatch(name)
    if not found or not safe_name(name):
        raise EvidenceError(f"{name!r} is no evidence of a step", where=where, todo=_TODO)
    try:
        step = step_of(found["step"])
    except TlsRunbookError as error:
        raise EvidenceError(f"{name!r} is of no step", where=where, todo=_TODO) from error
    if str(step.number) != found["number"]:
        raise EvidenceError(f"{name!r} is of no step", where=where, todo=_TODO)
    return found.groupdict()


def file_returned(store: EvidenceStore, change: str, server: str, files: Files) -> tuple[Conflict, ...]:
    """File the evidence of one server in one change. Whoever calls it holds the server's lease.

    Args:
        store: The site's evidence.
        change: A change of this site.
        server: A server that the change is about.
        files: By path below the site's folder.

    Returns:
        What was not filed because an attempt of this number is on record with other content.

    Raises:
        EvidenceError: A file does not belong there, a record is not one, or the disk refuses. When it does not belong
            there, nothing was filed.
        UsageError: There is no such change.
    """
    # Only this server's folder is looked at: a change may be about a thousand.
    if server not in store.asked(change).get("servers", ()) and not any(store.attempts(change, server)):
        raise EvidenceError(f"the change {change} is not about {server}", where=_where(store, change), todo=_TODO)
    attempts: dict[str, dict[str, bytes]] = {}
    for name, content in files.items():
        folder = _checked(store, change, server, name, content)
        attempts.setdefault(folder, {})[name] = content
    conflicts = tuple(Conflict(folder, own) for folder, own in sorted(attempts.items()) if _differs(store, own))
    apart = {conflict.folder for conflict in conflicts}
    for folder, own in sorted(attempts.items()):
        if folder not in apart:
            _file(store, change, own)
    return conflicts


def _checked(store: EvidenceStore, change: str, server: str, name: str, content: bytes) -> str:
    """Give the attempt's folder of a file that belongs to this server.

    Raises:
        EvidenceError: It does not.
    """
    place = _place(name, _where(store, change))
    if (place["change"], place["server"]) != (change, server):
        raise EvidenceError(f"{name!r} is no evidence of {server}", where=_where(store, change), todo=_TODO)
    if place["file"] == RECORD:
        _check_record(store, place, content)
    return name.rpartition("/")[0]


def _check_record(store: EvidenceStore, place: Mapping[str, str], content: bytes) -> None:
    where = f"{_where(store, place['change'])}/{place['server']}/{place['step']}"
    try:
        record = record_from_data(dict(json.loads(content)), where=where)
    except (ValueError, TypeError) as error:
        raise EvidenceError("a record that came from a worker cannot be read", where=where, todo=_TODO) from error
    says = (record.site, record.change, record.server, record.step, str(record.attempt))
    lies = (store.folder.name, *(place[name] for name in ("change", "server", "step", "attempt")))
    if says != lies:
        raise EvidenceError("a record that came from a worker is about something else", where=where, todo=_TODO)


def _differs(store: EvidenceStore, files: Files) -> bool:
    for name, content in files.items():
        path = store.folder / name
        if path.exists() and path.read_bytes() != content:
            return True
    return False


def _file(store: EvidenceStore, change: str, files: Files) -> None:
    # The record comes last: an attempt without one is seen as broken off, and is filed again with the next result.
    for name in sorted(files, key=lambda one: (one.endswith(f"/{RECORD}"), one)):
        below = name.removeprefix(f"{change}/")
        if not store.file(change, below, files[name]) and (store.folder / name).read_bytes() != files[name]:
            raise EvidenceError("there is another file of this name by now", where=str(store.folder / name))


def _where(store: EvidenceStore, change: str) -> str:
    return f"{store.folder.name}/{change}"
