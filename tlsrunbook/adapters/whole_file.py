"""Files that others may read at any time: there whole, or not at all, and never over another one."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

_PART = ".part"


def is_part(path: Path) -> bool:
    """Whether a file is one that :func:`create_whole` is just writing."""
    return path.name.startswith(".") and path.suffix == _PART


def create_whole(path: Path, data: bytes) -> bool:
    """Create a file whole or not at all; False when it exists by now."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}{_PART}")
    try:
        with part.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        return _move_to_new(part, path)
    finally:
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
