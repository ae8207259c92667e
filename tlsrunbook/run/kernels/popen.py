"""A kernel's process as this one's child, whose end is seen when it happens."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from jupyter_client.provisioning.local_provisioner import LocalProvisioner

#: Where the system cannot tell of a process's end, it is asked so often, in seconds.
_ASK = 0.05


class ChildProvisioner(LocalProvisioner):
    """Like jupyter_client's own, which looks ten times a second."""

    async def wait(self) -> int | None:
        """See jupyter_client's ``KernelProvisionerBase``."""
        process = self.process
        if process is None:
            return 0
        await ended(process)
        self.process = None
        return int(process.returncode)

    async def kill(self, restart: bool = False) -> None:
        """End the process and all of its group, and wait for it."""
        await super().kill(restart)
        if self.process is not None:
            await ended(self.process)


async def ended(process: Any) -> None:
    """Wait until a child has ended."""
    if process.poll() is not None:
        return
    if not hasattr(os, "pidfd_open"):
        while process.poll() is None:
            await asyncio.sleep(_ASK)
        return
    loop = asyncio.get_running_loop()
    seen = asyncio.Event()
    number = os.pidfd_open(process.pid)
    try:
        loop.add_reader(number, seen.set)
        await seen.wait()
    finally:
        loop.remove_reader(number)
        os.close(number)
    process.wait()
