"""Small worlds for tests of the pure rows and the loop: states of a server, and ports that answer from memory.

Nothing here stands for Exchange: the shell answers reads from a given state and everything else only by script.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from shell_answers import Answer, answer_read
from states import (
    AT,
    DEFAULT,
    FQDN,
    OLD_2010,
    PARAMETERS,
    SE,
    SITE,
    certificate,
    default_certificate,
    greeting_of,
    make_site,
    make_state,
    receive,
    send,
    target_of,
)

from tlsrunbook.exchange.command import Greeting, Pipeline, Reply
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.plan.model import Plan
from tlsrunbook.ports import Note
from tlsrunbook.secret import Secret
from tlsrunbook.site import Site
from tlsrunbook.smtp.facts import ProbeFacts, ProbeOutcome
from tlsrunbook.steps.model import StepContext, Wanted

__all__ = [
    "AT",
    "DEFAULT",
    "FQDN",
    "OLD_2010",
    "PARAMETERS",
    "SE",
    "SITE",
    "Given",
    "MemoryAuthority",
    "MemoryPeers",
    "MemoryWorkspace",
    "ScriptedShell",
    "becomes",
    "certificate",
    "default_certificate",
    "greeting_of",
    "make_context",
    "make_site",
    "make_state",
    "make_wanted",
    "probe",
    "receive",
    "send",
    "target_of",
]


@dataclass
class ScriptedShell:
    """A :class:`tlsrunbook.ports.Shell` from memory; what is neither a read nor scripted is an error of the test.

    Args:
        state: What reads answer with; a scripted answer may set another one.
        answers: By command name (a pipeline: joined with `` | ``): a reply, an exception, a function of shell and
            pipeline, or a list of these, one per call.
    """

    state: ServerState
    answers: Mapping[str, Answer] = field(default_factory=dict)
    parameters: Mapping[str, frozenset[str]] = field(default_factory=lambda: PARAMETERS)
    sent: list[Pipeline] = field(default_factory=list)
    closed: int = 0

    def open(self) -> Greeting:
        answer = self.answers.get("open")
        if isinstance(answer, BaseException):
            raise answer
        return greeting_of(self.state, self.parameters)

    def run(self, pipeline: Pipeline) -> Reply:
        name = " | ".join(command.name for command in pipeline)
        unresolved = [what for command in pipeline for what in command.unresolved]
        assert not unresolved, f"{name} was sent with {unresolved}"
        self.sent.append(pipeline)
        answer = self.answers.get(name)
        if isinstance(answer, list):
            assert answer, f"{name} was sent more often than scripted"
            answer = answer.pop(0)
        if answer is None:
            answer = answer_read(self.state, pipeline)
        assert answer is not None, f"{name} is not scripted"
        if isinstance(answer, BaseException):
            raise answer
        return answer(self, pipeline) if callable(answer) else answer

    def read(self, *pipelines: Pipeline) -> tuple[Reply, ...]:
        return tuple(self.run(pipeline) for pipeline in pipelines)

    def close(self) -> None:
        self.closed += 1

    @property
    def changing(self) -> list[str]:
        """What was sent that changes anything, by name, in order."""
        return [
            " | ".join(command.name for command in pipeline)
            for pipeline in self.sent
            if any(command.changes for command in pipeline)
        ]


def becomes(**changes: Any) -> Callable[[ScriptedShell, Pipeline], Reply]:
    """A scripted answer after which the state has these fields changed."""

    def answer(shell: ScriptedShell, pipeline: Pipeline) -> Reply:
        del pipeline
        shell.state = replace(shell.state, **changes)
        return Reply()

    return answer


@dataclass
class MemoryWorkspace:
    """A workspace that remembers what was put there, in order."""

    default: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    states: list[ServerState] = field(default_factory=list)
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    seen_on_wire: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)

    def keep(self, name: str, content: bytes) -> None:
        assert self.files.setdefault(name, content) == content, f"{name} is written over"

    def remembered_default(self) -> str:
        return self.default

    def remembered_names(self) -> Mapping[str, tuple[str, ...]]:
        return self.names

    def verified(self) -> Mapping[str, str]:
        return self.seen_on_wire

    def recalled(self, server: str, step: str) -> Mapping[str, Any]:
        return self.others.get((server, step), {})

    def before(self, state: ServerState) -> None:
        self.events.append("before")
        self.states.append(state)

    def after(self, state: ServerState) -> None:
        self.events.append("after")
        self.states.append(state)

    def planned(self, plan: Plan) -> None:
        self.events.append("planned")
        self.plans.append(plan)

    def note(self, event: str, facts: Mapping[str, Any]) -> None:
        del facts
        self.events.append(event)


@dataclass
class MemoryAuthority:
    """An authority that holds what was submitted and gives ``reply`` for it."""

    reply: bytes | None = None
    held: set[str] = field(default_factory=set)
    submitted: list[str] = field(default_factory=list)
    name: str = "memory"
    notes: tuple[Note, ...] = ()

    def submit(self, csr_pem: str, label: str) -> str:
        self.held.add(csr_pem)
        self.submitted.append(csr_pem)
        return f"order {len(self.submitted)} of {label}"

    def holds(self, csr_pem: str, label: str) -> bool:
        del label
        return csr_pem in self.held

    def collect(self, csr_pem: str, label: str) -> bytes | None:
        return self.reply if self.holds(csr_pem, label) else None


@dataclass
class Given:
    """A prober, resolver and clock that say what they are given."""

    probes: tuple[ProbeFacts, ...] = ()
    addresses_of: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    tlsa_of: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    passed: float = 0.0

    def probe(self, endpoint: str, server_name: str) -> tuple[ProbeFacts, ...]:
        assert server_name
        return tuple(replace(facts, endpoint=endpoint) for facts in self.probes)

    def addresses(self, name: str) -> tuple[str, ...] | None:
        return self.addresses_of.get(name)

    def exchangers(self, domain: str) -> tuple[str, ...] | None:
        raise AssertionError(domain)

    def tlsa(self, owner: str) -> tuple[str, ...] | None:
        return self.tlsa_of.get(owner, ())

    def now(self) -> datetime:
        return AT + timedelta(seconds=self.passed)

    def pause(self, seconds: float) -> None:
        self.passed += seconds


@dataclass
class MemoryPeers:
    """The other servers of the site; the password is always the same, so that a test can look for it."""

    shells: Mapping[str, ScriptedShell] = field(default_factory=dict)
    password: str = "Planted-One-Time-Password"
    closed: int = 0

    def shell(self, server: str) -> ScriptedShell:
        return self.shells[server]

    def one_time_password(self) -> Secret:
        return Secret(self.password)

    def close(self) -> None:
        self.closed += 1


def probe(outcome: ProbeOutcome = ProbeOutcome.TLS, **changes: Any) -> ProbeFacts:
    """A dialogue with the public endpoint; good unless changed, but without a chain."""
    given: dict[str, Any] = {"address": "192.0.2.1:25", "ehlo_name": FQDN, "banner": f"{FQDN} ESMTP"}
    tls = {"offered_starttls": True, "protocol": "TLSv1.2", "cipher": "X"} if outcome is ProbeOutcome.TLS else {}
    return ProbeFacts(f"{FQDN}:25", outcome=outcome, **{**given, **tls, **changes})


def make_wanted(mode: str = "apply", *, site: Site | None = None, roots: Sequence[bytes] = ()) -> Wanted:
    site = site or make_site()
    return Wanted(site, site.servers[0], mode, AT, tuple(roots))


def make_context(shell: ScriptedShell, wanted: Wanted | None = None, **ports: Any) -> StepContext:
    """A context whose ports are memory; ``given``, ``authority`` and ``workspace`` may be handed in."""
    given = ports.get("given") or Given((probe(),), {FQDN: ("192.0.2.1",)})
    return StepContext(
        wanted=wanted or make_wanted(),
        shell=shell,
        prober=given,
        resolver=given,
        authority=ports.get("authority") or MemoryAuthority(),
        clock=given,
        workspace=ports.get("workspace") or MemoryWorkspace(),
        peers=ports.get("peers") or MemoryPeers(),
    )
