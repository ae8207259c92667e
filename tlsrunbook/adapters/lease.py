"""One runner or person per server: a file beside the evidence says who works on it, and until when that holds.

``runs/<site>/.leases/<server>.<n>.json``; the highest number counts. Whoever takes a server over makes the next number,
which only one can. So an earlier holder that comes back to life sees at once that it lost the server.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil

from tlsrunbook.adapters.attempt_folder import write_once
from tlsrunbook.errors import EvidenceError, LeaseHeld, LeaseLost
from tlsrunbook.evidence.data import readable_json, utc_text
from tlsrunbook.evidence.layout import LEASES

#: A lease holds this long after it was last renewed, and is renewed this often, in seconds.
GOOD_FOR, RENEW = 90.0, 20.0

_TOLD = ("user", "host", "process", "what", "since", "until")


class FileLease:
    """A lease that this process holds, and renews until it is released.

    Args:
        path: Its file.
        facts: What the file says.
    """

    def __init__(self, path: Path, facts: Mapping[str, Any]) -> None:
        self._path = path
        self._facts = dict(facts)
        self._over = threading.Event()
        self._lock = threading.Lock()
        threading.Thread(target=self._renew_often, name=f"lease of {facts['server']}", daemon=True).start()

    @property
    def token(self) -> str:
        """See :class:`~tlsrunbook.ports.Lease`."""
        return str(self._facts["token"])

    @property
    def taken_over(self) -> Mapping[str, str]:
        """See :class:`~tlsrunbook.ports.Lease`."""
        return dict(self._facts["taken_over_from"])

    def check(self) -> None:
        """See :class:`~tlsrunbook.ports.Lease`."""
        _check(self._path.parent, str(self._facts["server"]), self.token)

    def renew(self) -> None:
        """Let it hold for another while; one that ran out or was taken over stays lost."""
        with self._lock:
            if self._over.is_set():
                return
            try:
                self.check()
            except LeaseLost:
                self._over.set()
                return
            facts = {**self._facts, "until": _until(datetime.now(UTC))}
            part = self._path.with_name(f".{self._path.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
            with contextlib.suppress(OSError):  # tried again soon; until then it holds
                part.write_bytes(readable_json(facts))
                part.replace(self._path)
                self._facts = facts
            part.unlink(missing_ok=True)

    def release(self) -> None:
        """See :class:`~tlsrunbook.ports.Lease`."""
        self._over.set()
        with self._lock, contextlib.suppress(OSError, LeaseLost):
            self.check()
            self._path.unlink()
            self._path.parent.rmdir()  # refused while another server is worked on

    def _renew_often(self) -> None:
        while not self._over.wait(RENEW):
            self.renew()


class JoinedLease:
    """A lease that another process holds and renews, for the work that it lets this one do."""

    taken_over: Mapping[str, str]

    def __init__(self, folder: Path, server: str, token: str) -> None:
        self._folder, self._server, self.token = folder, server, token
        found = _newest(folder, server)
        facts = found[1] if found else {}
        earlier = facts.get("taken_over_from") if facts.get("token") == token else None
        self.taken_over = earlier if isinstance(earlier, dict) else {}

    def check(self) -> None:
        """See :class:`~tlsrunbook.ports.Lease`."""
        _check(self._folder, self._server, self.token)

    def release(self) -> None:
        """Its holder gives it back."""


def take_lease(site_folder: Path, server: str, who: Mapping[str, str], what: str) -> FileLease:
    """See :meth:`tlsrunbook.ports.EvidenceStore.lease`.

    Args:
        site_folder: ``runs/<site>``.
    """
    folder = site_folder / LEASES
    while True:
        found = _newest(folder, server)
        number, held = found or (0, {})
        if held and not _ended(held):
            raise _held(held, f"{site_folder.name} / {server}")
        now = datetime.now(UTC)
        facts = {
            "server": server,
            "token": secrets.token_hex(16),
            **who,
            "space": _space(),
            "started": _started(os.getpid()),
            "what": what,
            "since": utc_text(now),
            "until": _until(now),
            "taken_over_from": _told(held) if held else {},
        }
        path = folder / f"{server}.{number + 1}.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_once(path, readable_json(facts))
        except (EvidenceError, OSError) as error:
            if path.exists() or not folder.is_dir():
                continue  # somebody was faster, or gave back the last lease of the site in this moment
            raise EvidenceError("the lease of the server cannot be written", where=str(path)) from error
        if number:
            (folder / f"{server}.{number}.json").unlink(missing_ok=True)
        return FileLease(path, facts)


def holder_of(site_folder: Path, server: str) -> dict[str, str]:
    """See :meth:`tlsrunbook.ports.EvidenceStore.lease_holder`."""
    found = _newest(site_folder / LEASES, server)
    held = found[1] if found else {}
    return {} if not held or _ended(held) else _told(held)


def _told(held: Mapping[str, object]) -> dict[str, str]:
    return {key: str(held.get(key, "")) for key in _TOLD}


def _held(held: Mapping[str, object], where: str) -> LeaseHeld:
    told = _told(held)
    return LeaseHeld(
        f"{told['user']} works on this server ({told['what']}, on {told['host']}, since {told['since']})",
        holder=told,
        where=where,
        todo="wait until that has ended; if that computer is gone, the server is free again at " + told["until"],
    )


def _newest(folder: Path, server: str) -> tuple[int, dict[str, object]] | None:
    """Give the number and the content of the lease that counts; one that cannot be read says nothing of its holder."""
    name = re.compile(rf"{re.escape(server)}\.([0-9]+)\.json\Z")
    try:
        entries = [entry.name for entry in os.scandir(folder)]
    except OSError:
        return None
    numbers = [int(match[1]) for entry in entries if (match := name.match(entry))]
    if not numbers:
        return None
    path = folder / f"{server}.{max(numbers)}.json"
    try:
        data = json.loads(_read(path))
    except FileNotFoundError:  # given back in this moment
        return None
    except (OSError, ValueError):
        data = None
    if not isinstance(data, dict):
        data = {"until": _until(datetime.fromtimestamp(_changed(path), UTC)), "user": "somebody"}
    return max(numbers), data


def _read(path: Path) -> bytes:
    """Read a file that may be replaced in this moment, which Windows answers with a refusal."""
    for _ in range(20):
        with contextlib.suppress(PermissionError):
            return path.read_bytes()
        time.sleep(0.02)
    return path.read_bytes()


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _ended(held: Mapping[str, object]) -> bool:
    """Whether a lease holds no longer: it was not renewed in time, or its process on this computer has ended."""
    if _passed(str(held.get("until", ""))):
        return True
    if (held.get("host"), held.get("space")) != (socket.gethostname(), _space()):
        return False
    try:
        return _started(int(str(held["process"]))) != held.get("started")
    except (KeyError, ValueError):
        return False


def _passed(until: str) -> bool:
    try:
        return datetime.fromisoformat(until) < datetime.now(UTC)
    except (ValueError, TypeError):
        return True


def _check(folder: Path, server: str, token: str) -> None:
    found = _newest(folder, server)
    held = found[1] if found else {}
    if held.get("token") == token and not _passed(str(held.get("until", ""))):
        return
    what = "the lease of this server ran out" if not held or held.get("token") == token else ""
    what = what or f"this server was taken over by {_told(held)['user']} on {_told(held)['host']}"
    raise LeaseLost(
        f"{what}; nothing more is sent", where=server, todo="see what became of it, then run the same change again"
    )


def _until(now: datetime) -> str:
    return utc_text(now + timedelta(seconds=GOOD_FOR))


def _started(process: int) -> str:
    """Give when a process began, which tells it from a later one of the same number; empty when there is none."""
    try:
        found = psutil.Process(process)
        return "" if found.status() == psutil.STATUS_ZOMBIE else f"{found.create_time():.2f}"
    except psutil.Error:
        return ""


def _space() -> str:
    """Give what process numbers belong to besides the computer: containers count them anew."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""
