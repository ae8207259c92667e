"""A site's evidence as files: what lies there, its digests, and the seals' folders."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tlsrunbook.errors import EvidenceError
from tlsrunbook.evidence.chain import Contents
from tlsrunbook.evidence.layout import LEASES, RECORD, TRANSCRIPT
from tlsrunbook.evidence.statement import (
    SEAL_FILE,
    SEALS,
    STATEMENT_FILE,
    TIMESTAMP_FILE,
    Previous,
    seal_folder,
    seal_from_statement,
)

#: A transcript without a record belongs to a step at work; after so many seconds of silence, to one that died.
COLD = 24 * 3600.0
_BLOCK = 1 << 18
_NUMBER = re.compile(r"[0-9]{4,18}\Z")
_LATER = re.compile(rf"{SEALS}/[0-9]{{4,18}}/{re.escape(TIMESTAMP_FILE)}\Z")
#: What a writer leaves that was killed; it was never evidence.
_LEFT_OVER = re.compile(r"\.(.+\.part|\d-[a-z-]+\.ipynb)\Z")


class SiteArchive:
    """The folder of one site, to be sealed or verified.

    Args:
        folder: ``runs/<site>``, or a copy of it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def numbers(self) -> list[int]:
        """Give the numbers of the seals that are there, in order."""
        folder = self.folder / SEALS
        if not folder.is_dir():
            return []
        return sorted(int(entry.name) for entry in os.scandir(folder) if _NUMBER.match(entry.name))

    def last(self) -> Previous | None:
        """Give the seal that the next one follows; None when there is none yet.

        Raises:
            EvidenceError: Its file cannot be read.
        """
        numbers = self.numbers()
        if not numbers:
            return None
        return Previous.of(numbers[-1], _read(self.folder / seal_folder(numbers[-1]) / SEAL_FILE))

    def unsealed(self, ended: Iterable[str]) -> Mapping[str, str]:
        """Give SHA-256 by path of the files that the next seal covers.

        The transcript of a step that is at work (it has no record yet) is left for a later seal, unless it lies in
        a folder that this process knows to be at rest, or nothing was added to it for a day.

        Args:
            ended: Folders below the site's folder in which nothing is at work any more.
        """
        if not self.folder.is_dir():
            return {}
        sealed: set[str] = set()
        for number in self.numbers():
            path = self.folder / seal_folder(number) / STATEMENT_FILE
            sealed |= set(seal_from_statement(_read(path), where=str(path)).files)
        names = set(_names(self.folder)[0])
        rest = tuple(f"{folder}/" for folder in ended)
        found = {}
        for name in sorted(names - sealed):
            own = name.startswith(f"{SEALS}/")
            if (own and not _LATER.match(name)) or (not name.startswith(rest) and self._at_work(name, names)):
                continue
            found[name] = _digest(self.folder / name)
        return found

    def _at_work(self, name: str, names: set[str]) -> bool:
        folder, _, file = name.rpartition("/")
        if file != TRANSCRIPT or f"{folder}/{RECORD}" in names:
            return False
        return time.time() - (self.folder / name).stat().st_mtime < COLD

    def add_seal(self, number: int, files: Mapping[str, bytes]) -> bool:
        """Write a seal's folder, whole or not at all; False when another runner took the number.

        Raises:
            EvidenceError: The disk refuses.
        """
        place = self.folder / seal_folder(number)
        part = place.with_name(f".{place.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
        try:
            part.mkdir(parents=True)
            for name, content in files.items():
                with (part / name).open("xb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
            part.rename(place)  # fails when there is one: it is never empty
            _settle(place.parent)
        except OSError as error:
            if place.is_dir():
                return False
            raise EvidenceError(f"the seal cannot be written: {error.strerror or error}", where=str(place)) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return True

    def add_timestamp(self, number: int, token: bytes) -> None:
        """Put a time stamp beside a seal; the next seal covers it.

        Raises:
            EvidenceError: There is one, or the disk refuses.
        """
        path = self.folder / seal_folder(number) / TIMESTAMP_FILE
        try:
            with path.open("xb") as file:
                file.write(token)
        except OSError as error:
            raise EvidenceError(f"cannot be written: {error.strerror or error}", where=str(path)) from error

    def contents(self) -> Contents:
        """Read everything that a verification needs: digests of all files, and the seals whole.

        Raises:
            EvidenceError: A file cannot be read.
        """
        names, odd, left_over = _names(self.folder)
        base = os.fspath(self.folder)
        digests = {name: _digest(f"{base}/{name}") for name in names if not name.startswith(f"{SEALS}/")}
        return Contents(digests, self.seals(names), tuple(odd), tuple(left_over))

    def seals(self, names: Iterable[str] | None = None) -> dict[str, bytes]:
        """Give the bytes of every file below ``seals/``, by path.

        Args:
            names: All paths, where they are known already.
        """
        if names is None:
            below = self.folder / SEALS
            names = [f"{SEALS}/{name}" for name in (_names(below)[0] if below.is_dir() else ())]
        return {name: _read(self.folder / name) for name in names if name.startswith(f"{SEALS}/")}


def _names(folder: Path) -> tuple[list[str], list[str], list[str]]:
    """Give the paths below a folder: files, what is neither file nor folder, left-overs of a killed writer."""
    files: list[str] = []
    odd: list[str] = []
    left_over: list[str] = []
    for name, entry in _walk(os.fspath(folder), ""):
        if name == LEASES or name.startswith(f"{LEASES}/"):
            continue
        if _LEFT_OVER.match(entry.name):
            left_over.append(name)
        elif entry.is_file(follow_symlinks=False):
            files.append(name)
        else:
            odd.append(name)
    return sorted(files), sorted(odd), sorted(left_over)


def _walk(path: str, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    with os.scandir(path) as entries:
        for entry in entries:
            name = prefix + entry.name
            if entry.is_dir(follow_symlinks=False) and not _LEFT_OVER.match(entry.name):
                yield from _walk(entry.path, f"{name}/")
            else:
                yield name, entry


def _digest(path: str | Path) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            data = os.read(descriptor, _BLOCK)
            hashed = hashlib.sha256(data)
            while len(data) == _BLOCK:
                data = os.read(descriptor, _BLOCK)
                hashed.update(data)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise EvidenceError(f"cannot be read: {error.strerror or error}", where=str(path)) from error
    return hashed.hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        todo = "tlsrunbook audit verify says what is wrong with this archive"
        raise EvidenceError(f"cannot be read: {error.strerror or error}", where=str(path), todo=todo) from error


def _settle(folder: Path) -> None:
    """Make sure that a new name in a folder is on disk; where folders cannot be opened, the system does it."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
