"""A fleet with a past, as evidence on disk: real site files, records, states and transcripts, only without servers."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import tomli_w

from tests.support.members import NOW, Member, state_of
from tests.support.states import SITE
from tlsrunbook.adapters.attempt_folder import AttemptFolder
from tlsrunbook.adapters.store import RunStore
from tlsrunbook.certificates.csr import read_csr
from tlsrunbook.evidence.data import readable_json, to_data, utc_text
from tlsrunbook.evidence.record import Record, SentCommand, Status, plan_data
from tlsrunbook.exchange.command import Command
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.plan.model import Change, Plan, PlanItem, Reverse
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.smtp.facts import ProbeFacts, ProbeOutcome
from tlsrunbook.steps.registry import STEP_IDS
from tlsrunbook.steps.verify import handshake

CITIES = ("london", "paris", "oslo", "madrid", "vienna", "prague", "lisbon", "dublin", "athens", "zurich")
WHO = {"user": "alice", "host": "ws1", "process": "7"}

#: How servers of a made-up fleet stand, and how many of a hundred.
FATES: Mapping[str, int] = {
    "fine": 66, "soon": 6, "expired": 1, "waiting": 8, "blocked": 2, "failed": 3, "unknown": 1, "stale": 3,
    "untouched": 3, "planned": 3, "half": 3, "back": 1,
}  # fmt: skip


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
