"""Going on with a change: which steps its records say are done, and what a killed runner left lying about."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from tlsrunbook.errors import EvidenceError
from tlsrunbook.evidence.record import Status
from tlsrunbook.ports import Attempt
from tlsrunbook.run.abandoned import transcript_lines
from tlsrunbook.run.executed import ended_early, filed
from tlsrunbook.run.executor import EXECUTING
from tlsrunbook.run.job import ServerJob
from tlsrunbook.run.notebooks import notebook_path
from tlsrunbook.steps.base import Step
from tlsrunbook.steps.registry import ALL_STEPS

_KILLED = "the runner ended before the notebook did"


def remaining(job: ServerJob) -> tuple[Step, ...]:
    """Give the steps of a job that its change's records do not show as done.

    Only what was applied is done. Steps that were asked for by name, and all steps of mode ``plan``, are run again:
    they look. A step that verifies counts only when it looked after everything else.

    Raises:
        EvidenceError: A record cannot be read.
    """
    if job.named or job.mode != "apply":
        return job.steps
    applied = [record for record in job.store.records(job.change, job.server) if record.mode == "apply"]
    last = {record.step: record for record in applied}
    changed = max((record.finished for record in applied if record.status is Status.CHANGED), default="")
    left: list[Step] = []
    for step in job.steps:
        record = last.get(step.id)
        stale = step.verifies and (left or (record and record.started < changed))
        if record is None or not record.status.done or stale:
            left.append(step)
    return tuple(left)


def still_to_do(job: ServerJob) -> tuple[str, ...]:
    """Give the ids of the steps that are not done; all of them where the records cannot be read."""
    try:
        return tuple(step.id for step in remaining(job))
    except EvidenceError:
        return job.step_ids


def nothing_left(job: ServerJob) -> bool:
    """Whether there is nothing to do on a server, and nothing that broke off to be looked at.

    Raises:
        EvidenceError: A record cannot be read.
    """
    if remaining(job) or job.store.unfinished(job.change, job.server):
        return False
    # A runner that was killed after the last record has not filed the notebook, and may have left half a file.
    return not any((job.store.folder / job.change / job.server).rglob(".*"))


def file_leftovers(job: ServerJob) -> tuple[str, ...]:
    """Put the notebooks that a killed runner was executing beside the records they belong to, in any change.

    Call it only while holding the server's lease. One whose step never began is taken away: nothing was done in it.

    Returns:
        The change and the step of each notebook that was filed.

    Raises:
        EvidenceError: The disk refuses.
    """
    found = []
    for output in sorted(job.store.folder.glob(f"*/{job.server}/{EXECUTING.format('*', '*')}")):
        change, step = output.parent.parent.name, _step_of(output)
        notebook = _read(output)
        attempt = _attempt_of(job, change, step, _started(notebook)) if step else None
        if step is None or attempt is None:
            output.unlink(missing_ok=True)
            continue
        note = _KILLED if ended_early(notebook) else ""
        filed(notebook_path(step.notebook), "", output, attempt.folder / step.notebook, note)
        found.append(f"{change} / {step.id}")
    return tuple(found)


def _step_of(output: Path) -> Step | None:
    return next((step for step in ALL_STEPS if EXECUTING.format(step.number, step.id) == output.name), None)


def _attempt_of(job: ServerJob, change: str, step: Step, started: datetime | None) -> Attempt | None:
    """Give the attempt that was made by a notebook begun at a time; None when it made none."""
    own = [one for one in job.store.attempts(change, job.server) if one.step == step.id]
    if not own or started is None or (own[-1].folder / step.notebook).exists():
        return None
    lines = transcript_lines(own[-1])
    # The folder is made before the first line is written; without a line, it is the newest one's or nobody's.
    began = datetime.fromisoformat(str(lines[0]["at"])) if lines else None
    return own[-1] if began is None or began >= started else None


def _read(path: Path) -> dict[str, Any]:
    """Read a notebook; one that is none has no cells."""
    try:
        notebook = json.loads(path.read_bytes())
        return notebook if isinstance(notebook.get("cells"), list) else {"cells": []}
    except (OSError, ValueError, AttributeError):
        return {"cells": []}


def _started(notebook: Mapping[str, Any]) -> datetime | None:
    try:
        return datetime.fromisoformat(str(notebook["metadata"]["papermill"]["start_time"]))
    except (ValueError, KeyError, TypeError):
        return None
