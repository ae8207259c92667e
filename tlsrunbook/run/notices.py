"""Tells the Jupyter server that started this kernel which server of which change is worked on here.

The server archives and seals what is done in its kernels (:mod:`tlsrunbook.ui.archivist`). It names a folder in the
environment that its kernels inherit; the kernel leaves one small file there per change and server that it works on. Where
nobody named a folder (papermill, a batch), nothing is left.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

#: The folder for the notices; set by the Jupyter server, for its kernels.
NOTICES_VARIABLE = "TLSRUNBOOK_NOTICES"

_SUFFIX = ".notice.json"
_KERNEL_FILE = re.compile(r"kernel-(.+)\.json\Z")


@dataclass(frozen=True)
class Notice:
    """What is worked on in a kernel.

    Args:
        folder: The site's folder in the evidence, absolute.
        site_file: Absolute; names the credentials that no archived notebook may hold.
        kernel: The id that the Jupyter server knows the kernel by.
        process: Of the kernel.
        notebook: Where the notebook was when the kernel was started; may be empty.
    """

    folder: str
    site_file: str
    change: str
    server: str
    kernel: str
    process: int
    notebook: str

    @property
    def file(self) -> str:
        """Its file's name: the same work in the same kernel has one file."""
        return f"{self.kernel}.{Path(self.folder).name}.{self.change}.{self.server}{_SUFFIX}"


def leave_notice(
    folder: Path, site_file: Path, change: str, server: str, environ: Mapping[str, str] | None = None
) -> None:
    """Leave a notice; a later one for the same replaces it. Never raises: work goes on where none can be left.

    Args:
        folder: The site's folder in the evidence.
        environ: The environment; the process's own by default.
    """
    environ = os.environ if environ is None else environ
    place, kernel = environ.get(NOTICES_VARIABLE, ""), kernel_id()
    if not place or not kernel:
        return
    where = environ.get("JPY_SESSION_NAME", "")
    notice = Notice(
        str(folder.absolute()), str(site_file.absolute()), change, server, kernel, os.getpid(), where
    )
    path = Path(place) / notice.file
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with contextlib.suppress(OSError):
        part.write_text(json.dumps(asdict(notice)), encoding="utf-8")
        part.replace(path)


def kernel_id() -> str:
    """Give the id of the kernel that this is; empty when it is none."""
    module = sys.modules.get("ipykernel.kernelapp")
    if module is None or not module.IPKernelApp.initialized():
        return ""
    found = _KERNEL_FILE.match(Path(str(module.IPKernelApp.instance().connection_file)).name)
    return found[1] if found else ""


def notices(place: Path) -> Iterator[tuple[Path, Notice]]:
    """Give the notices of a folder with their files. What is no notice is passed over.

    Args:
        place: Need not exist.
    """
    for path in sorted(place.glob(f"*{_SUFFIX}")):
        with contextlib.suppress(OSError, ValueError, TypeError):
            yield path, Notice(**json.loads(path.read_bytes()))
