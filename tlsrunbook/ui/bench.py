"""What the buttons do, without buttons: reads where the work stands, plans, applies, goes back, finishes.

Everything is done by :class:`~tlsrunbook.run.context.Run`, as in every notebook, so it leaves the same evidence. Before
anything is begun the server's lease is taken and the records are read anew: what was done meanwhile is not done twice.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from tlsrunbook.adapters.evidence_of import store_of
from tlsrunbook.adapters.origin import SystemClock, tool, who
from tlsrunbook.errors import UsageError
from tlsrunbook.evidence.data import utc_text
from tlsrunbook.evidence.display import Shown
from tlsrunbook.evidence.layout import APPROVAL
from tlsrunbook.evidence.record import Record
from tlsrunbook.evidence.standing import State
from tlsrunbook.ports import EvidenceStore
from tlsrunbook.run.abandoned import reconcile
from tlsrunbook.run.change_plans import leave_plan, newest_plan, policy_facts
from tlsrunbook.run.planning import ROLLBACK, refuse_strangers
from tlsrunbook.site import Server, Site, load_site
from tlsrunbook.steps.registry import step_of
from tlsrunbook.ui.approve_process import approve
from tlsrunbook.ui.closing import close_session, left_of, sessions_of
from tlsrunbook.ui.model import Position, face, may, shown_plan
from tlsrunbook.ui.position import position
from tlsrunbook.ui.post import troubles_of
from tlsrunbook.ui.progress import Tell
from tlsrunbook.ui.session import Session
from tlsrunbook.ui.work import Borrowed, Work
from tlsrunbook.wiring import asked, circumstances

#: What the lease says that is done.
PURPOSE = "JupyterLab"


def _silent(_what: str) -> None:
    return None


@dataclass
class Bench:
    """The work on one server at a time.

    Args:
        site_file: The site file; read anew whenever something is begun.
        runs: Folder for the evidence.
        server: The server chosen; empty while none is.
        change: Change id; empty: the server's open change, else its newest one, else none yet.
        why: Ticket and reason of the change that is begun next.
    """

    site_file: Path
    runs: Path
    server: str = ""
    change: str = ""
    why: dict[str, str] = field(default_factory=dict)
    fresh: bool = False
    _own: threading.Event = field(default_factory=threading.Event)

    @property
    def site(self) -> Site:
        """The site file as it is now.

        Raises:
            UsageError: It cannot be used.
        """
        return load_site(self.site_file)

    def store(self, site: Site) -> EvidenceStore:
        """Give the site's evidence."""
        return store_of(site, self.runs)

    def choose(self, server: str) -> None:
        """Choose a server; what was chosen before is left as it stands."""
        name = self.site.server(server).name
        if name != self.server:
            self.server, self.change, self.fresh = name, "", False

    def begin_anew(self) -> None:
        """Let the next step begin a new change, where the one on the cards is over.

        Raises:
            UsageError: It is not over.
        """
        site = self.site
        one = site.server(self.server)
        open_change = self.store(site).open_change(one.name)
        if open_change:
            raise UsageError(f"the change {open_change} is not finished on {one.name}", todo="finish it, or go back")
        self.change, self.fresh = "", True

    def look(self) -> Position:
        """Read where the work on the server stands. Asks no server.

        Raises:
            UsageError: The site file, the server or the change cannot be used.
            EvidenceError: A record cannot be read.
        """
        site = self.site
        one, store = site.server(self.server), self.store(site)
        change = self._change(store, one)
        if self._own.is_set():
            return position(site, one, store, change, at_work=True)
        holder = store.lease_holder(one.name)
        return position(site, one, store, change, holder, at_work=bool(holder))

    def _change(self, store: EvidenceStore, one: Server) -> str:
        """Give the change the cards are about; empty when the next step begins one."""
        if self.change:
            refuse_strangers(store, self.change, [one.name])
            return self.change
        if self.fresh:
            return store.open_change(one.name)  # somebody else has begun one meanwhile
        about = [change for change in store.changes() if one.name in store.asked(change).get("servers", ())]
        return store.open_change(one.name) or (about[-1] if about else "")

    def plan(self, step: str, tell: Tell = _silent) -> Shown:
        """Look at the server, and show what a step would change.

        Raises:
            TlsRunbookError: It was not begun: somebody else works on the server, or the records do not allow it.
        """
        with self._working(step, "plan", None) as work:
            (shown,) = work.steps("plan", [step], tell)
            self._leave_plan(work, [shown.record])
            return shown

    def plan_all(self, tell: Tell = _silent) -> tuple[Shown, ...]:
        """Plan every step that is not done, in order, until one stops; leave one plan of all of them.

        Raises:
            TlsRunbookError: It was not begun; see :meth:`plan`.
        """
        with self._working("", "plan", None) as work:
            rows = work.position().standings
            todo = [row.step for row in rows if row.state is not State.DONE and not step_of(row.step).looks_only]
            found = work.steps("plan", todo, tell)
            self._leave_plan(work, [shown.record for shown in found])
            return tuple(found)

    def apply(self, step: str, read: str | None, tell: Tell = _silent) -> Shown:
        """Apply a step as it was read, with an approval first where the site file demands one.

        Args:
            read: Digest of the plan on the card; None where there was none (the step looks only, or waits).

        Raises:
            TlsRunbookError: It was not begun; see :meth:`plan`.
        """
        with self._working(step, "apply", read) as work:
            self._approve(work, step, tell)
            (shown,) = work.steps("apply", [step], tell, read or "")
            return shown

    def undo(self, step: str, read: str | None, tell: Tell = _silent) -> Shown:
        """Show what going back would put back, or go back.

        Args:
            step: The step whose card it was asked on; going back is always about the whole change on this server.
            read: None: show it. Else the digest of the way back that was read.

        Raises:
            TlsRunbookError: It was not begun; see :meth:`plan`.
        """
        with self._working(step, "undo", None) as work:
            (shown,) = work.steps("plan" if read is None else "apply", [ROLLBACK], tell, read)
            return shown

    def finish(self) -> Session | None:
        """Close the session: everything that was done here and belongs to none yet; None when nothing was.

        Raises:
            EvidenceError: The disk refuses, or a record cannot be read.
        """
        site = self.site
        one, store = site.server(self.server), self.store(site)
        change = self._change(store, one)
        now = utc_text(SystemClock().now())
        if not change:
            return None
        return close_session(store, change, one.name, since="", now=now, who=who(), tool=tool())

    def newest_session(self) -> tuple[Session | None, int]:
        """Give the session that was closed last on this server in this change, and what was done that is in none.

        Raises:
            EvidenceError: A record cannot be read.
        """
        if not self.server:
            return None, 0
        site = self.site
        one, store = site.server(self.server), self.store(site)
        change = self._change(store, one)
        if not change:
            return None, 0
        own = [session for session in sessions_of(store, change) if session.server == one.name]
        return own[-1] if own else None, len(left_of(store, change, one.name))

    def records(self, change: str) -> tuple[Record, ...]:
        """Give the records of a change on this server, in the order in which they were begun."""
        return tuple(sorted(self.store(self.site).records(change, self.server), key=lambda record: record.started))

    def folder_of(self, record: Record) -> str:
        """Give where the evidence of a record is, for people."""
        step = f"{step_of(record.step).number}-{record.step}"
        return f"{record.site}/{record.change}/{record.server}/{step}/attempt-{record.attempt}"

    def now(self) -> datetime:
        """Give the time, UTC."""
        return SystemClock().now()

    def stamp(self) -> object:
        """Give a value that is another one when the work on the server has gone on, whoever did it."""
        site = self.site
        store = self.store(site)
        if not self.server:
            return None
        change = self._change(store, site.server(self.server))
        done = (
            [(str(one.folder), one.record_path.exists()) for one in store.attempts(change, self.server)]
            if change
            else []
        )
        return (
            change,
            done,
            {} if self._own.is_set() else dict(store.lease_holder(self.server)),
            self._filed(store, change),
            troubles_of(store.folder),
        )

    def troubles(self) -> tuple[str, ...]:
        """Give what JupyterLab could not archive or seal of this site, one line each."""
        return troubles_of(self.store(self.site).folder)

    def _filed(self, store: EvidenceStore, change: str) -> int:
        return len(store.filed(change, APPROVAL)) if change else 0

    @contextmanager
    def _working(self, step: str, action: str, read: str | None) -> Iterator[Work]:
        """Hold the server's lease, with the records read under it: what they do not allow is not begun."""
        site = self.site
        one, store = site.server(self.server), self.store(site)
        lease = store.lease(one.name, who(), PURPOSE)
        self._own.set()
        try:
            change = self._change(store, one) or store.new_change(
                SystemClock().now(), asked(site, one.name, mode="apply", why=self.why)
            )
            work = Work(site, one, store, change, Borrowed(lease))
            reconcile(store, change, one.name, circumstances(site, store, change))
            now = work.position()
            why = may(face(step_of(step), now), action, read) if step else now.closed
            if why:
                raise UsageError(why, where=f"{site.name} / {one.name} / {step or 'all steps'}")
            self.change, self.fresh = change, False
            yield work
        finally:
            lease.release()
            self._own.clear()

    def _leave_plan(self, work: Work, records: Sequence[Record]) -> None:
        """Leave what was planned for an approver, where the site file demands approvals."""
        if work.site.policy.approval == "required" and any(record.plan.get("items") for record in records):
            beside = {"made": utc_text(SystemClock().now()), "who": who(), "tool": tool()}
            leave_plan(work.store, work.change, records, {**beside, "policy": policy_facts(work.site)})

    def _approve(self, work: Work, step: str, tell: Tell) -> None:
        """Sign exactly the plan on the card, where that is needed and the user's key counts."""
        now = work.position()
        plan, approval = shown_plan(now.of(step)), now.approvals.get(step)
        if plan is None or not approval or not approval.required or approval.counts or approval.refused:
            return
        tell("Signing your approval")
        this = [(work.server.name, step, plan.plan_digest)]
        newest = newest_plan(work.store, work.change)
        if newest is None or [(one.server, one.step, one.digest) for one in newest.steps] != this:
            self._leave_plan(work, [replace(plan, mode="plan")])
            newest = newest_plan(work.store, work.change)
        if newest:
            approve(work.site, self.runs, work.change, newest.digest)
