"""A step notebook that a person runs in JupyterLab: it ends as the runbook does, with a session that is archived."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from tlsrunbook import wiring
from tlsrunbook.adapters.origin import SystemClock, tool, who
from tlsrunbook.evidence.data import utc_text
from tlsrunbook.run.context import Run
from tlsrunbook.run.notices import NOTICES_VARIABLE, kernel_id
from tlsrunbook.ui.closing import close_session
from tlsrunbook.ui.session import FinishedShown, finished


def open_run(
    site: str | Path,
    server: str,
    runs: str | Path = "runs",
    change: str = "",
    mode: str = "plan",
) -> Run:
    """Start the work on one server: what every notebook calls first.

    Nothing is sent yet; the first step connects. In JupyterLab, what was done is a session when it is closed or a step
    has stopped: the Jupyter server archives the notebook when it is saved then, and seals.

    Args:
        site: Path of the site file.
        server: Server name in the site file; upper or lower case.
        runs: Folder for the evidence.
        change: Change id; empty means the server's open change, else a new one.
        mode: ``plan`` looks and decides, ``apply`` changes.

    Raises:
        UsageError: A parameter cannot be used; the message says what to write instead.
    """
    return _watched(wiring.open_run(site, server, runs, change, mode), runs)


def open_recorded(
    site: str | Path,
    server: str,
    runs: str | Path = "runs",
    change: str = "",
    mode: str = "plan",
) -> Run:
    """Open a change that is on record, to go back from it. Like :func:`open_run`, and never starts a new change.

    Raises:
        UsageError: As for :func:`open_run`; or ``change`` is empty.
    """
    return _watched(wiring.open_recorded(site, server, runs, change, mode), runs)


def _watched(run: Run, runs: str | Path) -> Run:
    """Let a run end with a session, where a Jupyter server waits for its notebook."""
    if os.environ.get(NOTICES_VARIABLE) and kernel_id():
        run.when_over = partial(_session, run, str(Path(runs).absolute()), utc_text(SystemClock().now()))
    return run


def _session(run: Run, runs: str, since: str) -> FinishedShown | None:
    if not run.records:
        return None
    own = run.records[-1]
    now = utc_text(SystemClock().now())
    session = close_session(run.store, run.change, own.server, since=since, now=now, who=who(), tool=tool())
    if session is None:
        return None
    lines = tuple(f"{one.step}, attempt {one.attempt} ({one.mode}): {one.status}" for one in session.done)
    return FinishedShown(finished(session, runs), session, lines)
