"""Where evidence lands: ``runs/<site>/<change>/<server>/<n-step>/attempt-<k>/``. Written once, never over anything."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tlsrunbook.errors import EvidenceError, UsageError
from tlsrunbook.evidence.data import readable_json, utc_text
from tlsrunbook.evidence.layout import BEFORE, CHANGE, PLAN, RECORD, TRANSCRIPT
from tlsrunbook.evidence.record import Record, record_from_data
from tlsrunbook.ports import Attempt

#: The step whose success ends a change for a server, and the one that ends it by going back.
_LAST_STEP = "verify"
_WAY_BACK = "rollback"


def write_once(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, and never over another one.

    Raises:
        EvidenceError: Something of this name is there already, or the disk refuses.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _move_to_new(part, path)
    except FileExistsError as error:
        raise EvidenceError(
            "there is a file of this name already, and evidence is never overwritten", where=str(path)
        ) from error
    except OSError as error:
        raise EvidenceError(f"cannot be written: {error.strerror or error}", where=str(path)) from error
    finally:
        part.unlink(missing_ok=True)


def _move_to_new(part: Path, path: Path) -> None:
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:
        # File systems without hard links (FAT, some network shares): the window is one system call.
        if path.exists():
            raise FileExistsError(path) from None
        part.rename(path)


@dataclass(frozen=True)
class AttemptFolder:
    """The folder of one try of one step.

    Args:
        folder: It exists and belongs to this attempt alone.
        number: 1 for the first.
    """

    folder: Path
    change: str
    server: str
    step: str
    number: int

    def write(self, name: str, content: bytes) -> None:
        """Write a file once; the same content again is no error.

        Raises:
            EvidenceError: Another content is there, or the disk refuses.
        """
        path = self.folder / name
        if path.exists() and path.read_bytes() == content:
            return
        write_once(path, content)

    def append(self, line: Mapping[str, Any], *, durable: bool) -> None:
        """Add a line to the transcript.

        Args:
            line: JSON-able.
            durable: Whether it must be on disk before this returns.

        Raises:
            EvidenceError: The disk refuses.
        """
        path = self.folder / TRANSCRIPT
        rest = memoryview((json.dumps(line, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace"))
        try:
            with path.open("ab", buffering=0) as file:
                begin = file.tell()
                try:
                    while rest:
                        rest = rest[file.write(rest) :]
                    if durable:
                        os.fsync(file.fileno())
                except OSError:
                    with contextlib.suppress(OSError):
                        file.truncate(begin)  # nothing was done that half a line would tell of
                    raise
        except OSError as error:
            raise EvidenceError(f"cannot be written: {error.strerror or error}", where=str(path)) from error

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files in the folder, sorted."""
        return tuple(sorted(path.name for path in self.folder.iterdir() if not path.name.startswith(".")))

    @property
    def record_path(self) -> Path:
        """Where its record is or will be."""
        return self.folder / RECORD


class RunStore:
    """The evidence of one site.

    Args:
        runs: The folder ``runs``; made when it is missing.
        site: Site name.
    """

    def __init__(self, runs: Path, site: str) -> None:
        self.folder = runs / site

    def new_change(self, at: datetime, asked: Mapping[str, Any]) -> str:
        """Start a change and write down what was asked.

        Args:
            at: Now, UTC.
            asked: Who asked for what and why; JSON-able.

        Raises:
            EvidenceError: The disk refuses.
        """
        change = f"{at:%Y%m%d-%H%M%S}-{at.microsecond // 1000:03d}{secrets.token_hex(2)}"
        try:
            (self.folder / change).mkdir(parents=True)
        except OSError as error:
            raise EvidenceError(
                f"cannot be made: {error.strerror or error}", where=str(self.folder / change)
            ) from error
        write_once(self.folder / change / CHANGE, readable_json({"change": change, "asked": utc_text(at), **asked}))
        return change

    def changes(self) -> tuple[str, ...]:
        """Give all change ids, oldest first."""
        if not self.folder.is_dir():
            return ()
        return tuple(sorted(path.name for path in self.folder.iterdir() if (path / CHANGE).is_file()))

    def asked(self, change: str) -> dict[str, Any]:
        """Give what was asked for.

        Raises:
            UsageError: There is no such change.
            EvidenceError: It cannot be read.
        """
        path = self.folder / change / CHANGE
        if Path(change).name != change or not path.is_file():
            raise UsageError(
                f"there is no change {change!r}",
                where=str(self.folder),
                todo=f"use one of {', '.join(self.changes()[-5:]) or 'none yet: leave it empty'}",
            )
        try:
            return dict(json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError) as error:
            raise EvidenceError("what was asked for cannot be read", where=str(path)) from error

    def open_change(self, server: str) -> str:
        """Give the newest change in which this server is not finished; empty when there is none."""
        for change in reversed(self.changes()):
            if server in self.asked(change).get("servers", ()):
                last = self.latest(change, server).get(_LAST_STEP)
                finished = last is not None and last.mode == "apply" and last.status.done
                return "" if finished or self.rolled_back(change, server) else change
        return ""

    def rolled_back(self, change: str, server: str) -> bool:
        """Whether going back was begun: commands were about to be sent, or there was nothing to send."""
        for attempt in self.attempts(change, server):
            if attempt.step == _WAY_BACK:
                record = self.record(attempt)
                done = record is not None and record.mode == "apply" and record.status.done
                if done or (attempt.folder / PLAN).is_file():
                    return True
        return False

    def attempt(self, change: str, server: str, step: str, number: int) -> AttemptFolder:
        """Make the folder of the next attempt.

        Args:
            change: An existing change.
            server: Server name.
            step: Step id.
            number: The step's place in the order, for the folder's name.

        Raises:
            UsageError: There is no such change.
            EvidenceError: The disk refuses.
        """
        self.asked(change)
        parent = self.folder / change / server / f"{number}-{step}"
        tries = 1 + sum(1 for _ in parent.glob("attempt-*"))
        while True:
            folder = parent / f"attempt-{tries}"
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                tries += 1
            except OSError as error:
                raise EvidenceError(f"cannot be made: {error.strerror or error}", where=str(folder)) from error
            else:
                return AttemptFolder(folder, change, server, step, tries)

    def attempts(self, change: str, server: str = "*") -> Iterator[AttemptFolder]:
        """Give the attempts of a change, by server, step and number."""
        folders = (self.folder / change).glob(f"{server}/*-*/attempt-*")
        for folder in sorted(folders, key=lambda path: (path.parts[-3], path.parts[-2], int(path.name.split("-")[1]))):
            step = folder.parent.name.split("-", 1)[1]
            yield AttemptFolder(folder, change, folder.parent.parent.name, step, int(folder.name.split("-")[1]))

    def record(self, attempt: Attempt) -> Record | None:
        """Read an attempt's record; None while it has none.

        Raises:
            EvidenceError: It cannot be read.
        """
        try:
            data = json.loads(attempt.record_path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise EvidenceError("the record cannot be read", where=str(attempt.record_path)) from error
        if not isinstance(data, dict):
            raise EvidenceError("the record is not a JSON object", where=str(attempt.record_path))
        return record_from_data(data, where=str(attempt.record_path))

    def records(self, change: str, server: str = "*") -> tuple[Record, ...]:
        """Give all records of a change in the order of :meth:`attempts`."""
        found = (self.record(attempt) for attempt in self.attempts(change, server))
        return tuple(record for record in found if record is not None)

    def latest(self, change: str, server: str) -> dict[str, Record]:
        """Give the last record of each step; one that applied goes before one that only planned."""
        last: dict[str, Record] = {}
        for record in self.records(change, server):
            before = last.get(record.step)
            if before is None or record.mode == "apply" or before.mode == "plan":
                last[record.step] = record
        return last

    def file(self, change: str, name: str, content: bytes) -> bool:
        """Write a file of a change once; False when it is there already.

        Args:
            name: Path below the change's folder, as in ``evidence.layout``.

        Raises:
            EvidenceError: The disk refuses.
        """
        path = self.folder / change / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_once(path, content)
        except EvidenceError:
            if path.exists():
                return False
            raise
        except OSError as error:
            raise EvidenceError(f"cannot be made: {error.strerror or error}", where=str(path.parent)) from error
        return True

    def filed(self, change: str, pattern: str) -> tuple[Path, ...]:
        """Give the files of a change whose name is ``pattern`` with something in place of ``{}``, in order."""
        found = (self.folder / change).glob(pattern.format("*"))
        # By length first: 10 comes after 9.
        return tuple(sorted(found, key=lambda path: (len(path.as_posix()), path.as_posix())))

    def first_before(self, change: str, server: str) -> dict[str, Any] | None:
        """Give the earliest state of a server that this change has on disk, or None."""
        states = []
        for path in (self.folder / change / server).glob(f"*/attempt-*/{BEFORE}"):
            with contextlib.suppress(OSError, ValueError):
                states.append(json.loads(path.read_bytes()))
        return min(states, key=lambda state: str(state["at"]), default=None)
