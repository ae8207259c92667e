"""The folder of one attempt: files that appear whole or not at all, and never over another one."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tlsrunbook.adapters.parts import part_of
from tlsrunbook.errors import EvidenceError
from tlsrunbook.evidence.layout import RECORD, TRANSCRIPT


def write_once(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, and never over another one.

    Raises:
        EvidenceError: Something of this name is there already, or the disk refuses.
    """
    part = part_of(path)
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
