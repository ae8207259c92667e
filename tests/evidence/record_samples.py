"""Records for tests, made the way the recording makes them."""

from __future__ import annotations

from typing import Any

from tlsrunbook.evidence.data import to_data
from tlsrunbook.evidence.record import Record, SentCommand, Status, plan_data, plan_digest
from tlsrunbook.exchange.command import Command, Later
from tlsrunbook.plan.model import Change, Compensate, Irreversible, Plan, PlanItem, Reverse, Submit
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.secret import Secret

MARKER = "s3cret-marker-7f1c"


def a_plan(mark: str = "") -> Plan:
    """One item of each kind; ``mark`` stands in every text."""
    command = Command.of("Set-SendConnector", Identity=f"TLS{mark}", SmartHosts=(f"a{mark}",), RequireTLS=True)
    secret = Command.of("Import-ExchangeCertificate", FileData=b"\x30\x82", Password=Secret(MARKER))
    change = Change(f"send connector{mark}", f"RequireTLS{mark}", (f"x{mark}",), Later(f"later{mark}"))
    return Plan(
        (
            PlanItem(f"why{mark}", (command,), (change,), Reverse(((command,),))),
            PlanItem(f"why two{mark}", (secret, command), (change,), Compensate(((command,),), f"note{mark}")),
            PlanItem(f"hand over{mark}", Submit("folder", Later("the CSR")), (change,), Irreversible(f"no{mark}")),
        ),
        f"the CA{mark}",
    )


def a_record(mark: str = "", status: Status = Status.CHANGED, *, sent: bool = True, **changes: Any) -> Record:
    """A full record; ``mark`` stands in every text that comes from outside."""
    findings = [
        to_data(Finding(f"rule-{severity.value}{mark}", severity, f"message{mark}", f"todo{mark}", f"target{mark}"))
        for severity in Severity
    ]
    commands = (
        SentCommand(f"Get-X{mark}", ("Get-X",), False, "2026-11-24T12:00:00.000Z", 0.1, "ok"),
        SentCommand(
            f"Set-X{mark}",
            ("Set-X",),
            True,
            "2026-11-24T12:00:01.000Z",
            1.234,
            "error",
            (f"words{mark}", f"more{mark}"),
        ),
    )
    facts = {
        f"thumbprint{mark}": f"AA{mark}",
        f"later{mark}": Later(f"thing{mark}"),
        f"names{mark}": (f"n{mark}", f"m{mark}"),
        f"routes{mark}": [{f"domain{mark}": f"d{mark}", "cost": 1}, {f"other{mark}": f"o{mark}"}],
        "password": Secret(MARKER),
    }
    given: dict[str, Any] = {
        "site": f"london{mark}",
        "server": f"EDGE1{mark}",
        "step": "connectors",
        "change": f"20261124-120000-ab12{mark}",
        "attempt": 2,
        "mode": "apply",
        "status": status,
        "summary": f"summary{mark}",
        "todo": f"what to do{mark}",
        "started": "2026-11-24T12:00:00.000Z",
        "finished": f"2026-11-24T12:00:09.000Z{mark}",
        "who": {"user": f"u{mark}", "host": "h", "process": "1"},
        "why": {"ticket": f"T-1{mark}", "reason": "renewal"},
        "tool": {"package": "1", "python": "3"},
        "server_facts": {"fqdn": f"f{mark}"},
        "findings": tuple(findings),
        "plan": plan_data(a_plan(mark)),
        "plan_digest": plan_digest(a_plan(mark)),
        "commands": commands if sent else commands[:1],
        "facts": to_data(facts),
        "files": ("plan.json", "record.json"),
        "error": {"code": "command-failed", "what": f"w{mark}", "where": "", "todo": ""},
    }
    return Record(**{**given, **changes})
