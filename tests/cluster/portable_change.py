"""A change on a lab whose jobs travel as they do to workers, to one in this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support.change import STEPS, Change
from tlsrunbook.adapters.origin import tool
from tlsrunbook.adapters.store import RunStore
from tlsrunbook.run.controller import Controller
from tlsrunbook.run.course import Course
from tlsrunbook.run.job import ServerJob, Told
from tlsrunbook.run.outcome import RunResult
from tlsrunbook.run.planning import prerequisites
from tlsrunbook.run.portable import PortableJob, PortableResult, result_from_text, to_text
from tlsrunbook.run.recording import Circumstances
from tlsrunbook.run.remote import RemoteExecutor
from tlsrunbook.run.rollout import SiteWork
from tlsrunbook.site import load_site
from tlsrunbook.steps.registry import step_of
from tlsrunbook.wiring_cluster import packed, place_csrs
from tlsrunbook.wiring_worker import Place, perform_at, settle_at

ANNA = {"user": "anna", "host": "ADMIN7", "process": "4711"}


@dataclass(frozen=True)
class Brought:
    """What a worker gave back."""

    text: str
    address: str = "here"


@dataclass
class HereCourier:
    """Brings jobs to a worker in this process.

    Args:
        place: The worker's.
        on_the_way_there: May alter a job, or raise.
        on_the_way_back: May alter a result, or raise.
    """

    place: Place
    on_the_way_there: Callable[[str], str] = lambda text: text
    on_the_way_back: Callable[[str], str] = lambda text: text
    sent: list[str] = field(default_factory=list)
    sent_jobs: list[str] = field(default_factory=list)
    settled: list[str] = field(default_factory=list)

    def deliver(
        self, site: str, job: str, text: str, hear: Callable[[Mapping[str, Any]], None], asked: Callable[[], int]
    ) -> Brought:
        self.sent.append(text)
        self.sent_jobs.append(job)
        answer = perform_at(self.place, self.on_the_way_there(text), lambda _topic, told: hear(told))
        return Brought(self.on_the_way_back(answer))

    def places(self, site: str) -> int:
        return 2

    def settle(self, address: str, text: str) -> None:
        told = json.loads(text)
        self.settled.append(text)
        for server, taken in told["servers"].items():
            settle_at(self.place.folder, told["site"], server, taken)

    def close(self) -> None:
        pass


class PortableChange:
    """One change on the servers of a lab's site.

    Args:
        change: On the lab.
        worker: The worker's own folder.
    """

    def __init__(self, change: Change, worker: Path) -> None:
        self.change, self.lab, self.site, self.runs = change, change.lab, change.site, change.runs
        self.store = RunStore(self.runs, self.site)
        self.servers = [server.name for server in load_site(change.site_file).servers]
        self.id = self.store.new_change(datetime.now(UTC), {"servers": self.servers, "mode": "apply"})
        self.courier = HereCourier(Place(self.site, worker))
        self.said: list[str] = []
        self._jobs = 0

    def job(self, server: str, *steps: str, mode: str = "apply") -> ServerJob:
        """Give a job as the controller has it."""
        site = load_site(self.change.site_file)
        chosen = tuple(step_of(step) for step in steps or STEPS)
        return ServerJob(
            site_file=self.change.site_file,
            site=self.site,
            server=server,
            steps=chosen,
            store=self.store,
            runs=self.runs,
            change=self.id,
            mode=mode,
            about=Circumstances(ANNA, {"ticket": "CHG-1", "reason": "renewal"}, tool()),
            after={step.id: prerequisites(site, server, step.id) for step in chosen},
        )

    def packed(self, server: str, *steps: str, mode: str = "apply") -> PortableJob:
        """Give a job as it travels."""
        self._jobs += 1
        job = self.job(server, *steps, mode=mode)
        return packed(job, job.step_ids, f"job-{self._jobs:04}-{server}", "topic", self.said.append)

    def perform(self, server: str, *steps: str, mode: str = "apply", job: PortableJob | None = None) -> PortableResult:
        """Have a job performed as a worker does it, and file nothing."""
        text = to_text(job or self.packed(server, *steps, mode=mode))
        return result_from_text(perform_at(self.courier.place, text, lambda _topic, _told: None))

    def run(
        self,
        *servers: str,
        steps: tuple[str, ...] = STEPS,
        mode: str = "apply",
        course: Course | None = None,
        tell: Callable[[Told], None] = lambda _: None,
    ) -> tuple[RunResult, Course]:
        """Run the change over the worker, as the controller does."""
        course = course or Course(self.said.append)

        def pack(job: ServerJob, steps: tuple[str, ...], name: str) -> PortableJob:
            return packed(job, steps, name, "topic", self.said.append)

        executor = RemoteExecutor(self.courier, pack, place_csrs, 2, tell, course)
        jobs = tuple(self.job(server, *steps, mode=mode) for server in servers or self.servers)
        return Controller([SiteWork(self.site, (jobs,))], executor, tell, course).run(), course

    def statuses(self, server: str) -> dict[str, str]:
        """Give the status of the last record of each step."""
        return {step: record.status.value for step, record in self.store.latest(self.id, server).items()}

    def succeeded(self, server: str) -> dict[str, int]:
        """Give how often each command that changes something has succeeded on a server."""
        counted = self.lab.station(self.site, server).winrm.counters.succeeded
        return {name: count for name, count in counted.items() if not name.startswith(("Get-", "Test-"))}

    def archive(self, pattern: str = "**/*") -> dict[str, bytes]:
        """Give the change's files, by path below its folder."""
        folder = self.store.folder / self.id
        files = [path for path in folder.glob(pattern) if path.is_file()]
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
