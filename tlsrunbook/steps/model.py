"""What the loop and the steps hand to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from tlsrunbook.exchange.command import Greeting
from tlsrunbook.exchange.decode_file import ServerFile
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.exchange.version import Target
from tlsrunbook.plan.history import History
from tlsrunbook.plan.later import Known
from tlsrunbook.plan.model import Plan
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.ports import Authority, Clock, Peers, Prober, Resolver, Shell
from tlsrunbook.site import Server, Site


class Workspace(Protocol):
    """The folder of one attempt, and what this change remembers of the server."""

    def keep(self, name: str, content: bytes) -> None:
        """Write a file beside the record, once."""

    def remembered_default(self) -> str:
        """Give the default SMTP certificate's thumbprint as this change first saw it; may be empty."""

    def history(self) -> History:
        """Give what this change did on the server so far, this attempt left out.

        Raises:
            EvidenceError: A part of it cannot be read, or was altered.
        """

    def remembered_names(self) -> Mapping[str, tuple[str, ...]]:
        """Give what this server's certificates were called when it was read before: TLS certificate name -> names."""

    def verified(self) -> Mapping[str, str]:
        """Give the thumbprints that ``verify`` has seen on the wire of this server, with where its record is."""

    def recalled(self, server: str, step: str) -> Mapping[str, Any]:
        """Give the facts of the record of another server's step that was applied and finished last; may be empty."""

    def before(self, state: ServerState) -> None:
        """Write down the state as it was found."""

    def planned(self, plan: Plan) -> None:
        """Write down what will be sent and how it is undone, before the first command is sent."""

    def after(self, state: ServerState) -> None:
        """Write down the state as it is left."""

    def note(self, event: str, facts: Mapping[str, Any]) -> None:
        """Write a line into the transcript."""


@dataclass(frozen=True)
class Verdict:
    """Whether a plan may be applied.

    Args:
        findings: Refusals; empty when it was approved.
        approval: Who approved, when, until when, which plan, with which key; empty when no approval counts.
    """

    findings: tuple[Finding, ...]
    approval: Mapping[str, str] = field(default_factory=dict)


class Approvals(Protocol):
    """What was approved for one server in one change."""

    def judge(self, step: str, plan: Plan, known: Known) -> Verdict:
        """Say whether this plan may be applied.

        Args:
            step: Step id.
            plan: Made just now; it has items.
            known: What the Later values of the approved plan turned out to be.
        """


@dataclass(frozen=True)
class Wanted:
    """What shall be: the desired side of every decision, with the time it is taken at.

    Args:
        mode: ``plan`` or ``apply``.
        at: UTC.
        roots: DER of the roots trusted for the public certificate.
    """

    site: Site
    server: Server
    mode: str
    at: datetime
    roots: tuple[bytes, ...]

    @property
    def planning(self) -> bool:
        """Whether nothing may be changed."""
        return self.mode == "plan"


@dataclass(frozen=True)
class StepContext:
    """Everything a step may use: what is wanted, the ports, and where its files go.

    Args:
        seen_plan: Digest of the plan that the user has read and said yes to, empty for one without changes: nothing
            else is applied. None where nobody was asked.
    """

    wanted: Wanted
    shell: Shell
    prober: Prober
    resolver: Resolver
    authority: Authority
    clock: Clock
    workspace: Workspace
    peers: Peers
    approvals: Approvals | None = None
    seen_plan: str | None = None

    @property
    def label(self) -> str:
        """Site and server, for file names people read."""
        return f"{self.wanted.site.name}-{self.wanted.server.name.lower()}"


@dataclass(frozen=True)
class Seen:
    r"""What was observed.

    Args:
        store: The certificates in ``LocalMachine\CA``, DER.
        files: The runbook's own files on the server; always empty where Exchange takes bytes (2010 and later).
        extra: What the step looked at besides the server's state; each step says what.
    """

    greeting: Greeting
    target: Target
    state: ServerState
    store: tuple[bytes, ...] = ()
    extra: Any = None
    files: tuple[ServerFile, ...] = ()


@dataclass(frozen=True)
class Decision:
    """What is to be done, and what was found on the way.

    Args:
        plan: Empty when the server is already right.
        findings: A refusal closes the gate; an error fails a verification.
        facts: What to show of it.
        summary: One sentence for when nothing is to be done.
        known: What the Later values of an earlier plan of this step turned out to be.
        todo: What to do when it waits; empty for the CA's answer, which is what most steps wait for.
    """

    plan: Plan = field(default_factory=Plan)
    findings: tuple[Finding, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    summary: str = ""
    known: Known = field(default_factory=Known)
    todo: str = ""

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """Give the findings of one severity."""
        return tuple(finding for finding in self.findings if finding.severity is severity)
