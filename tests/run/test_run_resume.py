"""Going on with a change from its records, on a lab: what is done is not run again, what broke off is looked at."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.change import Change, statuses
from tlsrunbook.errors import LeaseHeld
from tlsrunbook.evidence.data import readable_json, utc_text
from tlsrunbook.evidence.layout import RECORD
from tlsrunbook.evidence.record import Record, Status
from tlsrunbook.run.begin import begin
from tlsrunbook.run.executor import executing_path
from tlsrunbook.run.job import LEASE_VARIABLE, ServerEvent, ServerJob, Told
from tlsrunbook.run.notebooks import notebook_path
from tlsrunbook.run.planning import Asked
from tlsrunbook.run.resume import file_leftovers, nothing_left, remaining
from tlsrunbook.site import load_site
from tlsrunbook.steps.registry import STEPS, step_of
from tlsrunbook.wiring import site_jobs


def job_of(on: Change, **asked: Any) -> ServerJob:
    wanted = Asked(STEPS, ("EDGE1",), "apply", "", on.runs.absolute())
    (job,) = site_jobs(load_site(on.site_file), replace(wanted, **asked), {})
    return job


def left(job: ServerJob) -> list[str]:
    return [step.id for step in remaining(job)]


def forget(change: Change, record: Record) -> Path:
    """Take a record away: its step broke off just before it was written. Gives the attempt's folder."""
    for attempt in change.store.attempts(record.change, record.server):
        if (attempt.step, attempt.number) == (record.step, record.attempt):
            attempt.record_path.unlink()
            return attempt.folder
    raise AssertionError("no such attempt")


def test_what_is_done_is_not_run_again_and_what_stopped_is(change_on: Callable[..., Change]) -> None:
    change = change_on(servers=1, authority="folder")
    assert left(job_of(change)) == [step.id for step in STEPS]
    done = change.apply("EDGE1")
    assert statuses(done) == ["confirm: unchanged", "request: waiting"]
    job = job_of(change)
    assert job.change == done[0].change
    assert left(job) == ["request", "install", "activate", "connectors", "verify"]
    assert left(job_of(change, named=True)) == [step.id for step in STEPS]
    assert left(job_of(change, mode="plan")) == [step.id for step in STEPS]
    told: list[Told] = []
    begun = begin(job, told.append)
    assert begun.done_before == ("confirm",)
    assert [step.id for step in begun.job.steps] == left(job)
    assert begun.lease
    assert begun.job.environment == {LEASE_VARIABLE: begun.lease.token}
    assert [(one.state, one.steps) for one in told if isinstance(one, ServerEvent)] == [("done-before", ("confirm",))]
    begun.lease.release()


def test_what_was_only_planned_is_not_done(change_on: Callable[..., Change]) -> None:
    change = change_on(servers=1)
    change.plan("EDGE1")
    assert left(job_of(change)) == [step.id for step in STEPS]


def test_verify_counts_only_when_it_looked_after_the_last_change(change_on: Callable[..., Change]) -> None:
    change = change_on(servers=1)
    *others, verified = change.apply("EDGE1")
    job = job_of(change, change=verified.change)
    assert (left(job), nothing_left(job)) == ([], True)
    later = utc_text(datetime.now(UTC) + timedelta(minutes=5))
    attempt = change.store.attempt(verified.change, "EDGE1", "connectors", 5)
    again = replace(others[-1], attempt=attempt.number, started=later, finished=later, status=Status.CHANGED)
    attempt.write(RECORD, readable_json(again.data()))
    assert left(job) == ["verify"]
    failed = replace(again, attempt=attempt.number + 1, status=Status.FAILED)
    change.store.attempt(verified.change, "EDGE1", "connectors", 5).write(RECORD, readable_json(failed.data()))
    assert left(job) == ["connectors", "verify"]


@pytest.mark.parametrize("cut", ["after the answer", "before the answer"])
def test_a_step_that_broke_off_gets_its_record_under_the_lease_and_looks_first(
    change_on: Callable[..., Change], cut: str
) -> None:
    change = change_on(servers=1)
    _, requested = change.apply("EDGE1", "confirm", "request")
    folder = forget(change, requested)
    if cut == "before the answer":
        transcript = folder / "transcript.jsonl"
        lines = transcript.read_text(encoding="utf-8").splitlines(keepends=True)
        sent = next(at for at, line in enumerate(lines) if '"text": "New-ExchangeCertificate' in line)
        transcript.write_text("".join(lines[: sent + 1]), encoding="utf-8")
    job, told = job_of(change), list[Told]()
    assert not nothing_left(job)
    begun = begin(job, told.append)
    expected = Status.UNKNOWN if cut == "before the answer" else Status.FAILED
    assert [(r.step, r.attempt, r.status) for r in begun.records] == [("request", 1, expected)]
    assert change.store.records(requested.change)[1] == begun.records[0]
    assert [step.id for step in begun.job.steps] == ["request", "install", "activate", "connectors", "verify"]
    assert [one.state for one in told if isinstance(one, ServerEvent)] == ["reconciled", "done-before"]
    assert begun.lease
    begun.lease.release()
    again = change.apply("EDGE1", "request")[0]
    assert (again.attempt, again.status) == (2, Status.UNCHANGED)
    made = change.lab.station(change.site, "EDGE1").winrm.counters.cmdlets["New-ExchangeCertificate"]
    assert made == 1, "the server was looked at, and nothing was sent twice"


def test_a_server_that_somebody_works_on_is_not_begun(change_on: Callable[..., Change]) -> None:
    change = change_on(servers=1)
    job = job_of(change)
    lease = change.store.lease("EDGE1", {"user": "bob", "host": "elsewhere", "process": "1"}, "JupyterLab")
    with pytest.raises(LeaseHeld, match="bob works on this server"):
        begin(job, lambda _: None)
    lease.release()
    begun = begin(job, lambda _: None)
    assert change.store.lease_holder("EDGE1")["what"] == f"tlsrunbook, change {job.change}"
    assert begun.lease
    begun.lease.release()
    assert change.store.lease_holder("EDGE1") == {}


def test_a_lease_that_ran_out_is_taken_over_and_that_is_said_and_recorded(
    change_on: Callable[..., Change], monkeypatch: pytest.MonkeyPatch
) -> None:
    change = change_on(servers=1)
    job, told = job_of(change), list[Told]()
    gone = change.store.lease("EDGE1", {"user": "bob", "host": "elsewhere", "process": "1"}, "notebook")
    gone._over.set()  # type: ignore[attr-defined]
    path = next((change.store.folder / ".leases").iterdir())
    facts = json.loads(path.read_bytes())
    path.write_bytes(readable_json({**facts, "until": utc_text(datetime.now(UTC) - timedelta(seconds=1))}))
    begun = begin(job, told.append)
    (said,) = [one for one in told if isinstance(one, ServerEvent)]
    assert (said.state, said.facts["user"]) == ("taken-over", "bob")
    assert "bob on elsewhere (notebook)" in said.text
    monkeypatch.setenv(LEASE_VARIABLE, begun.job.environment[LEASE_VARIABLE])
    (record,) = change.apply("EDGE1", "confirm", change=job.change)
    assert record.lease["taken_over_from"]["user"] == "bob"
    assert begun.lease
    begun.lease.release()


def executed(job: ServerJob, step_id: str, started: datetime, *, whole: bool = True) -> Path:
    """Leave the notebook that a killed runner was executing."""
    step = step_of(step_id)
    notebook = json.loads(notebook_path(step.notebook).read_bytes())
    at = started.isoformat()
    for cell in notebook["cells"]:
        cell["metadata"]["papermill"] = {"start_time": at, "exception": False, "status": "completed"}
    if not whole:
        notebook["cells"][-1]["metadata"]["papermill"]["start_time"] = None
    notebook["metadata"]["papermill"] = {"start_time": at, "input_path": "/somewhere/a.ipynb"}
    path = executing_path(job, step)
    path.write_bytes(readable_json(notebook))
    return path


@pytest.mark.parametrize("whole", [True, False])
def test_a_notebook_that_a_killed_runner_left_is_filed_beside_its_record(
    change_on: Callable[..., Change], whole: bool
) -> None:
    change = change_on(servers=1)
    before = datetime.now(UTC) - timedelta(seconds=1)
    (record,) = change.apply("EDGE1", "confirm")
    job = job_of(change)
    output = executed(job, "confirm", before, whole=whole)
    assert file_leftovers(job) == (f"{record.change} / confirm",)
    assert not output.exists()
    place = next(change.runs.rglob("1-confirm-fqdn.ipynb"))
    assert place.parent.name == "attempt-1"
    facts = json.loads(place.read_bytes())["metadata"]["papermill"]
    assert facts["ended_by"] == ("" if whole else "the runner ended before the notebook did")
    assert "input_path" not in facts
    assert file_leftovers(job) == ()


def test_it_is_filed_even_when_its_change_was_finished(change_on: Callable[..., Change]) -> None:
    change = change_on(servers=1)
    before = datetime.now(UTC) - timedelta(seconds=1)
    *_, verified = change.apply("EDGE1")
    executed(job_of(change, change=verified.change), "verify", before)
    assert not nothing_left(job_of(change, change=verified.change))
    job = job_of(change)
    assert job.change != verified.change, "the next run is another change"
    begun = begin(job, lambda _: None)
    assert begun.lease
    begun.lease.release()
    assert next(change.runs.rglob("6-verify-tls.ipynb")).parts[-5] == verified.change


def test_a_notebook_whose_step_never_began_is_taken_away(change_on: Callable[..., Change]) -> None:
    change = change_on(servers=1)
    (record,) = change.apply("EDGE1", "confirm")
    job = job_of(change)
    output = executed(job, "confirm", datetime.now(UTC) + timedelta(seconds=5))
    assert file_leftovers(job) == ()
    assert not output.exists()
    assert not list(change.runs.rglob("*.ipynb"))
    broken = executing_path(job, step_of("confirm"))
    broken.write_text("{half", encoding="utf-8")
    assert file_leftovers(job) == ()
    assert not broken.exists()
    assert change.store.records(record.change) == (record,)
