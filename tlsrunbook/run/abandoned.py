"""The record of a step whose kernel ended without writing one: the transcript tells what is certain."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import psutil

from tlsrunbook.evidence.data import readable_json, utc_text
from tlsrunbook.evidence.layout import RECORD, TRANSCRIPT
from tlsrunbook.evidence.record import Record, SentCommand, Status
from tlsrunbook.evidence.standing import State
from tlsrunbook.ports import Attempt, EvidenceStore

if TYPE_CHECKING:
    from tlsrunbook.run.recording import Circumstances


class Asker(Protocol):
    """For whom a step was run."""

    @property
    def site(self) -> str:
        """Site name."""

    @property
    def server(self) -> str:
        """Server name."""

    @property
    def mode(self) -> str:
        """``plan`` or ``apply``."""

    @property
    def about(self) -> Circumstances:
        """Who, why, with what."""


@dataclass(frozen=True)
class _Earlier:
    """An :class:`Asker` of an earlier run, as its transcript tells."""

    site: str
    server: str
    mode: str
    about: Circumstances


def transcript_lines(attempt: Attempt) -> list[dict[str, Any]]:
    """Read an attempt's transcript; a last line that was cut off is left out."""
    path = attempt.folder / TRANSCRIPT
    if not path.is_file():
        return []
    lines = []
    # Split bytes: texts may hold other line separators, and the last character may be cut in two.
    for line in path.read_bytes().split(b"\n"):
        try:
            lines.append(json.loads(line))
        except ValueError:
            break
    return lines


def uncertain(lines: list[dict[str, Any]]) -> bool:
    """Whether the transcript ends with a change that was sent and not answered."""
    open_change = False
    for line in lines:
        if line["event"] == "sent":
            open_change = bool(line["changes"])
        elif line["event"] == "answered" or (line["event"] == "lost" and line["outcome"] != "unknown"):
            open_change = False
    return open_change


def wait_for_kernel(attempt: Attempt, seconds: float = 15.0) -> None:
    """Wait until the process that wrote an attempt's transcript has ended, where it left no record.

    A kernel outlives the process that executed its notebook for a moment, and might write into the evidence while the
    runner already judges it.

    Args:
        seconds: After so long it is ended by force.
    """
    if attempt.record_path.exists():
        return
    lines = transcript_lines(attempt)
    who = lines[0].get("who", {}) if lines else {}
    try:
        process = psutil.Process(int(who["process"]))
        if who["host"] != socket.gethostname() or "ipykernel" not in " ".join(process.cmdline()):
            return
        try:
            process.wait(seconds)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(seconds)
    except (KeyError, ValueError, psutil.Error):
        return


def reconcile(store: EvidenceStore, change: str, server: str, about: Circumstances) -> tuple[Record, ...]:
    """Write the records of steps that were broken off with everything that could have written them.

    Call it only with the lease of the server, before anything is done on it.

    Args:
        about: Of the run that finds them. Who ran the step is in its transcript.

    Returns:
        The records written, in order.
    """
    written = []
    for attempt in store.unfinished(change, server):
        wait_for_kernel(attempt)
        if attempt.record_path.exists():
            continue
        lines = transcript_lines(attempt)
        first: Mapping[str, Any] = lines[0] if lines else {}
        ran = replace(about, who=first.get("who", about.who))
        asker = _Earlier(store.folder.name, server, str(first.get("mode", "apply")), ran)
        written.append(abandoned_record(asker, attempt, "its run was broken off; found by the next one"))
    return tuple(written)


def broken_off(store: EvidenceStore, change: str, server: str) -> dict[str, State]:
    """Give the state of each step whose newest attempt has no record, for :func:`~tlsrunbook.evidence.standing`.

    While somebody holds the lease such a step is at work: ask :meth:`~tlsrunbook.ports.EvidenceStore.lease_holder`.
    """
    newest = {attempt.step: attempt for attempt in store.attempts(change, server)}
    return {
        step: State.UNKNOWN if uncertain(transcript_lines(attempt)) else State.FAILED
        for step, attempt in newest.items()
        if not attempt.record_path.exists()
    }


def abandoned_record(job: Asker, attempt: Attempt, ended_by: str) -> Record:
    """Write the record of a step that ended without one.

    Args:
        ended_by: What the runner saw, one line.
    """
    lines = transcript_lines(attempt)
    unsure = uncertain(lines)
    what = f"the step ended without a record ({ended_by or 'no cell failed'})"
    now = utc_text(datetime.now(UTC))
    record = Record(
        site=job.site,
        server=job.server,
        step=attempt.step,
        change=attempt.change,
        attempt=attempt.number,
        mode=job.mode,
        status=Status.UNKNOWN if unsure else Status.FAILED,
        summary=what + ("; a change had been sent and was not answered" if unsure else ""),
        todo="run the step again: it looks at the server first",
        started=str(lines[0]["at"]) if lines else now,
        finished=now,
        who=job.about.who,
        why=job.about.why,
        tool=job.about.tool,
        commands=_commands(lines),
        error={"code": "no-record", "what": what, "where": f"{job.site} / {job.server} / {attempt.step}", "todo": ""},
        files=tuple(sorted({*attempt.files, RECORD})),
        rehearsal=job.about.rehearsal,
    )
    attempt.write(RECORD, readable_json(record.data()))
    return record


def _commands(lines: list[dict[str, Any]]) -> tuple[SentCommand, ...]:
    sent: list[SentCommand] = []
    for at, line in enumerate(lines):
        if line["event"] != "sent":
            continue
        answer = next((later for later in lines[at + 1 : at + 2] if later["event"] in ("answered", "lost")), None)
        outcome = str(answer["outcome"]) if answer else "unknown"
        names = tuple(command["name"] for command in line["commands"])
        server = str(line.get("server", ""))
        sent.append(SentCommand(line["text"], names, bool(line["changes"]), line["at"], 0.0, outcome, server=server))
    return tuple(sent)
