"""What a notebook holds: one site, one server, one change, one method per step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tlsrunbook.errors import LeaseLost, StepStopped
from tlsrunbook.evidence.display import SIGNS, Shown
from tlsrunbook.evidence.record import Record, Status
from tlsrunbook.ports import EvidenceStore, Lease, Shell
from tlsrunbook.run.notices import leave_notice
from tlsrunbook.run.planning import ROLLBACK, refuse_rolled_back
from tlsrunbook.run.recording import Circumstances, record_step
from tlsrunbook.run.short_traceback import short_tracebacks
from tlsrunbook.steps.model import StepContext
from tlsrunbook.steps.registry import step_of

#: Statuses after which the next cell may run.
_GOES_ON = frozenset({Status.PLANNED, Status.UNCHANGED, Status.CHANGED, Status.SKIPPED})


class Run:
    """The work on one server. Make one with :func:`tlsrunbook.open_run`.

    Each step method looks, decides, and in mode ``apply`` changes; it shows what it did and gives it back. A step that
    is blocked, waiting, failed or unknown shows that and raises, so that nothing after it runs.

    Args:
        make_context: Gives a fresh context (time, roots, ports) for one step.
        shell: The server's PowerShell, opened by the first step that needs it.
        store: Where the evidence goes.
        change: The change id.
        about: Who, why, with what.
        show: Puts a record before the user when a step stops; in a notebook ``IPython.display.display``.
        lease: Takes the lease of the server; the first step calls it. It is given back by :meth:`close`, and when a
            step stops.
        keep_session: Whether :meth:`close` leaves the session for the next notebook, whose engine ends it.
    """

    def __init__(
        self,
        make_context: Callable[[], StepContext],
        shell: Shell,
        store: EvidenceStore,
        change: str,
        about: Circumstances,
        show: Callable[[Any], None],
        lease: Callable[[], Lease],
        *,
        keep_session: bool = False,
    ) -> None:
        self._make_context = make_context
        self._shell = shell
        self._about = about
        self._show = show
        self._take_lease = lease
        self._keep = keep_session
        self._lease: Lease | None = None
        #: Gives what is shown when the work has ended, closed or stopped; None: nothing.
        self.when_over: Callable[[], object] = lambda: None
        self.store = store
        self.change = change
        self.records: list[Record] = []

    def confirm(self) -> Shown:
        """Confirm that the name on the certificate is the one the connectors answer with. Changes nothing."""
        return self.step("confirm")

    def request(self) -> Shown:
        """Make the certificate request on the server and hand its CSR to the authority."""
        return self.step("request")

    def install(self) -> Shown:
        """Check the CA's answer, then import intermediates and certificate."""
        return self.step("install")

    def activate(self) -> Shown:
        """Enable SMTP, keep the default SMTP certificate, and set the receive connectors."""
        return self.step("activate")

    def connectors(self) -> Shown:
        """Create or alter the three send connectors."""
        return self.step("connectors")

    def verify(self) -> Shown:
        """Prove the result by a STARTTLS handshake from outside. Changes nothing."""
        return self.step("verify")

    def retire(self) -> Shown:
        """Remove old certificates that nothing uses any more and whose successor was verified. Cannot be undone."""
        return self.step("retire")

    def rollback(self) -> Shown:
        """Put back what this change altered on the server, last step first."""
        return self.step("rollback")

    @short_tracebacks()
    def step(self, step_id: str, seen_plan: str | None = None) -> Shown:
        """Run one step by its id.

        Args:
            step_id: Such as ``install``.
            seen_plan: Digest of the plan that the user has read; where the plan is another one by now, the step is
                blocked and shows it. None: whatever the plan is.

        Raises:
            StepStopped: It ended blocked, waiting, failed or unknown. The record is written and shown.
            LeaseHeld: Somebody else works on this server; nothing was begun.
            UsageError: There is no such step, or the change was rolled back.
        """
        step = step_of(step_id)
        context = replace(self._make_context(), seen_plan=seen_plan)
        if step.id != ROLLBACK:
            refuse_rolled_back(self.store, self.change, context.wanted.server.name)
        lease = self._held()
        leave_notice(self.store.folder, context.wanted.site.path, self.change, context.wanted.server.name)
        try:
            record, attempt = record_step(step, context, self.store, self.change, self._about, lease)
        except BaseException:
            self._end()
            raise
        finally:
            context.peers.close()
        self.records.append(record)
        shown = Shown(record, step.title, _short(attempt.folder))
        if record.status in _GOES_ON:
            return shown
        over = self._end()
        self._show(shown)
        if over is not None:
            self._show(over)
        raise StepStopped(
            record.summary,
            status=record.status.value,
            where=f"{record.site} / {record.server} / {record.step}",
            todo=record.todo,
            title=f"{SIGNS[record.status]} {step.title} on {record.server} ({record.site})",
        )

    def close(self) -> object:
        """End the session with the server, and let others work on it. Harmless when it has ended already.

        In a kernel whose engine has more notebooks for this server, the session stays for the next one.

        Returns:
            In JupyterLab, what was done, for people and for the Jupyter server; else None.
        """
        return self._end(keep=self._keep)

    def _end(self, *, keep: bool = False) -> object:
        if not keep:
            self._shell.close()
        lease, self._lease = self._lease, None
        if lease:
            lease.release()
        return self.when_over()

    def _held(self) -> Lease:
        """Give the lease of the server; a step that begins later takes a new one where the last one was lost."""
        if self._lease:
            try:
                self._lease.check()
            except LeaseLost:
                self._lease = None
        self._lease = self._lease or self._take_lease()
        return self._lease

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        del include, exclude
        site, server = self.store.folder.name, self._make_context().wanted.server.name
        return {"text/plain": f"change {self.change}: server {server} of site {site}"}


def _short(folder: Path) -> str:
    """Give the attempt's folder without what is above the runs folder."""
    return Path(*folder.parts[-6:]).as_posix()
