"""A fleet with a past, as evidence on disk: real site files, records, states and transcripts, only without servers."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import tomli_w
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.support.states import DEFAULT, SITE, certificate, default_certificate, make_state, receive, send
from tlsrunbook.adapters.attempt_folder import AttemptFolder
from tlsrunbook.adapters.store import RunStore
from tlsrunbook.certificates.csr import read_csr
from tlsrunbook.evidence.data import readable_json, to_data, utc_text
from tlsrunbook.evidence.record import Record, SentCommand, Status, plan_data
from tlsrunbook.exchange.command import Command
from tlsrunbook.exchange.state import ExchangeCertificate, ServerState
from tlsrunbook.plan.model import Change, Plan, PlanItem, Reverse
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.smtp.facts import ProbeFacts, ProbeOutcome
from tlsrunbook.steps.registry import STEP_IDS
from tlsrunbook.steps.verify import handshake

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CITIES = ("london", "paris", "oslo", "madrid", "vienna", "prague", "lisbon", "dublin", "athens", "zurich")
WHO = {"user": "alice", "host": "ws1", "process": "7"}
ISSUER = "CN=Good CA TLS R4, O=Good CA, C=US"

#: How servers of a made-up fleet stand, and how many of a hundred.
FATES: Mapping[str, int] = {
    "fine": 66, "soon": 6, "expired": 1, "waiting": 8, "blocked": 2, "failed": 3, "unknown": 1, "stale": 3,
    "untouched": 3, "planned": 3, "half": 3, "back": 1,
}  # fmt: skip


@dataclass
class Member:
    """One server with what will be written of it.

    Args:
        past: Days ago, what was run, how it ended; oldest first.
    """

    site: str
    number: int
    fate: str
    lives: int
    renewed: int
    past: list[tuple[float, tuple[str, ...], Mapping[str, Any]]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """NetBIOS name."""
        return f"{'EDGE' if self.number % 3 == 1 else 'MBX'}{self.number:03d}"

    @property
    def fqdn(self) -> str:
        """The public name."""
        return f"mx{self.number}.{self.site}.example.net"

    @property
    def ends(self) -> datetime:
        """When its newest certificate ends."""
        return NOW + timedelta(days=self.lives - self.renewed)


class FleetWorld:
    """Site files below ``folder/sites`` and evidence below ``folder/runs``.

    Args:
        folder: An empty one.
        sites: Number of sites.
        servers: Servers of each.
        seed: Equal numbers give equal fleets, but for the keys of requests and the ids of changes.
        fates: How servers stand, in turn; at random by :data:`FATES` when empty.
    """

    def __init__(
        self, folder: Path, sites: int = 1, servers: int = 12, seed: int = 5, fates: tuple[str, ...] = ()
    ) -> None:
        self.rng = random.Random(seed)
        self.runs = folder / "runs"
        self.sites = folder / "sites"
        self.sites.mkdir(parents=True)
        chosen = iter(fates)
        self.members = [
            self._member(CITIES[at % 10] + (str(at // 10) if at > 9 else ""), number, next(chosen, "") or self._fate())
            for at in range(sites)
            for number in range(1, servers + 1)
        ]
        for site in dict.fromkeys(member.site for member in self.members):
            own = [member for member in self.members if member.site == site]
            (self.sites / f"{site}.toml").write_text(tomli_w.dumps(_site(site, own)), encoding="utf-8")
            self._write(RunStore(self.runs, site), own)

    def _fate(self) -> str:
        return self.rng.choices(list(FATES), list(FATES.values()))[0]

    def _member(self, site: str, number: int, fate: str) -> Member:
        lives = self.rng.choice((90, 90, 90, 199))
        left = {"soon": self.rng.randint(1, 29), "expired": -self.rng.randint(1, 9), "unknown": 20, "failed": 22}
        left |= {"waiting": self.rng.randint(4, 28), "blocked": self.rng.randint(4, 28), "half": 25, "planned": 26}
        member = Member(site, number, fate, lives, lives - left.get(fate, self.rng.randint(32, lives - 2)))
        if fate != "untouched":
            member.past = list(_past(member, self.rng))
        return member

    def _write(self, store: RunStore, members: list[Member]) -> None:
        """Write changes in the order of time; what was run on the same day in the same way is one change."""
        together: dict[tuple[float, tuple[str, ...]], list[tuple[Member, Mapping[str, Any]]]] = {}
        for member in members:
            for ago, steps, how in member.past:
                together.setdefault((round(ago), steps), []).append((member, how))
        for (ago, steps), some in sorted(together.items(), key=lambda one: -one[0][0]):
            at = NOW - timedelta(days=ago, hours=2)
            names = [member.name for member, _ in some]
            asked = {"servers": names, "mode": some[0][1].get("mode", "apply"), "ticket": "CHG-1", "who": WHO}
            change = store.new_change(at, asked)
            for member, how in some:
                Writer(store, change, member, at).write(steps, how)


def _past(member: Member, rng: random.Random) -> Iterator[tuple[float, tuple[str, ...], Mapping[str, Any]]]:
    yield member.renewed, STEP_IDS, {}
    ago = rng.randint(0, 3)
    if member.fate == "waiting":
        yield rng.randint(1, 12), STEP_IDS[:2], {"status": Status.WAITING}
    elif member.fate in ("blocked", "failed", "unknown"):
        step = {"blocked": 3, "failed": 4, "unknown": 4}[member.fate]
        yield ago, STEP_IDS[:step], {"status": Status(member.fate)}
    elif member.fate == "planned":
        yield ago, STEP_IDS, {"status": Status.PLANNED, "mode": "plan"}
    elif member.fate == "half":
        yield ago, STEP_IDS[:4], {}
    elif member.fate == "back":
        yield max(0, min(ago, member.renewed - 1)), ("rollback",), {}


def _site(site: str, members: list[Member]) -> dict[str, Any]:
    servers = [
        {
            "name": one.name,
            "address": f"{one.name.lower()}.{site}.example.net",
            "fqdn": one.fqdn,
            "roles": ["receive", "send"],
            "endpoints": [f"{one.fqdn}:25"],
            "logon": {"credential": "exchange-admin"},
        }
        for one in members
    ]
    return {**SITE, "name": site, "servers": servers}


@dataclass
class Writer:
    """Writes attempts of one server in one change, as the recording does."""

    store: RunStore
    change: str
    member: Member
    at: datetime

    def write(self, steps: tuple[str, ...], how: Mapping[str, Any]) -> None:
        """Write one attempt of each step; the last one ends as ``how`` says."""
        for at, step in enumerate(steps):
            last = at == len(steps) - 1 and "status" in how
            number = 8 if step == "rollback" else at + 1
            status = how["status"] if last or how.get("mode") == "plan" else self._good(step)
            self._attempt(step, number, status, str(how.get("mode", "apply")), at)

    def _good(self, step: str) -> Status:
        return Status.UNCHANGED if step in ("confirm", "verify") else Status.CHANGED

    def _attempt(self, step: str, number: int, status: Status, mode: str, minute: int) -> None:
        attempt = self.store.attempt(self.change, self.member.name, step, number)
        started = self.at + timedelta(minutes=minute)
        state = state_of(self.member, pending=self._pending(step, status), at=started)
        names = ["before.json"]
        attempt.write("before.json", readable_json({"at": utc_text(started), "state": to_data(state)}))
        if status in (Status.CHANGED, Status.WAITING):
            names.append("after.json")
            after = {"at": utc_text(started + timedelta(seconds=4)), "state": to_data(state)}
            attempt.write("after.json", readable_json(after))
        self._transcript(attempt, step, started, state)
        record = self._record(attempt, step, status, mode, started)
        attempt.write("record.json", readable_json(replace(record, files=(*names, "transcript.jsonl")).data()))

    def _pending(self, step: str, status: Status) -> bool:
        return step == "request" and status is Status.WAITING

    def _transcript(self, attempt: AttemptFolder, step: str, started: datetime, state: ServerState) -> None:
        lines = [{"seq": 1, "at": utc_text(started), "event": "started", "step": step}]
        for one in state.certificates:
            if one.pending and step == "request":
                key = read_csr(one.request).spki_sha256
                facts = {"event": "submitted", "key": key, "receipt": f"outbox/{key}/{self.member.name.lower()}.csr"}
                lines.append({"seq": 2, "at": utc_text(started), **facts})
        for line in lines:
            attempt.append(line, durable=False)

    def _record(self, attempt: AttemptFolder, step: str, status: Status, mode: str, started: datetime) -> Record:
        findings, summary, todo = _told(step, status)
        return Record(
            site=self.store.folder.name,
            server=self.member.name,
            step=step,
            change=self.change,
            attempt=attempt.number,
            mode=mode,
            status=status,
            summary=summary,
            todo=todo,
            started=utc_text(started),
            finished=utc_text(started + timedelta(seconds=5)),
            who=WHO,
            why={"ticket": "CHG-1", "reason": "renewal"},
            tool={"package": "0.1.0", "python": "3.13.0"},
            server_facts={"name": self.member.name, "product": "SE", "role": "Mailbox"},
            findings=tuple(to_data(finding) for finding in findings),
            plan=plan_data(_plan()) if status is not Status.UNCHANGED else {},
            commands=tuple(_sent(status) for _ in range(12)),
            facts=to_data(self._facts(step)),
        )

    def _facts(self, step: str) -> dict[str, Any]:
        if step != "verify":
            return {"names": (self.member.fqdn,)}
        shown = state_of(self.member, at=self.at).certificates[-1]
        probe = ProbeFacts(f"{self.member.fqdn}:25", "192.0.2.25:25", ProbeOutcome.TLS, protocol="TLSv1.2")
        row = handshake(probe) | {
            "thumbprint": shown.thumbprint,
            "issuer": shown.issuer,
            "valid until": shown.not_after,
        }
        return {"endpoints": [row], "activated": shown.thumbprint}


def _told(step: str, status: Status) -> tuple[tuple[Finding, ...], str, str]:
    if status is Status.WAITING:
        return (
            (),
            "waiting for the answer of the authority (folder)",
            "run the same change again when the CA has answered",
        )
    if status is Status.BLOCKED:
        text = "the CA's reply lacks the name smtp.example.net"
        return (Finding("missing-names", Severity.REFUSE, text, "ask the CA for a new one"),), text, "ask the CA"
    if status is Status.FAILED:
        return (
            (),
            "Enable-ExchangeCertificate: the RPC server is unavailable",
            "see that the server is up; run it again",
        )
    if status is Status.UNKNOWN:
        return (), "the session ended after a change was sent", "run the step again: it looks at the server first"
    return (), f"{step} is as the site file says", ""


def _plan() -> Plan:
    command = Command.of("Set-ReceiveConnector", Identity="MBX1\\Default Frontend MBX1", TlsCertificateName="<I>a<S>b")
    change = Change("receive connector MBX1\\Default Frontend MBX1", "TlsCertificateName", None, "<I>a<S>b")
    return Plan((PlanItem("Let the connector name the certificate", (command,), (change,), Reverse(((command,),))),))


def _sent(status: Status) -> SentCommand:
    text = "Get-ReceiveConnector -Server 'MBX1' | Select-Object Identity,Fqdn,Bindings,TlsCertificateName,AuthMechanism"
    return SentCommand(text, ("Get-ReceiveConnector",), status is Status.CHANGED, utc_text(NOW), 0.041, "ok")


def csr_pem(fqdn: str) -> str:
    """Give a CSR for a name, with a fresh key."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, fqdn)])
    names = x509.SubjectAlternativeName([x509.DNSName(fqdn)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name).add_extension(names, critical=False)
    signed = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(Encoding.PEM).decode("ascii")


def state_of(member: Member, at: datetime = NOW, *, pending: bool = False) -> ServerState:
    """Give a member's state: its default certificate, the one before, the newest one last; or with a request."""
    mark = f"{member.site}{member.number}".encode().hex().upper()
    newest = _issued(member, f"{mark}A", member.ends, member.lives)
    before = _issued(member, f"{mark}B", member.ends - timedelta(days=member.lives - 20), member.lives)
    held: list[ExchangeCertificate] = [before, newest] if before.not_after > at else [newest]
    if pending:
        request = csr_pem(member.fqdn)
        held.insert(0, certificate(status="PendingRequest", thumbprint=f"{mark:0<40}"[:39] + "C", request=request,
                                   self_signed=True, not_before=at, tls_certificate_name=""))  # fmt: skip
    default = default_certificate(not_after=NOW + timedelta(days=1500), raw=b"\x30" * 820)
    named = newest.tls_certificate_name if member.fate != "stale" else "<I>CN=Good CA TLS R3<S>CN=" + member.fqdn
    senders = tuple(
        send(f"TLS {kind} {member.name}", space, source_transport_servers=(member.name,), tls_certificate_name=named)
        for kind, space in (("required", "partner.com"), ("default", "*"))
    )
    own = receive(f"Default Frontend {member.name}", identity=f"{member.name}\\Default Frontend {member.name}",
                  fqdn=member.fqdn, tls_certificate_name=newest.tls_certificate_name)  # fmt: skip
    more = tuple(
        receive(f"{kind} {member.name}", identity=f"{member.name}\\{kind} {member.name}", permission_groups=frozenset())
        for kind in ("Client Frontend", "Client Proxy", "Default", "Outbound Proxy Frontend")
    )
    return make_state(
        *held,
        name=member.name,
        fqdn=f"{member.name.lower()}.corp.example.net",
        certificates=(default, *held),
        internal_transport_thumbprint=DEFAULT,
        receive_connectors=(own, *more),
        send_connectors=senders,
        is_edge=False,
        role="Mailbox",
    )


def _issued(member: Member, mark: str, ends: datetime, lives: int) -> ExchangeCertificate:
    return certificate(
        thumbprint=f"{mark:0<40}"[:39] + mark[-1],
        subject=f"CN={member.fqdn}",
        issuer=ISSUER,
        names=(member.fqdn,),
        not_before=ends - timedelta(days=lives),
        not_after=ends,
        services=frozenset({"SMTP"}),
        raw=b"\x30" * 1100,
    )
