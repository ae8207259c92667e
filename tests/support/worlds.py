"""Small worlds for tests of the pure rows and the loop: servers, sites, and ports that answer from memory.

Nothing here stands for Exchange: the shell answers reads from a given state and everything else only by script.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from shell_answers import Answer, answer_read

from tlsrunbook.exchange.command import Greeting, Pipeline, Reply
from tlsrunbook.exchange.state import AddressSpace, ExchangeCertificate, ReceiveConnector, SendConnector, ServerState
from tlsrunbook.exchange.version import ExchangeVersion, Target
from tlsrunbook.plan.model import Plan
from tlsrunbook.ports import Note
from tlsrunbook.secret import Secret
from tlsrunbook.site import Site, parse_site
from tlsrunbook.smtp.facts import ProbeFacts, ProbeOutcome
from tlsrunbook.steps.model import StepContext, Wanted

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
FQDN = "mx1.example.com"
SE = ExchangeVersion(15, 2, 2562, 17)
OLD_2010 = ExchangeVersion(14, 3, 123, 4)

_CERTIFICATE = frozenset({"Server", "Thumbprint"})
_SEND = frozenset(
    {"Name", "Usage", "Identity", "AddressSpaces", "SourceTransportServers", "Fqdn", "TlsCertificateName", "RequireTLS",
     "IgnoreSTARTTLS", "TlsAuthLevel", "TlsDomain", "DNSRoutingEnabled", "SmartHosts", "DomainSecureEnabled", "Enabled"}
)  # fmt: skip
#: What a server of today reports.
PARAMETERS: Mapping[str, frozenset[str]] = {
    "Get-ExchangeCertificate": _CERTIFICATE,
    "New-ExchangeCertificate": _CERTIFICATE | {"GenerateRequest", "SubjectName", "DomainName", "KeySize", "Force"},
    "Import-ExchangeCertificate": _CERTIFICATE | {"FileData", "FriendlyName", "PrivateKeyExportable", "Password"},
    "Enable-ExchangeCertificate": _CERTIFICATE | {"Services", "Force"},
    "Remove-ExchangeCertificate": _CERTIFICATE,
    "Get-TransportService": frozenset({"Identity"}),
    "Get-ReceiveConnector": frozenset({"Server"}),
    "Set-ReceiveConnector": frozenset({"Identity", "Fqdn", "TlsCertificateName"}),
    "Get-SendConnector": frozenset({"Identity"}),
    "New-SendConnector": _SEND,
    "Set-SendConnector": _SEND,
    "Remove-SendConnector": frozenset({"Identity"}),
}

DEFAULT = "D" * 40
SITE: Mapping[str, Any] = {
    "name": "london",
    "certificate": {"country": "GB", "organization": "Example Corp"},
    "authority": {"kind": "folder", "outbox": "out", "inbox": "in"},
    "servers": [
        {
            "name": "EDGE1",
            "address": "edge1.example.com",
            "fqdn": FQDN,
            "roles": ["receive", "send"],
            "endpoints": [f"{FQDN}:25"],
            "logon": {"credential": "exchange-admin"},
        }
    ],
    "send_connectors": {
        "required": {"name": "TLS required {server}", "domains": ["partner.com", "*.bank.com"]},
        "never": {
            "name": "TLS never {server}",
            "domains": [
                {"domain": "broken.org", "reason": "no TLS", "owner": "postmaster@example.com", "review": "2027-03-31"}
            ],
        },
        "default": {"name": "TLS default {server}"},
    },
}


def make_site(server: Mapping[str, Any] | None = None, **tables: Any) -> Site:
    """The site of :data:`SITE` with keys of its one server, and whole tables, replaced."""
    one = {**SITE["servers"][0], **(server or {})}
    return parse_site({**SITE, "servers": [one], **tables})


def certificate(mark: str = "A", **changes: Any) -> ExchangeCertificate:
    """A good certificate of a CA for the FQDN; ``mark`` is a hex digit that its thumbprint is made of."""
    subject, issuer = changes.pop("subject", f"CN={FQDN}"), changes.pop("issuer", "CN=Good CA")
    given: dict[str, Any] = {
        "thumbprint": mark * 40,
        "subject": subject,
        "issuer": issuer,
        "tls_certificate_name": f"<I>{issuer}<S>{subject}",
        "not_before": AT - timedelta(days=10),
        "not_after": AT + timedelta(days=80),
        "names": (FQDN,),
        "services": frozenset(),
        "status": "Valid",
        "self_signed": False,
        "has_private_key": True,
        "key_size": 2048,
        "friendly_name": "tlsrunbook smtp",
    }
    return ExchangeCertificate(**{**given, **changes})


def default_certificate(**changes: Any) -> ExchangeCertificate:
    """The self-signed one that Exchange makes, which is the default SMTP certificate."""
    own: dict[str, Any] = {"subject": "CN=EDGE1", "issuer": "CN=EDGE1", "names": ("edge1", "edge1.corp.local")}
    return certificate("D", **{**own, "self_signed": True, "services": frozenset({"SMTP"}), **changes})


def receive(name: str = "Default EDGE1", **changes: Any) -> ReceiveConnector:
    """A receive connector that faces the Internet."""
    given: dict[str, Any] = {
        "identity": f"EDGE1\\{name}",
        "name": name,
        "fqdn": FQDN,
        "tls_certificate_name": "",
        "auth_mechanism": frozenset({"Tls"}),
        "permission_groups": frozenset({"AnonymousUsers"}),
        "bindings": ("0.0.0.0:25",),
        "remote_ip_ranges": ("0.0.0.0-255.255.255.255",),
        "require_tls": False,
        "enabled": True,
        "domain_secure_enabled": False,
        "transport_role": "",
    }
    return ReceiveConnector(**{**given, **changes})


def send(name: str = "To Internet", *spaces: str | AddressSpace, **changes: Any) -> SendConnector:
    """A send connector; its address spaces cost 1 where only a domain is given."""
    given: dict[str, Any] = {
        "identity": name,
        "name": name,
        "enabled": True,
        "address_spaces": tuple(AddressSpace(s) if isinstance(s, str) else s for s in spaces or ("*",)),
        "fqdn": "",
        "tls_certificate_name": "",
        "require_tls": False,
        "ignore_starttls": False,
        "tls_auth_level": "",
        "tls_domain": "",
        "dns_routing_enabled": True,
        "domain_secure_enabled": False,
        "smart_hosts": (),
        "source_transport_servers": (),
        "frontend_proxy_enabled": False,
        "cloud_services_mail_enabled": False,
        "is_scoped": False,
        "port": 25,
        "max_message_size": "35 MB (36,700,160 bytes)",
    }
    return SendConnector(**{**given, **changes})


def make_state(*certificates: ExchangeCertificate, **changes: Any) -> ServerState:
    """An Edge server with its default certificate, those that are given, and one receive connector."""
    given: dict[str, Any] = {
        "name": "EDGE1",
        "fqdn": "edge1.corp.local",
        "version": SE,
        "is_edge": True,
        "role": "Edge",
        "edge_subscribed": False,
        "certificates": (default_certificate(), *certificates),
        "internal_transport_thumbprint": DEFAULT,
        "receive_connectors": (receive(),),
        "send_connectors": (),
        "intermediates": frozenset(),
    }
    subscriptions = ("EDGE1",) if changes.get("edge_subscribed") else ()
    return ServerState(**{**given, "edge_subscriptions": subscriptions, **changes})


def target_of(state: ServerState, parameters: Mapping[str, frozenset[str]] = PARAMETERS) -> Target:
    return Target(state.name, state.is_edge, state.version, parameters)


def greeting_of(state: ServerState, parameters: Mapping[str, frozenset[str]] = PARAMETERS) -> Greeting:
    return Greeting(state.name, "5.1.17763.1", state.is_edge, "15.02.2562.017", parameters)


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
    passed: float = 0.0

    def probe(self, endpoint: str, server_name: str) -> tuple[ProbeFacts, ...]:
        assert server_name
        return tuple(replace(facts, endpoint=endpoint) for facts in self.probes)

    def addresses(self, name: str) -> tuple[str, ...] | None:
        return self.addresses_of.get(name)

    def exchangers(self, domain: str) -> tuple[str, ...] | None:
        raise AssertionError(domain)

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
