"""A thread beside the Jupyter server that takes saved notebooks from it, and settles what its kernels did."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tlsrunbook.adapters.store import RunStore
from tlsrunbook.errors import EvidenceError, TlsRunbookError
from tlsrunbook.ui.archiving import Archiving, Place, place_of, saved_at, unsettled
from tlsrunbook.ui.post import PostBox, Troubles, kernel_runs

#: So long a finished session waits for its notebook to be saved, in seconds.
FINAL_SAVE = 600.0
#: So often it is looked what kernels did, in seconds.
LOOK = 1.0
#: In the place of a path: there is nothing more to come.
_OVER = ""


@dataclass
class Archivist:
    """Takes saved notebooks, and settles sessions whose notebook is not saved in time or whose kernel has ended.

    Args:
        box: Where kernels leave notices; opened.
        archiving: Does the work.
        troubles: Gets what could not be done.
        kernels: Gives the ids of the server's kernels; a restarted one keeps its id.
        secrets: Gives the texts that no archived notebook may hold; gets the site files that are worked on.
        log: The server's.
        final_save: See :data:`FINAL_SAVE`.
    """

    box: PostBox
    archiving: Archiving
    troubles: Troubles
    kernels: Callable[[], Iterable[str]]
    secrets: Callable[[Iterable[Path]], Iterable[str]]
    log: logging.Logger
    final_save: float = FINAL_SAVE
    _saved: queue.SimpleQueue[str] = field(default_factory=queue.SimpleQueue)
    _finished: dict[str, float] = field(default_factory=dict)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._work, name="tlsrunbook archivist", daemon=True)
        self._thread.start()

    def saved(self, path: str) -> None:
        """Take note that a notebook was saved; returns at once."""
        if path:
            self._saved.put(path)

    def stop(self) -> None:
        """Settle everything: server and kernels end. Waits until that is done; a second call does nothing."""
        thread, self._thread = self._thread, None
        if thread:
            self._saved.put(_OVER)
            thread.join()

    def _work(self) -> None:
        looked = time.monotonic()
        while True:
            path = self._next()
            if path:
                self._guarded(partial(self._take, Path(path)))
            if path == _OVER or time.monotonic() - looked >= LOOK:
                self._guarded(partial(self._look, all_over=path == _OVER))
                looked = time.monotonic()
            if path == _OVER:
                return

    def _next(self) -> str | None:
        try:
            return self._saved.get(timeout=LOOK)
        except queue.Empty:
            return None

    def _guarded(self, job: Callable[[], None]) -> None:
        """Nothing that goes wrong here may end the thread."""
        try:
            job()
        except Exception:  # a bug: the log has the rest
            self.log.exception("tlsrunbook: the evidence of an interactive session could not be settled")

    # --- a notebook was saved -----------------------------------------------------------------------------------------

    def _take(self, path: Path) -> None:
        saved = saved_at(path)
        for shown in saved.sessions if saved else ():
            place = place_of(shown, path)
            if saved and place and not place.settled:
                files = [Path(notice.site_file) for _, notice in self.box.notices()]
                with self._told(place.store.folder, place.session.change, place.session.server):
                    self.archiving.archive(place, shown, saved, self.secrets(files))

    # --- what kernels did ---------------------------------------------------------------------------------------------

    def _look(self, *, all_over: bool) -> None:
        alive = set(self.kernels())
        for path, notice in self.box.notices():
            folder = Path(notice.folder)
            if all_over or (notice.kernel not in alive and not kernel_runs(notice, path)):
                self._take(Path(notice.notebook))  # saved, and the word of it did not come here
                told = self._told(folder, notice.change, notice.server)
                with told:
                    why = "JupyterLab was ended" if all_over else "its kernel was ended"
                    self.archiving.ended(notice, why)
                if not told.failed:
                    path.unlink(missing_ok=True)
                continue
            for place in unsettled(RunStore(folder.parent, folder.name), notice.change, notice.server):
                self._wait(place, folder)

    def _wait(self, place: Place, folder: Path) -> None:
        """Give up on a session whose notebook was not saved in time."""
        one = place.session
        begun = self._finished.setdefault(place.sha256, time.monotonic())
        if time.monotonic() - begun >= self.final_save:
            with self._told(folder, one.change, one.server):
                why = f"it was not saved within {self.final_save / 60:g} minutes after the session was finished"
                self.archiving.missing(place, why)

    def _told(self, folder: Path, change: str, server: str) -> _Told:
        return _Told(self.troubles, self.log, folder, change, server)


@dataclass
class _Told:
    """What goes wrong inside is shown, once, until it goes right."""

    troubles: Troubles
    log: logging.Logger
    folder: Path
    change: str
    server: str
    failed: bool = False

    def __enter__(self) -> _Told:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if error is None:
            self.troubles.clear(self.folder, self.change, self.server)
            return False
        if isinstance(error, OSError):
            error = EvidenceError(str(error.strerror or error), where=str(error.filename or self.folder))
        if not isinstance(error, TlsRunbookError):
            return False
        self.failed = True
        if self.troubles.tell(self.folder, self.change, self.server, str(error)):
            self.log.error("tlsrunbook: %s", error)
        return True
