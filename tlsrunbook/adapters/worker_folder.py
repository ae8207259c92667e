"""A worker's own folder: for each server a copy of its evidence while a job is performed, and what waits to be taken.

::

    <folder>/<site>/<SERVER>/runs/<site>/...    as the controller's evidence; what is not in known.json waits
                             known.json         SHA-256 by path of what the controller has
                             site/              site file, what it names, outbox and inbox of the authority
                             begun/<job>        a job is begun once
                             held/<site>/       the lease under which all this is touched
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tlsrunbook.adapters.attempt_folder import write_once
from tlsrunbook.adapters.lease import FileLease, take_lease
from tlsrunbook.adapters.store import RunStore
from tlsrunbook.errors import EvidenceError
from tlsrunbook.evidence.data import readable_json
from tlsrunbook.evidence.layout import LEASES

#: Of the authority, beside the site file; no change has this name.
OUTBOX = "outbox"
#: Seconds after which the mark of a job is taken away.
_OLD = 30 * 24 * 3600.0
_JOB = re.compile(r"[A-Za-z0-9_-]{8,100}\Z")
_ATTEMPT = re.compile(r"[^/]+/[^/]+/[0-9]+-[a-z-]+/attempt-[0-9]+/[^/]+\Z")


class ServerFolder:
    """One server's part of a worker's folder. Everything but :meth:`hold` is for the holder of the lease.

    Args:
        folder: The worker's own.
        site: Site name.
        server: Server name.
    """

    def __init__(self, folder: Path, site: str, server: str) -> None:
        self.folder = folder / site / server
        self.server = server
        self.runs = self.folder / "runs"
        self.store = RunStore(self.runs, site)
        self.site_folder = self.folder / "site"
        self._site = site
        self._known = self.folder / "known.json"

    def hold(self, who: Mapping[str, str], what: str) -> FileLease:
        """Take the lease under which this folder is touched.

        Raises:
            LeaseHeld: Another process is at it.
            EvidenceError: The disk refuses.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return take_lease(self.folder / "held" / self._site, self.server, who, what)

    def begin(self, job: str) -> bool:
        """Note that a job is begun; False when it was begun before.

        Raises:
            EvidenceError: It cannot be noted, and then it must not begin.
        """
        if not _JOB.match(job):
            raise EvidenceError(f"{job!r} is no job's id", where=str(self.folder))
        begun = self.folder / "begun"
        path = begun / job
        try:
            begun.mkdir(parents=True, exist_ok=True)
            _forget_old(begun)
            with path.open("xb") as file:
                os.fsync(file.fileno())
        except FileExistsError:
            return False
        except OSError as error:
            raise EvidenceError(f"cannot be written: {error.strerror or error}", where=str(path)) from error
        return True

    def lay_out(self, prior: Mapping[str, bytes], context: Mapping[str, bytes], outbox: Mapping[str, bytes]) -> None:
        """Make the copy of evidence and outbox what the controller has, besides what waits to be taken.

        Raises:
            EvidenceError: The disk refuses.
        """
        self.forget({})
        both = {**context, **prior}
        known = {name: _sha256(content) for name, content in both.items()}
        self._note_known(known | {f"{OUTBOX}/{name}": _sha256(content) for name, content in outbox.items()})
        for base, files in ((self.store.folder, both), (self.site_folder / OUTBOX, outbox)):
            base.mkdir(parents=True, exist_ok=True)
            for name, content in files.items():
                (base / name).parent.mkdir(parents=True, exist_ok=True)
                if not (base / name).exists():
                    write_once(base / name, content)

    def lay_out_site(self, folders: Mapping[str, Mapping[str, bytes]]) -> None:
        """Make the folders beside the site file anew.

        Args:
            folders: Name of the folder -> its files.
        """
        for name, files in folders.items():
            place = self.site_folder / name
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            for file, content in files.items():
                (place / file).write_bytes(content)

    def waiting(self) -> dict[str, bytes]:
        """Give what the controller does not have: evidence by path below the site's folder, CSRs below ``outbox``."""
        known = self._read_known()
        return {name: content for name, path in self._all() if known.get(name) != _sha256(content := path.read_bytes())}

    def forget(self, taken: Mapping[str, str]) -> None:
        """Take away the copies of what the controller has.

        Args:
            taken: SHA-256 of what it has by now, besides what it had; names as :meth:`waiting` gives them.
        """
        known = {**self._read_known(), **taken}
        self._note_known(known)
        kept = set()
        for name, path in self._all():
            if known.get(name) == _sha256(path.read_bytes()):
                path.unlink()
            else:
                kept.add(name.split("/", 1)[0])
        for change in self.store.changes():
            if change not in kept:
                shutil.rmtree(self.store.folder / change, ignore_errors=True)
        _prune(self.store.folder)

    def _all(self) -> Iterator[tuple[str, Path]]:
        outbox = self.site_folder / OUTBOX
        for path in sorted(outbox.glob("*.csr")) if outbox.is_dir() else []:
            yield f"{OUTBOX}/{path.name}", path
        for name in self._evidence():
            yield name, self.store.folder / name

    def _evidence(self) -> Iterator[str]:
        """Give the paths of evidence in attempts; hidden files and links are none."""
        base = self.store.folder
        for path in sorted(base.glob("*/*/*-*/attempt-*/*")) if base.is_dir() else []:
            name = path.relative_to(base).as_posix()
            hidden = any(part.startswith(".") for part in name.split("/"))
            if not hidden and _ATTEMPT.match(name) and path.is_file() and not path.is_symlink():
                yield name

    def _read_known(self) -> dict[str, str]:
        try:
            return dict(json.loads(self._known.read_bytes()))
        except (OSError, ValueError, TypeError):
            return {}  # then everything waits, and is taken again

    def _note_known(self, known: Mapping[str, str]) -> None:
        part = self._known.with_suffix(".part")
        part.write_bytes(readable_json(dict(known)))
        part.replace(self._known)


def servers_of(folder: Path, site: str) -> tuple[str, ...]:
    """Give the servers of a site that a worker's folder has something of."""
    place = folder / site
    return tuple(sorted(path.name for path in place.iterdir() if path.is_dir())) if place.is_dir() else ()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _forget_old(begun: Path) -> None:
    """Take away the marks of jobs so old that nobody hands them out again."""
    for path in begun.iterdir():
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _OLD:
                path.unlink()


def _prune(folder: Path) -> None:
    """Take away folders without a file."""
    for path in sorted(folder.rglob("*"), key=lambda one: len(one.parts), reverse=True) if folder.is_dir() else []:
        if path.is_dir() and path.name != LEASES:
            with contextlib.suppress(OSError):
                path.rmdir()
