"""Finds the kernels that a process has started, however they were started."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psutil

TEMPLATE = "tlsrunbook.run.kernels.template"


def kernels_of(process: psutil.Process) -> list[psutil.Process]:
    """Give the kernels below a process; the template that some are forked from is none."""
    return list(_kernels(process))


def _kernels(process: psutil.Process) -> Iterator[psutil.Process]:
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            line = child.cmdline()
            if TEMPLATE in line:
                above = child.parent()
                if above is not None and TEMPLATE in above.cmdline():
                    yield child
            elif "ipykernel_launcher" in line or "tlsrunbook.run.kernels.kernel" in line:
                yield child
