"""The processes of one run, wherever they hang in the tree: all have the same mark in their environment."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable

import psutil

VARIABLE = "TLSRUNBOOK_TEST_MARK"


def marked(mark: str) -> list[psutil.Process]:
    """Give all living processes that were started, by whatever detour, from a command with this mark."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            alive = process.status() != psutil.STATUS_ZOMBIE
            if alive and process.environ().get(VARIABLE) == mark:
                found.append(process)
    return found


def kill(processes: Iterable[psutil.Process]) -> None:
    """End processes at once, the first one first."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def left_after(mark: str, seconds: float) -> list[str]:
    """Give the command lines of processes that are still there after so many seconds."""
    end = time.monotonic() + seconds
    while left := marked(mark):
        if time.monotonic() >= end:
            break
        time.sleep(0.05)
    return [f"{process.pid}: {_command(process)}" for process in left]


def _command(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())[:200]
    return "gone just now"
