"""A change on a lab whose jobs are packed as for a worker, and performed in this process."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support.change import STEPS, Change
from tlsrunbook.adapters.origin import tool
from tlsrunbook.adapters.store import RunStore
from tlsrunbook.run.job import ServerJob
from tlsrunbook.run.portable import PortableJob, PortableResult, result_from_text, to_text
from tlsrunbook.run.recording import Circumstances
from tlsrunbook.steps.registry import step_of
from tlsrunbook.wiring_cluster import packed
from tlsrunbook.wiring_worker import Place, perform_at

ANNA = {"user": "anna", "host": "ADMIN7", "process": "4711"}


class PortableChange:
    """One change on both servers of a lab's site.

    Args:
        change: On the lab.
        worker: The worker's own folder.
    """

    def __init__(self, change: Change, worker: Path) -> None:
        self.change, self.lab, self.site, self.runs = change, change.lab, change.site, change.runs
        self.store = RunStore(self.runs, self.site)
        self.id = self.store.new_change(datetime.now(UTC), {"servers": ["EDGE1", "MBX1"], "mode": "apply"})
        self.place = Place(self.site, worker)
        self.told: list[Mapping[str, Any]] = []
        self.said: list[str] = []
        self._jobs = 0

    def job(self, server: str, *steps: str, mode: str = "apply") -> ServerJob:
        """Give a job as the controller has it."""
        return ServerJob(
            site_file=self.change.site_file,
            site=self.site,
            server=server,
            steps=tuple(step_of(step) for step in steps or STEPS),
            store=self.store,
            runs=self.runs,
            change=self.id,
            mode=mode,
            about=Circumstances(ANNA, {"ticket": "CHG-1", "reason": "renewal"}, tool()),
        )

    def packed(self, server: str, *steps: str, mode: str = "apply", name: str = "") -> PortableJob:
        """Give a job as it travels."""
        self._jobs += 1
        job = self.job(server, *steps, mode=mode)
        return packed(job, job.step_ids, name or f"job-{self._jobs:04}-{server}", "topic", self.said.append)

    def perform(self, server: str, *steps: str, mode: str = "apply", job: PortableJob | None = None) -> PortableResult:
        """Have a job performed as a worker does it."""
        text = to_text(job or self.packed(server, *steps, mode=mode))
        return result_from_text(perform_at(self.place, text, lambda _topic, told: self.told.append(told)))
