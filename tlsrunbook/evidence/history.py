"""Recorded transcripts, read back: what going back is decided on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tlsrunbook.errors import EvidenceError
from tlsrunbook.evidence.data import command_from_data
from tlsrunbook.exchange.command import Command
from tlsrunbook.plan.history import Sent


def sent_commands(lines: Sequence[Mapping[str, Any]], *, where: str = "") -> tuple[Sent, ...]:
    """Give what a transcript says was sent that changes anything, with the answer that came.

    Raises:
        EvidenceError: A line cannot be understood.
    """
    found = []
    try:
        for at, line in enumerate(lines):
            if line["event"] == "sent" and line["changes"]:
                pipeline = tuple(_command(data) for data in line["commands"])
                found.append(Sent(pipeline, _answer(lines[at + 1 : at + 2])))
    except (KeyError, TypeError, ValueError) as error:
        raise EvidenceError("the transcript has a line that cannot be understood", where=where) from error
    return tuple(found)


def _command(data: Mapping[str, Any]) -> Command:
    # What was a secret is no part of what has to be undone.
    plain = [(name, value) for name, value in data["parameters"] if not (isinstance(value, dict) and "secret" in value)]
    return command_from_data({**data, "parameters": plain})


def _answer(following: Sequence[Mapping[str, Any]]) -> str:
    if following and following[0]["event"] in ("answered", "lost"):
        return str(following[0]["outcome"])
    return "unknown"


def receipts(lines: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Give the authority's receipts for the CSRs that were handed over."""
    return tuple(str(line.get("receipt", "")) for line in lines if line.get("event") == "submitted")
