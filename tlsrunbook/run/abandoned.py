"""The record of a step whose kernel ended without writing one: the transcript tells what is certain."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psutil

from tlsrunbook.evidence.data import readable_json, utc_text
from tlsrunbook.evidence.layout import RECORD, TRANSCRIPT
from tlsrunbook.evidence.record import Record, SentCommand, Status
from tlsrunbook.ports import Attempt
from tlsrunbook.steps.base import Step

if TYPE_CHECKING:
    from tlsrunbook.run.job import ServerJob


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


def abandoned_record(job: ServerJob, step: Step, attempt: Attempt, ended_by: str) -> Record:
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
        step=step.id,
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
        error={"code": "no-record", "what": what, "where": f"{job.site} / {job.server} / {step.id}", "todo": ""},
        files=tuple(sorted({*attempt.files, RECORD})),
        rehearsal=job.about.rehearsal,
    )
    attempt.write(RECORD, readable_json(record.data()))
    return record


def _commands(lines: list[dict[str, Any]]) -> tuple[SentCommand, ...]:
    sent: list[SentCommand] = []
    # Reads may be sent together, and are answered in the order in which they were sent.
    answers = (line for line in lines if line["event"] in ("answered", "lost"))
    for line in lines:
        if line["event"] != "sent":
            continue
        answer = next(answers, None)
        outcome = str(answer["outcome"]) if answer else "unknown"
        names = tuple(command["name"] for command in line["commands"])
        server = str(line.get("server", ""))
        sent.append(SentCommand(line["text"], names, bool(line["changes"]), line["at"], 0.0, outcome, server=server))
    return tuple(sent)
