"""What a worker at a site does with a job: the fixed functions that a controller calls there, text in and text out.

The job is performed as it would be on the controller's computer, in a copy of the server's evidence; what is new in the
copy is given back, with what an earlier job left there when its worker died.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tlsrunbook.about import __version__
from tlsrunbook.adapters.cluster_node import CREDENTIALS_VARIABLE, SITE_VARIABLE, WORK_VARIABLE
from tlsrunbook.adapters.job_kit import relocated
from tlsrunbook.adapters.origin import ASKED_BY_VARIABLE, tool, who
from tlsrunbook.adapters.worker_folder import OUTBOX, ServerFolder, servers_of
from tlsrunbook.errors import LeaseHeld, TlsRunbookError, UsageError
from tlsrunbook.evidence.layout import RECORD
from tlsrunbook.evidence.record import Record
from tlsrunbook.run.abandoned import reconcile
from tlsrunbook.run.begin import Begun, begin
from tlsrunbook.run.course import Course
from tlsrunbook.run.executor import LocalExecutor
from tlsrunbook.run.job import Event, ServerEvent, ServerJob, Told
from tlsrunbook.run.lent import LentKernels
from tlsrunbook.run.portable import BEGUN_ALREADY, PortableJob, PortableResult, job_from_text, to_text
from tlsrunbook.run.recording import Circumstances
from tlsrunbook.run.resume import file_leftovers
from tlsrunbook.run.turns import Turns
from tlsrunbook.steps.registry import step_of
from tlsrunbook.wiring_ports import OUTBOX_VARIABLE

Log = Callable[[str, Mapping[str, Any]], None]

#: The jobs under way in this process, to be told when the run shall end.
_courses: dict[str, Course] = {}


@dataclass(frozen=True)
class Place:
    """Where this worker works.

    Args:
        site: The one it works for.
        folder: Its own.
        credentials: The credentials file on this computer; None: the one that the site file names.
    """

    site: str
    folder: Path
    credentials: Path | None = None


@dataclass
class _Made:
    """What became of a job here."""

    begun: bool = False
    records: list[Record] = field(default_factory=list)
    undone: tuple[str, ...] = ()
    wrong: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def perform(text: str) -> str:
    """Perform a job on the worker in whose process this is called.

    Args:
        text: A :class:`~tlsrunbook.run.portable.PortableJob` as JSON.

    Returns:
        A :class:`~tlsrunbook.run.portable.PortableResult` as JSON, whatever happens.
    """
    from distributed import get_worker  # noqa: PLC0415 - only a worker has it

    worker: Any = get_worker()
    credentials = os.environ.get(CREDENTIALS_VARIABLE, "")
    place = Place(
        os.environ.get(SITE_VARIABLE, ""),
        Path(os.environ.get(WORK_VARIABLE, "")),
        Path(credentials) if credentials else None,
    )
    return perform_at(place, text, lambda topic, told: worker.log_event(topic, {**told, "at": worker.address}))


def stop(job: str, asked: int) -> None:
    """Tell a job under way in this process how often the end of its run was asked for."""
    course = _courses.get(job)
    while course and course.asked < asked:
        course.stop()


def settle(text: str) -> None:
    """Take away the copies of what the controller has in its archive by now.

    Args:
        text: JSON: ``site``, and ``servers``: name -> path -> SHA-256.
    """
    told = json.loads(text)
    folder = Path(os.environ.get(WORK_VARIABLE, ""))
    for server, taken in told["servers"].items():
        settle_at(folder, str(told["site"]), str(server), taken)


def settle_at(folder: Path, site: str, server: str, taken: Mapping[str, str]) -> None:
    """Take away the copies of what is in the archive; nothing while somebody is at work there."""
    if server not in servers_of(folder, site):
        return
    place = ServerFolder(folder, site, server)
    try:
        lease = place.hold(who(), "settling")
    except LeaseHeld:
        return  # told again with the next job
    try:
        place.forget(taken)
    finally:
        lease.release()


def perform_at(place: Place, text: str, log: Log) -> str:
    """Perform a job at a place.

    Args:
        place: Where.
        text: The job.
        log: Takes a topic, and what happens.

    Returns:
        The result, whatever happens.
    """
    name, made = "", _Made()
    evidence: dict[str, bytes] = {}
    csrs: dict[str, bytes] = {}
    try:
        job = job_from_text(text)
        name = job.job
        _refuse_foreign(job, place)
        folder = ServerFolder(place.folder, job.site, job.server)
        lease = folder.hold(who(), f"job {name}")
        try:
            folder.lay_out(job.prior, job.context, job.outbox)
            _perform_once(job, folder, place, log, made)
            for path, content in folder.waiting().items():
                one = csrs if path.startswith(f"{OUTBOX}/") else evidence
                one[path.removeprefix(f"{OUTBOX}/")] = content
            evidence |= dict(_left_over(job, place))
        finally:
            lease.release()
    except Exception as error:  # noqa: BLE001 - no exception travels
        _note(made, error)
    return to_text(
        PortableResult(
            job=name,
            worker=who(),
            refused=made.refused,
            records=tuple(_place_of(record) for record in made.records),
            undone=made.undone,
            wrong=tuple(made.wrong),
            files=evidence,
            outbox=csrs,
        )
    )


def _note(made: _Made, error: Exception) -> None:
    """Say what went wrong: a refusal as long as nothing was begun."""
    known = isinstance(error, TlsRunbookError)
    what = str(error) if known else f"the worker failed: {type(error).__name__}"
    if made.begun or made.refused:
        made.wrong.append(what)
    else:
        made.refused = {"code": error.code if isinstance(error, TlsRunbookError) else "failed", "what": what}


def _refuse_foreign(job: PortableJob, place: Place) -> None:
    if job.site != place.site:
        raise UsageError(f"this is a worker of {place.site or 'no site'}, not of {job.site}")
    if job.package != __version__:
        what = f"the controller has tlsrunbook {job.package}, this worker has {__version__}"
        raise UsageError(what, todo="install the same version on both")


def _perform_once(job: PortableJob, folder: ServerFolder, place: Place, log: Log, made: _Made) -> None:
    """Perform a job that was never begun before; of one that was, only what it left is given back."""
    if not folder.begin(job.job):
        what = "this job was begun before, and is not done again; what it left is brought back"
        made.refused = {"code": BEGUN_ALREADY, "what": what}
        return
    course = _courses[job.job] = Course()
    try:
        _run(_here(job, folder, place), course, _Teller(job, log), made)
    finally:
        _courses.pop(job.job, None)
        made.undone = tuple(one.step for one in course.undone)
        made.wrong += course.wrong


def _here(job: PortableJob, folder: ServerFolder, place: Place) -> ServerJob:
    """Give the job as a job of this computer."""
    folder.lay_out_site({"beside": job.beside, "inbox": job.inbox})
    places = {key: folder.site_folder / "beside" / name for key, name in job.places.items()}
    if job.outbox_at:
        places |= {f"authority.{name}": folder.site_folder / name for name in (OUTBOX, "inbox")}
    site_file = folder.site_folder / f"{job.site}.toml"
    site_file.write_text(relocated(job.site_file, places, place.credentials, place.folder), encoding="utf-8")
    asked_by = f"{job.who.get('user', '?')} on {job.who.get('host', '?')}"
    environment = {ASKED_BY_VARIABLE: asked_by, **({OUTBOX_VARIABLE: job.outbox_at} if job.outbox_at else {})}
    return ServerJob(
        site_file=site_file.absolute(),
        site=job.site,
        server=job.server,
        steps=tuple(step_of(step) for step in job.steps),
        store=folder.store,
        runs=folder.runs.absolute(),
        change=job.change,
        mode=job.mode,
        about=Circumstances({**who(), "asked_by": asked_by}, job.why, tool(), job.rehearsal),
        named=job.named,
        environment=environment,
    )


def _run(job: ServerJob, course: Course, tell: Callable[[Told], None], made: _Made) -> None:
    begun = begin(job, tell)
    made.begun = True
    made.records += _done_before(job, begun)
    if not begun.job.steps:
        return
    executor = LocalExecutor(LentKernels(), 1, tell, course)
    try:
        records, _ = executor.submit(begun.job, 0, Turns([begun.job])).result()
        made.records += records
    finally:
        executor.close()
        if begun.lease:
            begun.lease.release()


def _done_before(job: ServerJob, begun: Begun) -> list[Record]:
    latest = job.store.latest(job.change, job.server)
    return [latest[step] for step in begun.done_before if step in latest]


def _left_over(job: PortableJob, place: Place) -> Iterator[tuple[str, bytes]]:
    """Give what jobs on other servers of the site left here, where nobody is at work any more."""
    for server in servers_of(place.folder, job.site):
        if server == job.server:
            continue
        folder = ServerFolder(place.folder, job.site, server)
        try:
            lease = folder.hold(who(), f"collecting for job {job.job}")
        except LeaseHeld:
            continue
        try:
            for path, content in _closed(folder, job).items():
                if not path.startswith(f"{OUTBOX}/"):  # comes with that server's own next job
                    yield path, content
        finally:
            lease.release()


def _closed(folder: ServerFolder, job: PortableJob) -> dict[str, bytes]:
    """Give what waits in a folder, each broken-off step with its record and its notebook."""
    for change in {path.split("/", 1)[0] for path in folder.waiting()} - {OUTBOX}:
        about = Circumstances(who(), folder_why(folder, change), tool(), job.rehearsal)
        reconcile(folder.store, change, folder.server, about)
        site = folder.store.folder.name
        left = ServerJob(Path(), site, folder.server, (), folder.store, folder.runs, change, job.mode, about)
        file_leftovers(left)
    return folder.waiting()


def folder_why(folder: ServerFolder, change: str) -> dict[str, str]:
    """Give ticket and reason of a change, as far as this folder knows them."""
    try:
        asked = folder.store.asked(change)
    except TlsRunbookError:
        return {}
    return {key: str(asked.get(key, "")) for key in ("ticket", "reason")}


def _place_of(record: Record) -> str:
    step = step_of(record.step)
    return f"{record.change}/{record.server}/{step.number}-{step.id}/attempt-{record.attempt}/{RECORD}"


class _Teller:
    """Tells the controller of each step's begin and end."""

    def __init__(self, job: PortableJob, log: Log) -> None:
        self._job = job
        self._log = log
        self._log(job.topic, {"job": job.job})  # says where this worker is reached

    def __call__(self, told: Told) -> None:
        facts: dict[str, Any] = {"job": self._job.job}
        if isinstance(told, Event):
            facts["step"] = told.step
            if told.record:
                facts["record"] = json.dumps(told.record.data())
        elif isinstance(told, ServerEvent):
            facts |= {"state": told.state, "text": told.text, "steps": list(told.steps)}
        self._log(self._job.topic, facts)
