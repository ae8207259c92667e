"""A step on a scripted server, recorded on a real disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from worlds import AT, ScriptedShell, make_context, make_state, make_wanted

from tlsrunbook.adapters.attempt_folder import AttemptFolder
from tlsrunbook.adapters.store import RunStore
from tlsrunbook.evidence.layout import RECORD, TRANSCRIPT
from tlsrunbook.evidence.record import Record
from tlsrunbook.exchange.command import Command, Reply
from tlsrunbook.plan.model import Change, Irreversible, Plan, PlanItem
from tlsrunbook.run.recording import Circumstances, record_step
from tlsrunbook.secret import Secret
from tlsrunbook.steps.base import Step
from tlsrunbook.steps.model import Decision, Seen, Wanted

ABOUT = Circumstances({"user": "anna", "host": "admin1", "process": "7"}, {"ticket": "T-1", "reason": "renewal"}, {})
MARKER = "s3cret-marker-91d0"


def item(name: str, **parameters: Any) -> PlanItem:
    command = Command.of(name, **parameters)
    return PlanItem(f"call {name}", (command,), (Change("thing", "Value", "0", "1"),), Irreversible("a test"))


A, B = item("Set-A", Value="1", Password=Secret(MARKER)), item("Set-B", Value="1")


class TwoItems(Step):
    """Plans two items at the first look, and nothing at the second."""

    id: ClassVar[str] = "activate"
    number: ClassVar[int] = 4
    slug: ClassVar[str] = "activate-certificate"
    title: ClassVar[str] = "Two"

    def __init__(self) -> None:
        self.looks = 0

    def decide(self, wanted: Wanted, seen: Seen) -> Decision:
        self.looks += 1
        items = (A, B) if self.looks == 1 else ()
        return Decision(Plan(items), facts={"look": self.looks}, summary="as wanted")


@dataclass
class Recorded:
    """Where a step was recorded, and its shell."""

    store: RunStore
    change: str
    shell: ScriptedShell

    def run(self, step: Step | None = None, mode: str = "apply") -> Record:
        context = make_context(self.shell, make_wanted(mode))
        record, _ = record_step(step or TwoItems(), context, self.store, self.change, ABOUT)
        return record

    @property
    def attempt(self) -> AttemptFolder:
        return list(self.store.attempts(self.change))[-1]

    def on_disk(self) -> Record | None:
        return self.store.record(self.attempt)

    def transcript(self) -> list[dict[str, Any]]:
        lines = (self.attempt.folder / TRANSCRIPT).read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in lines]

    def everything(self) -> bytes:
        return b"".join(path.read_bytes() for path in self.store.folder.rglob("*") if path.is_file())


def recorded(folder: Path, **answers: Any) -> Recorded:
    store = RunStore(folder / "runs", "london")
    change = store.new_change(AT, {"servers": ["EDGE1"]})
    shell = ScriptedShell(make_state(), {"Set-A": Reply(), "Set-B": Reply(), **answers})
    return Recorded(store, change, shell)


MakeRecorded = Callable[..., Recorded]

__all__ = ["ABOUT", "AT", "MARKER", "RECORD", "A", "B", "MakeRecorded", "Recorded", "TwoItems", "item", "recorded"]
