"""Kernel managers that nobody else on this computer or network can listen to or collide with."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase

from tlsrunbook.run.kernels.words import FOLDERS

#: Name of our own kernel's specification, which is nowhere on disk; a notebook for ``python3`` runs in it.
NATIVE = "python3"

#: Set to ``tcp`` to go the way of computers without Unix sockets.
TRANSPORT = "TLSRUNBOOK_TRANSPORT"

_PROGRAM = "tlsrunbook.run.kernels.kernel"


class OwnSpecs(KernelSpecManager):
    """Knows this package's kernel, by the name of the Python kernel; others as Jupyter finds them.

    Args:
        prepared: Whether the kernel imports the helper package before it is asked for anything.
    """

    def __init__(self, *, prepared: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._prepared = prepared

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """See jupyter_client's ``KernelSpecManager``."""
        if kernel_name != NATIVE:
            return super().get_kernel_spec(kernel_name)
        extra = ["--prepared"] if self._prepared else []
        return KernelSpec(
            argv=[sys.executable, "-m", _PROGRAM, *extra, "-f", "{connection_file}"],
            display_name="Python 3",
            language="python",
            metadata={"supported_encryption": ["curve"]},
        )


class PrivateKernelManager(AsyncKernelManager):
    """A kernel manager that talks over Unix sockets in a folder of its own where there are any.

    Ports are picked, released and bound again by the kernel, so two kernels that start at once may take the same one;
    and what goes over TCP goes in clear. Windows has no such sockets for ZeroMQ: there it is TCP on loopback,
    encrypted with CurveZMQ, and a kernel that lost the race for a port is started again.

    Args:
        prepared: See :class:`OwnSpecs`.
        provisioner: Starts the process; None: as the kernel's specification says.
        place: Where the folder is made; None: where temporary files are.
    """

    def __init__(
        self,
        *,
        prepared: bool = False,
        provisioner: KernelProvisionerBase | None = None,
        place: str | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("kernel_spec_manager", OwnSpecs(prepared=prepared))
        super().__init__(**kwargs)
        self.provisioner = provisioner
        # Socket paths have a limit of about 100 bytes, so names are short.
        self.folder = Path(tempfile.mkdtemp(prefix="k" if place else FOLDERS, dir=place))
        self.connection_file = str(self.folder / "k.json")
        if os.name == "posix" and os.environ.get(TRANSPORT) != "tcp":
            self.transport = "ipc"
            self.ip = str(self.folder / "k")
        else:
            self.transport_encryption = "required"

    @property
    def said(self) -> str:
        """The last line that the process wrote on its standard error; may be empty."""
        with contextlib.suppress(OSError):
            lines = (self.folder / "stderr").read_text(encoding="utf-8", errors="replace").split("\n")
            return next((line for line in reversed(lines) if line.strip()), "")
        return ""

    async def _async_cleanup_resources(self, restart: bool = False) -> None:
        await super()._async_cleanup_resources(restart=restart)
        if not restart:
            shutil.rmtree(self.folder, ignore_errors=True)

    cleanup_resources = _async_cleanup_resources
