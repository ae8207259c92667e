"""A step that decides what a test tells it, and how to run it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from worlds import (
    MemoryWorkspace,
    ScriptedShell,
    make_context,
    make_state,
    make_wanted,
)

from tlsrunbook.exchange.command import Command, Reply
from tlsrunbook.plan.model import Change, Irreversible, Plan, PlanItem
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.steps.base import Step, StepResult, run_step
from tlsrunbook.steps.model import Decision, Seen, Wanted

SET_A = PlanItem(
    "a", (Command.of("Set-A", Value="1"),), (Change("thing A", "Value", "0", "1"),), Irreversible("a test")
)
SET_B = PlanItem(
    "b", (Command.of("Set-B", Value="1"),), (Change("thing B", "Value", "0", "1"),), Irreversible("a test")
)
READS = ["Get-ExchangeServer", "Get-EdgeSubscription", "Get-ExchangeCertificate", "Get-TransportService",
         "Get-ReceiveConnector", "Get-SendConnector", "Get-StoreCertificate"]  # fmt: skip


@dataclass
class OneStep(Step):
    """A step that decides what it is told, one decision per look."""

    id: ClassVar[str] = "one"
    number: ClassVar[int] = 1
    slug: ClassVar[str] = "one-step"
    title: ClassVar[str] = "One"
    decisions: list[Decision | Exception]
    verifies: bool = False  # type: ignore[misc]
    reason: str = ""
    proof: tuple[Finding, ...] = ()
    looks: list[Seen] = field(default_factory=list)

    def applies(self, wanted: Wanted) -> str:
        return self.reason

    def decide(self, wanted: Wanted, seen: Seen) -> Decision:
        self.looks.append(seen)
        decision = self.decisions[len(self.looks) - 1]
        if isinstance(decision, Exception):
            raise decision
        return decision

    def prove(self, before: Decision, after: Seen) -> tuple[Finding, ...]:
        return self.proof


def finding(severity: Severity, message: str = "seen", rule: str = "a-rule") -> Finding:
    return Finding(rule, severity, message, "do this")


def decided(*items: PlanItem, waiting: str = "", findings: tuple[Finding, ...] = (), summary: str = "fine") -> Decision:
    return Decision(Plan(items, waiting), findings, {"a": 1}, summary)


def run(
    *decisions: Decision | Exception, mode: str = "apply", shell: ScriptedShell | None = None, **step: Any
) -> tuple[StepResult, ScriptedShell, MemoryWorkspace]:
    shell = shell or ScriptedShell(make_state(), {"Set-A": Reply(), "Set-B": Reply()})
    workspace = MemoryWorkspace()
    context = make_context(shell, make_wanted(mode), workspace=workspace)
    return run_step(OneStep(list(decisions), **step), context), shell, workspace
