"""Takes what a worker brought back into the archive, for this server and for those that an earlier worker left."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from tlsrunbook.errors import EvidenceError, LeaseHeld, TlsRunbookError, UsageError
from tlsrunbook.evidence.data import readable_json
from tlsrunbook.evidence.record import Record, record_from_data
from tlsrunbook.run.course import Course
from tlsrunbook.run.filing import Conflict, file_returned, of_servers
from tlsrunbook.run.job import ServerJob
from tlsrunbook.run.portable import Files, PortableResult, safe_name, sha256

#: What is larger is not kept, only its digest: a hostile worker must not fill the disk.
_KEPT = 16 * 1024 * 1024


@dataclass
class Taken:
    """What was taken.

    Args:
        records: Those of the job itself, in order.
        settled: SHA-256 of what is in the archive by now: server -> path below the site's folder -> digest.
        csrs: SHA-256 of the CSRs that came, by name.
        stopped: Whether something besides the records says that no further step may begin.
    """

    records: tuple[Record, ...] = ()
    settled: dict[str, dict[str, str]] = field(default_factory=dict)
    csrs: Mapping[str, str] = field(default_factory=dict)
    stopped: bool = False


def take_evidence(job: ServerJob, result: PortableResult, course: Course) -> Taken:
    """File what a worker brought back. The lease of the job's server is held by whoever calls this.

    Args:
        job: What was asked for.
        result: What came; its files are what their digests say.
        course: Gets what stands in no record.

    Raises:
        EvidenceError: A file is no evidence of a step, or what came for the job's change does not belong there; then
            nothing was filed.
    """
    taken = Taken(csrs={name: sha256(content) for name, content in result.outbox.items()})
    sorted_ = of_servers(result.files, f"{job.site} / {job.server}")
    own = sorted_.pop((job.change, job.server), {})
    records = tuple(_record(job, name, own) for name in result.records)
    _file(job, job.change, job.server, own, taken, course)
    taken.records = records
    for (change, server), files in sorted_.items():
        _file_left_over(job, change, server, files, taken, course)
    for line in result.wrong:
        course.went_wrong(line, at=job.place)
    taken.stopped = bool(result.wrong or result.undone or result.refused)
    return taken


def keep_aside(job: ServerJob, name: str, text: str) -> str:
    """Keep what was refused, beside the evidence of its change; gives its path below the site's folder."""
    content = text.encode("utf-8", "backslashreplace")
    if len(content) > _KEPT:
        content = readable_json({"job": name, "size": len(content), "sha256": sha256(content)})
    below = f"refused/{name}.json"
    try:
        job.store.file(job.change, below, content)
    except TlsRunbookError as error:
        return f"nothing: {error}"
    return f"{job.change}/{below}"


def _record(job: ServerJob, name: str, own: Files) -> Record:
    """Give a record of the job: one that came, or one that was here already."""
    prefix = f"{job.change}/{job.server}/"
    if not name.startswith(prefix) or not safe_name(name):
        raise EvidenceError(f"{name!r} is no record of the job", where=f"{job.site} / {job.server}")
    try:
        content = own[name] if name in own else (job.store.folder / name).read_bytes()
        return record_from_data(dict(json.loads(content)), where=name)
    except (OSError, ValueError, TypeError) as error:
        raise EvidenceError("the job's record is not among what came back", where=name) from error


def _file(job: ServerJob, change: str, server: str, files: Files, taken: Taken, course: Course) -> None:
    for conflict in file_returned(job.store, change, server, files):
        course.went_wrong(f"{job.site} / {server}: {_aside(job, change, conflict)}")
    done = {name: sha256(content) for name, content in files.items()}
    taken.settled.setdefault(server, {}).update(done)


def _aside(job: ServerJob, change: str, conflict: Conflict) -> str:
    """Keep an attempt that is on record with other content; gives the line that says so."""
    digest = sha256(repr(sorted((name, sha256(content)) for name, content in conflict.files.items())).encode())
    for name, content in conflict.files.items():
        below = name.rpartition("/")[2]
        job.store.file(change, f"refused/{digest[:16]}/{below}", content)
    where = f"{change}/refused/{digest[:16]}"
    return f"{conflict.folder} is on record with other content; what a worker brought of it is kept as {where}"


def _file_left_over(job: ServerJob, change: str, server: str, files: Files, taken: Taken, course: Course) -> None:
    """File what an earlier job left on the worker. What cannot be filed now stays there, and comes again."""
    lease = None
    try:
        if server != job.server:
            lease = job.store.lease(server, job.about.who, f"filing what a worker kept of change {change}")
        _file(job, change, server, files, taken, course)
    except LeaseHeld:
        return  # somebody works on it, and gets it with that server's next job
    except UsageError:
        what = f"a worker keeps evidence of {server} in a change that is not in this archive: {change}"
        course.went_wrong(f"{job.site}: {what}")
    except EvidenceError as error:
        course.went_wrong(f"{job.site}: what a worker kept of {server} in change {change} was refused: {error}")
    finally:
        if lease:
            lease.release()
