"""Keeps the report of each change up to date while it runs, as a page that loads itself anew."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from tlsrunbook.errors import TlsRunbookError

if TYPE_CHECKING:
    from tlsrunbook.ports import EvidenceStore
    from tlsrunbook.run.job import Told
    from tlsrunbook.run.rollout import SiteWork

#: A page is written this often at most, in seconds, and never for more than a twentieth of the time.
EVERY, _SHARE = 10.0, 20


class Following:
    """Writes in a thread of its own, so that a slow disk holds nobody up.

    Args:
        sites: What is done.
        every: Seconds between two looks.
    """

    def __init__(self, sites: Sequence[SiteWork], every: float = EVERY) -> None:
        self._stores: dict[tuple[str, str], EvidenceStore] = {
            (job.site, job.change): job.store for site in sites for wave in site.waves for job in wave
        }
        self._changes = {job.place: job.change for site in sites for wave in site.waves for job in wave}
        self._every = every
        self._fresh: set[tuple[str, str]] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write_often, name="report", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        from tlsrunbook.wiring_evidence import end_live_report

        self._over.set()
        self._thread.join()
        for (_site, change), store in self._stores.items():
            end_live_report(store, change)

    def tell(self, told: Told) -> None:
        """Note that something happened in a change; safe from any thread."""
        servers = getattr(told, "servers", ()) or (getattr(told, "server", ""),)
        self._fresh |= {(told.site, self._changes[told.site, server]) for server in servers}

    def _write_often(self) -> None:
        pause = min(1.0, self._every)  # the first page soon
        while not self._over.wait(pause):
            began = time.monotonic()
            while self._fresh and not self._over.is_set():
                self._write(*self._fresh.pop())
            pause = max(self._every, (time.monotonic() - began) * _SHARE)

    def _write(self, site: str, change: str) -> None:
        from tlsrunbook.wiring_evidence import live_report

        try:
            live_report(self._stores[site, change], change, round(self._every))
        except (TlsRunbookError, OSError):
            self._fresh.add((site, change))  # the numbered report says what is wrong; this one tries again
            self._over.wait(self._every)
