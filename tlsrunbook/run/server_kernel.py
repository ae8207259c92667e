"""Kernels for servers: one per server and run, in which all of its step notebooks are executed in order.

A kernel is never shared between servers. Between two notebooks its name space is reset; what the helper package keeps
is kept: the PowerShell session with the server, so that Exchange's cmdlets load once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Protocol

from tlsrunbook.errors import UsageError
from tlsrunbook.run.engine import Execution, NotebookJob

#: Where kernels come from: forked from a template, prestarted, or started when asked for; ``auto`` takes the best.
KINDS = ("auto", "fork", "pool", "cold")

#: A kernel works three times as long as the executor on the same notebook, so one executor feeds four cores.
_CORES_PER_EXECUTOR = 4
_LANES_PER_EXECUTOR = 16


def can_fork() -> bool:
    """Whether kernels can be forked here. Not on macOS, whose frameworks do not survive it, nor on Windows."""
    return hasattr(os, "fork") and sys.platform != "darwin"


class ServerKernel(Protocol):
    """The kernel of one server. It starts with the first notebook, and anew with the next one after it died."""

    def execute(self, job: NotebookJob) -> Execution:
        """Execute a notebook and wait for its end, also when the kernel or the process that drives it dies.

        Called from one thread at a time. Never raises because of what happens in the kernel.
        """

    def kill(self) -> None:
        """End it at once, from any thread; an execution under way ends as one whose kernel died."""

    def close(self) -> None:
        """End the session with the server, within a deadline, then the kernel. Harmless when it has ended already."""


class Kernels(Protocol):
    """Gives kernels."""

    def start(self, environment: Mapping[str, str]) -> ServerKernel:
        """Give a kernel for one server.

        Args:
            environment: Variables of the kernel besides those of this process (such as the lease it works under). The
                variable that names the signing key never reaches a kernel.
        """

    def close(self) -> None:
        """End everything at once, also kernels that were not closed."""


def refuse_kind(kind: str) -> None:
    """Refuse kernels that there are not, before anything is begun.

    Raises:
        UsageError: The kind is unknown, or not possible on this computer.
    """
    if kind not in KINDS:
        raise UsageError(f"there are no kernels of the kind {kind!r}", todo=f"write {', '.join(KINDS)}")
    if kind == "fork" and not can_fork():
        raise UsageError("kernels cannot be forked on this system", todo="write pool or cold, or leave it to auto")


def open_kernels(kind: str = "auto", lanes: int = 1) -> Kernels:
    """Give a source of kernels for one run.

    Args:
        kind: One of :data:`KINDS`.
        lanes: How many servers are worked on at once, at most.

    Raises:
        UsageError: The kind is unknown, or not possible on this computer.
    """
    from tlsrunbook.run.hosted import HostedKernels  # noqa: PLC0415

    refuse_kind(kind)
    cores = os.cpu_count() or 1
    executors = max(1, min(cores // _CORES_PER_EXECUTOR, lanes // _LANES_PER_EXECUTOR))
    return HostedKernels(kind, executors, size=max(1, min(lanes, cores) // executors))
