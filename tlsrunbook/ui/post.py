"""Where Jupyter server and kernels leave each other word: notices of what is worked on, and what could not be archived.

It lies in the user's configuration folder, so that the next server finds what one left that was killed, and
``tlsrunbook status`` and the runbook see what went wrong.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
from pathlib import Path

import psutil

from tlsrunbook.adapters.own_key import config_folder
from tlsrunbook.run.notices import Notice, notices

_SERVER = "server.json"
_TROUBLES = "troubles"


def post_folder() -> Path:
    """Give the folder of all servers' boxes; it need not exist."""
    return config_folder() / "jupyter"


class PostBox:
    """The folder of one Jupyter server. The server makes it; its kernels leave notices in it.

    Args:
        post: See :func:`post_folder`.
    """

    def __init__(self, post: Path) -> None:
        self._post = post
        self.folder = post / f"{os.getpid()}-{secrets.token_hex(4)}"

    def open(self) -> None:
        """Make it, and take over what servers left that are no more.

        Raises:
            OSError: The disk refuses.
        """
        self._post.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder.mkdir(mode=0o700)
        own = psutil.Process()
        told = json.dumps({"process": own.pid, "started": own.create_time()})
        (self.folder / _SERVER).write_text(told, encoding="utf-8")
        for other in self._post.glob(f"*/{_SERVER}"):
            if other.parent != self.folder and not _runs(other):
                self._take_over(other.parent)

    def _take_over(self, other: Path) -> None:
        for path, _ in notices(other):
            with contextlib.suppress(OSError):  # another new server may be faster
                path.replace(self.folder / path.name)
        shutil.rmtree(other, ignore_errors=True)

    def close(self) -> None:
        """Remove it, unless something in it is left for the next server."""
        if not self.notices():
            shutil.rmtree(self.folder, ignore_errors=True)

    def notices(self) -> list[tuple[Path, Notice]]:
        """Give what is worked on, with the files to remove when that is settled."""
        return list(notices(self.folder))


def kernel_runs(notice: Notice, path: Path) -> bool:
    """Whether the process that left a notice still runs.

    Args:
        path: Its file: a process that began later is another one.
    """
    try:
        process = psutil.Process(notice.process)
        created: float = process.create_time()
        return bool(process.status() != psutil.STATUS_ZOMBIE) and created <= path.stat().st_mtime + 1
    except (psutil.Error, OSError):
        return False


def _runs(file: Path) -> bool:
    try:
        told = json.loads(file.read_bytes())
        created: float = psutil.Process(int(told["process"])).create_time()
        return created == float(told["started"])
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return False


class Troubles:
    """What a Jupyter server could not archive or seal, until it could.

    Args:
        post: See :func:`post_folder`.
    """

    def __init__(self, post: Path) -> None:
        self._folder = post / _TROUBLES

    def tell(self, folder: Path, change: str, server: str, what: str) -> bool:
        """Write it down; False when the same was told already.

        Args:
            folder: The site's folder in the evidence.
        """
        path = self._file(folder, change, server)
        content = json.dumps({"folder": str(folder.resolve()), "change": change, "server": server, "what": what})
        with contextlib.suppress(OSError, UnicodeDecodeError):
            if path.read_text(encoding="utf-8") == content:
                return False
        with contextlib.suppress(OSError):  # it stands in the server's log, too
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.write_text(content, encoding="utf-8")
        return True

    def clear(self, folder: Path, change: str, server: str) -> None:
        """Say that it is settled."""
        with contextlib.suppress(OSError):
            self._file(folder, change, server).unlink(missing_ok=True)

    def _file(self, folder: Path, change: str, server: str) -> Path:
        return self._folder / f"{folder.name}.{change}.{server}.json"

    def of(self, folder: Path) -> tuple[str, ...]:
        """Give one line per trouble with the evidence of a site."""
        found = []
        for path in sorted(self._folder.glob("*.json")):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                told = json.loads(path.read_bytes())
                if Path(told["folder"]) == folder.resolve():
                    found.append(f"{folder.name} / {told['server']}, change {told['change']}: {told['what']}")
        return tuple(found)


def troubles_of(folder: Path) -> tuple[str, ...]:
    """Give what JupyterLab could not archive or seal of a site; for ``tlsrunbook status`` and the runbook.

    Args:
        folder: The site's folder in the evidence.
    """
    return Troubles(post_folder()).of(folder)
