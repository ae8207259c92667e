"""Runs steps on a lab as a notebook's kernel does, without the kernel."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tlsrunbook import open_run
from tlsrunbook.adapters.store import RunStore
from tlsrunbook.errors import StepStopped
from tlsrunbook.evidence.record import Record
from tlsrunbook.lab.lab import Lab

STEPS = ("confirm", "request", "install", "activate", "connectors", "verify")


class Change:
    """A change on the first site of a lab.

    Args:
        lab: It runs.
        folder: For the site file and the evidence.
        authority: ``lab``, or ``folder`` for outbox and inbox in ``folder``.
    """

    def __init__(self, lab: Lab, folder: Path, authority: str = "lab") -> None:
        self.lab = lab
        self.site = lab.site_names[0]
        self.runs = folder / "runs"
        self.site_file = folder / f"{self.site}.toml"
        text = lab.site_file_text(self.site)
        self.site_file.write_text(text, encoding="utf-8")
        if authority == "folder":
            self.edit(r'kind = "lab".*\nurl = .*', 'kind = "folder"\noutbox = "outbox"\ninbox = "inbox"')
        self.store = RunStore(self.runs, self.site)

    def edit(self, pattern: str, new: str) -> None:
        """Change the site file by a regular expression that must match."""
        text, count = re.subn(pattern, new, self.site_file.read_text(encoding="utf-8"))
        assert count, f"{pattern} is not in the site file"
        self.site_file.write_text(text, encoding="utf-8")

    def apply(self, server: str, *steps: str, mode: str = "apply", change: str = "") -> list[Record]:
        """Run steps until one stops; all six when none is named."""
        run = open_run(self.site_file, server, self.runs, change, mode)
        try:
            for step in steps or STEPS:
                run.step(step)
        except StepStopped:
            pass
        finally:
            run.close()
        return run.records

    def plan(self, server: str, *steps: str) -> list[Record]:
        """Run steps in mode ``plan``."""
        return self.apply(server, *steps, mode="plan")

    def snapshots(self) -> dict[str, Any]:
        """Give the state of every simulated server."""
        (site,) = (plan for plan in self.lab.plan if plan.name == self.site)
        return {plan.name: self.lab.server(self.site, plan.name).snapshot() for plan in site.servers}

    def transcript(self, record: Record) -> list[dict[str, Any]]:
        """Give the transcript of a record's attempt."""
        for attempt in self.store.attempts(record.change, record.server):
            if (attempt.step, attempt.number) == (record.step, record.attempt):
                lines = (attempt.folder / "transcript.jsonl").read_text(encoding="utf-8").splitlines()
                return [json.loads(line) for line in lines]
        raise AssertionError("no such attempt")


def statuses(records: list[Record]) -> list[str]:
    """Give step and status of each record as text."""
    return [f"{record.step}: {record.status.value}" for record in records]
