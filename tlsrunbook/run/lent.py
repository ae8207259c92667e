"""Kernels that stay when a job has ended: a worker performs one job after another, and a template costs a second."""

from __future__ import annotations

import os
from collections.abc import Mapping

from tlsrunbook.run.server_kernel import Kernels, ServerKernel, open_kernels

_kernels: dict[int, Kernels] = {}


class LentKernels:
    """The kernels of this process, for one job."""

    def start(self, environment: Mapping[str, str]) -> ServerKernel:
        """See :class:`~tlsrunbook.run.server_kernel.Kernels`."""
        own = os.getpid()
        if own not in _kernels:
            _kernels[own] = open_kernels()
        return _kernels[own].start(environment)

    def close(self) -> None:
        """They end with the process."""
