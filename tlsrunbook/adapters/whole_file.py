"""Files that others may read at any time: there whole, or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PART = ".part"


def is_part(path: Path) -> bool:
    """Whether a file is one that is just being written here."""
    return path.name.startswith(".") and path.suffix == _PART


def create_whole(path: Path, data: bytes) -> bool:
    """Create a file whole or not at all; False when it exists by now."""
    with _part_of(path, data) as part:
        return _move_to_new(part, path)


def replace_whole(path: Path, data: bytes) -> None:
    """Write a file whole, in place of an earlier one: who reads it meanwhile sees the old or the new one."""
    with _part_of(path, data) as part:
        part.replace(path)


@contextmanager
def _part_of(path: Path, data: bytes) -> Iterator[Path]:
    """Give a file beside the one that is wanted, with its content, on disk; nothing is left of it afterwards."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}{_PART}")
    try:
        with part.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        yield part
    finally:
        with suppress(OSError):  # what went wrong before is told, and not that it cannot be tidied up either
            part.unlink(missing_ok=True)


def _move_to_new(part: Path, path: Path) -> bool:
    try:
        if os.name == "nt":
            part.rename(path)  # fails there when the target exists
        else:
            os.link(part, path)
    except FileExistsError:
        return False
    except OSError:
        # No hard links here (some network shares): claim the name, then replace the empty file in one go.
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            return False
        part.replace(path)
    return True
