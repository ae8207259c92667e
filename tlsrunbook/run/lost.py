"""The record of a step that was under way on a worker that was lost."""

from __future__ import annotations

from datetime import UTC, datetime

from tlsrunbook.errors import EvidenceError, TlsRunbookError
from tlsrunbook.evidence.data import readable_json, utc_text
from tlsrunbook.evidence.layout import RECORD
from tlsrunbook.evidence.record import Record, Status
from tlsrunbook.run.job import ServerJob
from tlsrunbook.steps.registry import step_of

_TODO = "run the same change again: it looks at the server first, and what the worker wrote is brought back"


def lost_record(job: ServerJob, step_id: str, error: TlsRunbookError) -> Record:
    """Write the record ``unknown`` of the step that was under way, for all that is known here.

    The worker may have begun an attempt, and its evidence comes with a later job. So this record leaves one number
    free for it.

    Args:
        step_id: The step that was under way; the first one asked for where nothing was heard.
        error: What became of the worker.

    Raises:
        EvidenceError: The disk refuses.
    """
    step = step_of(step_id)
    taken = [one.number for one in job.store.attempts(job.change, job.server) if one.step == step_id]
    number = max(taken, default=0) + 2
    now = utc_text(datetime.now(UTC))
    harmless = job.mode == "plan"
    record = Record(
        site=job.site,
        server=job.server,
        step=step_id,
        change=job.change,
        attempt=number,
        mode=job.mode,
        status=Status.FAILED if harmless else Status.UNKNOWN,
        summary=error.what + ("" if harmless else "; a change may have been sent"),
        todo=_TODO,
        started=now,
        finished=now,
        who=job.about.who,
        why=job.about.why,
        tool=job.about.tool,
        error={"code": error.code, "what": error.what, "where": error.where, "todo": error.todo},
        files=(RECORD,),
        rehearsal=job.about.rehearsal,
    )
    name = f"{job.server}/{step.number}-{step.id}/attempt-{number}/{RECORD}"
    if not job.store.file(job.change, name, readable_json(record.data())):
        raise EvidenceError("there is a record of this number already", where=str(job.store.folder / job.change / name))
    return record
