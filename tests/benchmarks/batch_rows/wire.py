"""What goes over the wire: WinRM requests per cmdlet, and how often PowerShell starts."""

from __future__ import annotations

import tomllib

from tests.benchmarks.batch_rows.measuring import Bench, Row

_CALLS = 5


def wire_row(made: Bench) -> Row:
    """Count what the lab saw of a run over its first site, and what pywinrm's own session makes of a cmdlet."""
    site = made.sites[0].stem
    counters = [counted for (name, _), counted in made.lab.counters().items() if name == site]
    requests, cmdlets = sum(one.requests for one in counters), sum(one.cmdlets.total() for one in counters)
    starts = sorted({one.powershell_starts for one in counters})
    theirs = _run_ps(made)
    ratio = requests / cmdlets
    return Row(
        "wire",
        "WinRM requests per executed cmdlet, and PowerShell starts per server and run",
        "pywinrm.Session.run_ps per cmdlet",
        "2.2 or less; exactly 1",
        f"{ratio:.2f} (logon included), the rival {theirs:.1f}; starts {starts}",
        ratio <= 2.2 and starts == [1],
        {"requests": requests, "cmdlets": cmdlets, "starts": starts, "requests per run_ps": theirs},
    )


def _run_ps(made: Bench) -> float:
    """Give the requests per call of a session that is used again and again: each call has a shell of its own."""
    import winrm  # noqa: PLC0415

    data = tomllib.loads(made.sites[1].read_text(encoding="utf-8"))
    server = data["servers"][0]
    credentials = tomllib.loads((made.sites[1].parent / data["credentials"]["file"]).read_text(encoding="utf-8"))
    who = credentials[server["logon"]["credential"]]
    session = winrm.Session(
        f"https://{server['address']}:{server['logon']['port']}/wsman",
        auth=(who["user"], who["password"]),
        transport="ntlm",
        ca_trust_path=server["logon"]["ca_file"],
    )
    key = made.sites[1].stem, server["name"]
    before = made.lab.counters()[key].requests
    for _ in range(_CALLS):
        session.run_ps("Get-ExchangeServer")  # the lab runs no script but ours: what counts is the way there and back
    return (made.lab.counters()[key].requests - before) / _CALLS
