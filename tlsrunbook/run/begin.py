"""What happens before a server's kernel starts: its lease, what an earlier run left half done, which steps are left."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tlsrunbook.evidence.record import Record
from tlsrunbook.ports import Lease
from tlsrunbook.run.abandoned import reconcile
from tlsrunbook.run.job import LEASE_VARIABLE, ServerEvent, ServerJob, Tell
from tlsrunbook.run.resume import file_leftovers, nothing_left, remaining


@dataclass(frozen=True)
class Begun:
    """A server that may be worked on.

    Args:
        job: With the steps still to do; none when all are done.
        records: Of steps that broke off in an earlier run, written now.
        lease: Held until its last step has ended; None when there is nothing to do.
        done_before: Ids of the steps that are done already.
    """

    job: ServerJob
    records: tuple[Record, ...] = ()
    lease: Lease | None = None
    done_before: tuple[str, ...] = ()


def begin(job: ServerJob, tell: Tell) -> Begun:
    """Take a server's lease and see what is left to do on it.

    Raises:
        LeaseHeld: Somebody else works on it.
        EvidenceError: A record cannot be read or written.
    """
    if nothing_left(job):
        return _told(Begun(replace(job, steps=()), done_before=job.step_ids), tell)
    lease = job.store.lease(job.server, job.about.who, job.what)
    try:
        records = _caught_up(job, lease, tell)
        steps = remaining(job)  # once more: another runner may have been at work until now
        done = tuple(step for step in job.step_ids if step not in {one.id for one in steps})
        environment = {**job.environment, LEASE_VARIABLE: lease.token}
        begun = Begun(replace(job, steps=steps, environment=environment), records, lease, done)
    except BaseException:
        lease.release()
        raise
    if not steps:
        lease.release()
        begun = replace(begun, lease=None)
    return _told(begun, tell)


def _caught_up(job: ServerJob, lease: Lease, tell: Tell) -> tuple[Record, ...]:
    """Write down what an earlier runner could not."""
    if lease.taken_over:
        who = lease.taken_over
        text = f"taken over from {who.get('user')} on {who.get('host')} ({who.get('what')}), who never gave it back"
        tell(ServerEvent(job.site, job.server, "taken-over", text, facts=dict(who)))
    records = reconcile(job.store, job.change, job.server, job.about)
    job.store.sweep(job.change, job.server)
    file_leftovers(job)
    for record in records:
        text = f"{record.step} had broken off: {record.summary}"
        tell(ServerEvent(job.site, job.server, "reconciled", text, (record.step,)))
    return records


def _told(begun: Begun, tell: Tell) -> Begun:
    job, done = begun.job, begun.done_before
    if done:
        text = f"done already in change {job.change}, not run again: {', '.join(done)}"
        tell(ServerEvent(job.site, job.server, "done-before", text, done))
    return begun
