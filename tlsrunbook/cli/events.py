"""What a run tells while it goes on where nobody watches: lines with times for people, JSON lines for programs."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

from rich.console import Console

from tlsrunbook.cli.common import some
from tlsrunbook.evidence.data import utc_text
from tlsrunbook.evidence.record import Record
from tlsrunbook.run.job import ServerEvent, Told, WaveEvent
from tlsrunbook.run.outcome import RunResult
from tlsrunbook.run.rollout import SiteWork

#: What of a server is told in a line of its own; the rest is in the lines of its steps, or comes at the end.
_TOLD = frozenset({"held", "taken-over", "reconciled"})


class LineView:
    """One line per event, each with the time in UTC."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.Lock()

    def __enter__(self) -> LineView:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def tell(self, told: Told) -> None:
        """Print it; safe from any thread."""
        text = _line(told)
        if text:
            with self._lock:
                at = datetime.now(UTC).strftime("%H:%M:%SZ")
                self._console.print(f"{at} {text}", highlight=False, markup=False, soft_wrap=True)


def _line(told: Told) -> str:
    if isinstance(told, WaveEvent):
        if told.of == 1 and told.state == "begun":
            return ""
        text = f": {told.text}" if told.text else ""
        names = f" ({some(told.servers)})" if told.state == "begun" else ""
        return f"{told.site}: wave {told.number} of {told.of} {told.state}{names}{text}"
    if isinstance(told, ServerEvent):
        return f"{told.site} / {told.server}: {told.state}: {told.text}" if told.state in _TOLD else ""
    place = f"{told.site} / {told.server} / {told.step}"
    if told.record is None:
        return f"{place}: started"
    todo = f" -> {told.record.todo}" if told.record.todo else ""
    return f"{place}: {told.record.status.value}: {told.record.summary}{todo}"


def json_lines() -> JsonLines:
    """Give the JSON lines on standard output."""
    return JsonLines(sys.stdout)


class JsonLines:
    """One JSON object per line and event, the last one the result.

    Args:
        out: Where the lines go.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.Lock()

    def tell(self, told: Told) -> None:
        """Print it; safe from any thread."""
        name, facts = _facts(told)
        self._print(name, facts)

    def begin(self, sites: Sequence[SiteWork], steps: Sequence[str], mode: str) -> None:
        """Print what is going to be done."""
        for site in sites:
            changes = {job.server: job.change for wave in site.waves for job in wave}
            waves = [[job.server for job in wave] for wave in site.waves]
            facts = {"site": site.site, "mode": mode, "steps": list(steps), "waves": waves, "changes": changes}
            self._print("site", facts)

    def end(self, result: RunResult, code: int, **more: Any) -> None:
        """Print how it ended: the last line."""
        facts = {
            "exit_code": code,
            "records": [_place(record) for record in result.records],
            "reconciled": [_place(record) for record in result.reconciled],
            "servers": [
                {"site": site, "server": server, "ended": ending.value}
                for (site, server), ending in result.endings.items()
            ],
            "left": [
                {"site": one.site, "server": one.server, "steps": list(one.steps), "why": one.why, **_holder(one.facts)}
                for one in result.left
            ],
            "done_before": [
                {"site": site, "server": server, "steps": list(steps)}
                for (site, server), steps in result.done_before.items()
            ],
            "stopped": list(result.stopped),
            **more,
        }
        self._print("result", facts)

    def _print(self, name: str, facts: Mapping[str, Any]) -> None:
        line = json.dumps({"event": name, "at": utc_text(datetime.now(UTC)), **facts}, ensure_ascii=False)
        with self._lock:
            self._out.write(line + "\n")
            self._out.flush()


def _holder(facts: Mapping[str, str]) -> dict[str, Any]:
    return {"held_by": dict(facts)} if facts else {}


def _facts(told: Told) -> tuple[str, dict[str, Any]]:
    if isinstance(told, WaveEvent):
        facts = {"site": told.site, "wave": told.number, "of": told.of, "state": told.state}
        return "wave", {**facts, "servers": list(told.servers), "text": told.text}
    facts = {"site": told.site, "server": told.server}
    if isinstance(told, ServerEvent):
        more = {"state": told.state, "text": told.text, "steps": list(told.steps), "facts": dict(told.facts)}
        return "server", {**facts, **more}
    if told.record is None:
        return "started", {**facts, "step": told.step}
    return "ended", {**facts, "step": told.step, "record": told.record.data()}


def _place(record: Record) -> dict[str, Any]:
    keys = ("site", "change", "server", "step", "attempt")
    return {**{key: getattr(record, key) for key in keys}, "status": record.status.value}
