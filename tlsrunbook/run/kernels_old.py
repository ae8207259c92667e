"""Kernels that nobody else on this computer or network can listen to or collide with."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from jupyter_client.manager import AsyncKernelManager


class PrivateKernelManager(AsyncKernelManager):
    """A kernel manager that talks over Unix sockets in a folder of its own where there are any.

    Ports are picked, released and bound again by the kernel, so two kernels that start at once may take the same one;
    and what goes over TCP goes in clear. Windows has no such sockets for ZeroMQ: there it stays with TCP on loopback.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._private: Path | None = None
        if os.name == "posix":
            # Socket paths have a limit of about 100 bytes, so the folder is right below the temporary one.
            self._private = Path(tempfile.mkdtemp(prefix="tlsrb-"))
            self.transport = "ipc"
            self.connection_file = str(self._private / "k.json")
            self.ip = str(self._private / "k")

    async def _async_cleanup_resources(self, restart: bool = False) -> None:
        await super()._async_cleanup_resources(restart=restart)
        if self._private and not restart:
            shutil.rmtree(self._private, ignore_errors=True)

    cleanup_resources = _async_cleanup_resources
