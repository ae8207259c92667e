"""Files on their way: written beside their place under a name of their own, then moved to it.

A writer that is killed leaves such a part behind. It never was evidence, and the next run sweeps it up.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import socket
from functools import cache
from pathlib import Path

import psutil

_PART = re.compile(r"\..+\.(?P<computer>[0-9a-f]{8})\.(?P<process>\d+)\.[0-9a-f]{8}\.part\Z")


@cache
def _here() -> str:
    """Give a short name of this computer: process ids mean something on their own one only."""
    return hashlib.sha256(socket.gethostname().encode("utf-8", "backslashreplace")).hexdigest()[:8]


def part_of(path: Path) -> Path:
    """Give a name beside a file that nobody else uses and that tells who is writing."""
    return path.with_name(f".{path.name}.{_here()}.{os.getpid()}.{secrets.token_hex(4)}.part")


def sweep_all(folder: Path) -> None:
    """Remove every part in a folder that nobody else may write to now."""
    for path in folder.rglob(".*.part"):
        _remove(path)


def sweep_dead(folder: Path) -> None:
    """Remove the parts in a folder whose writer was on this computer and runs no more."""
    for path in folder.rglob(".*.part"):
        match = _PART.match(path.name)
        if match and match["computer"] == _here() and not psutil.pid_exists(int(match["process"])):
            _remove(path)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # gone already, or to be swept another time
        shutil.rmtree(path) if path.is_dir() else path.unlink()
