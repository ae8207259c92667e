"""Tells the Jupyter server that started this kernel which server of which change is worked on here.

The server archives and seals what is done in its kernels. It names a folder in the environment that its kernels
inherit; a kernel leaves one small file there per change and server that it works on. Where nobody named a folder
(papermill, a batch), nothing is left.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from tlsrunbook.evidence.data import utc_text

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
        since: When this kernel began with it, UTC.
        notebook: Where the notebook was when the kernel was started; may be empty.
    """

    folder: str
    site_file: str
    change: str
    server: str
    kernel: str
    process: int
    since: str
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
    notice = Notice(
        folder=str(folder.absolute()),
        site_file=str(site_file.absolute()),
        change=change,
        server=server,
        kernel=kernel,
        process=os.getpid(),
        since=utc_text(datetime.now(UTC)),
        notebook=environ.get("JPY_SESSION_NAME", ""),
    )
    path = Path(place) / notice.file
    earlier = _notice(path)
    if earlier:  # of this kernel before it was restarted, or of an earlier step: the same work goes on
        notice = replace(notice, since=earlier.since)
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
        notice = _notice(path)
        if notice:
            yield path, notice


def _notice(path: Path) -> Notice | None:
    try:
        return Notice(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
