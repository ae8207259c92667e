"""Every version of Exchange x role x step on the lab, and the table that the docs show of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.support.change import STEPS, Change
from tlsrunbook.evidence.record import Record
from tlsrunbook.lab.exchange.builds import Build
from tlsrunbook.lab.lab import Lab

DOC = Path(__file__).resolve().parents[2] / "docs" / "versions.md"
BEGIN, END = "<!-- versions: begin -->", "<!-- versions: end -->"

#: The first and the last build of each product, and both sides of every boundary that the facts name.
BUILDS = (
    "8.3.83.6",
    "8.3.517.0",
    "14.3.123.4",
    "14.3.513.0",
    "15.0.516.32",
    "15.0.847.32",
    "15.0.1497.48",
    "15.1.225.42",
    "15.1.2375.7",
    "15.1.2507.6",
    "15.1.2507.75",
    "15.2.221.12",
    "15.2.986.5",
    "15.2.1118.7",
    "15.2.1748.53",
    "15.2.2562.17",
    "15.2.2562.53",
)

HEADER = (
    "Exchange",
    "build",
    "role",
    "CSR comes as",
    "certificate goes in by",
    "a connector names it by",
    "default SMTP certificate",
    "is read with",
    *STEPS,
)


def run_all(build: str, folder: Path) -> dict[str, list[Record]]:
    """Run the six steps on a lab of this build, with the site file the lab writes; gives the records by server."""
    with Lab(version=build) as lab:
        change = Change(lab, folder)
        (site,) = lab.plan
        return {server.name: change.apply(server.name) for server in site.servers}


def servers_of(build: str) -> tuple[str, ...]:
    """Give the servers of a lab of this build: an Edge and a Mailbox server where it has both roles."""
    return ("EDGE1", "MBX1") if Build.of(build).has_edge else ("MBX1", "MBX2")


def row(build: str, server: str, records: Sequence[Record]) -> str:
    """Give the table's line for one server: what was sent, and how each step ended."""
    product = Build.of(build).product
    hub = "Hub Transport" if product in ("2007", "2010") else "Mailbox"
    status = {record.step: record.status.value for record in records}
    cells = (
        product,
        build,
        "Edge Transport" if server.startswith("EDGE") else hub,
        "a file (`-Path`)" if "-Path" in sent(records, "New-ExchangeCertificate") else "text",
        "`-Path`" if "-Path" in sent(records, "Import-ExchangeCertificate") else "`-FileData`",
        named_by(records),
        "kept" if sent(records, "Enable-ExchangeCertificate").count("Enable-") == 2 else "replaced",
        "`Get-TransportServer`" if sent(records, "Get-TransportServer") else "`Get-TransportService`",
        *(status.get(step, "-") for step in STEPS),
    )
    return f"| {' | '.join(cells)} |"


def sent(records: Sequence[Record], cmdlet: str) -> str:
    """Give all texts that were sent of one cmdlet, one to a line."""
    return "\n".join(c.text for record in records for c in record.commands if cmdlet in c.cmdlets)


def named_by(records: Sequence[Record]) -> str:
    """Say how a receive connector is told which certificate to show."""
    if "-TlsCertificateName" in sent(records, "Set-ReceiveConnector"):
        return "`TlsCertificateName`"
    return "`Fqdn` of its own connector" if sent(records, "New-ReceiveConnector") else "`Fqdn`"


def table(rows: Sequence[str]) -> str:
    """Give the whole table."""
    return "\n".join([f"| {' | '.join(HEADER)} |", f"|{'---|' * len(HEADER)}", *rows])


def rows_in_docs() -> tuple[str, ...]:
    """Give the lines of the table that the docs show, without its head."""
    lines = DOC.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].strip().splitlines()
    return tuple(lines[2:])
