"""What is known of each server: from the evidence at once, and by a look at the server and its endpoints when asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from typing import Any

from tlsrunbook.certificates.facts import certificate_facts
from tlsrunbook.errors import BadCertificateFile
from tlsrunbook.evidence.data import utc_text
from tlsrunbook.evidence.fleet_certificates import held_certificates
from tlsrunbook.evidence.fleet_endpoints import endpoints_seen
from tlsrunbook.evidence.fleet_model import OnRecord
from tlsrunbook.evidence.parts import html_table
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.ports import Prober
from tlsrunbook.site import Server, Site
from tlsrunbook.smtp.facts import ProbeFacts
from tlsrunbook.steps.model import Seen

_HEADS = ("server", "roles", "Exchange", "certificate", "seen", "valid until", "days left", "as of")


@dataclass(frozen=True)
class Known:
    """One row: a certificate that a server is known to show, or to have.

    Args:
        exchange: Product, version and role; empty while the server was never read.
        certificate: Its thumbprint and issuer, or why there is none to name.
        seen: Where: ``on the wire at mx1.example.net:25``, ``installed``.
        ends: UTC; None when nobody knows.
        at: When that was seen, UTC; None when it never was.
    """

    server: str
    roles: str
    exchange: str
    certificate: str
    seen: str
    ends: datetime | None
    at: datetime | None

    def cells(self, now: datetime) -> tuple[str, ...]:
        """Give the row's texts."""
        ends = self.ends.date().isoformat() if self.ends else ""
        left = "" if self.ends is None else str((self.ends - now).days)
        at = utc_text(self.at)[:16].replace("T", " ") if self.at else "never"
        return (self.server, self.roles, self.exchange, self.certificate, self.seen, ends, left, at)


def known_of(site: Site, server: Server, found: OnRecord, now: datetime) -> tuple[Known, ...]:
    """Give what the evidence has of a server: what its endpoints showed last, else what is installed for its FQDN."""
    about = (server.name, ", ".join(sorted(server.roles)), _exchange(found.state))
    rows = tuple(
        Known(*about, one.thumbprint or one.what, f"on the wire at {one.endpoint}", one.ends, one.at)
        for one in endpoints_seen(server, found)
        if one.at is not None
    )
    if rows:
        return rows
    held = [one for one in held_certificates(site, server, found, now) if one.for_fqdn]
    if held:
        return tuple(Known(*about, one.thumbprint, one.where.value, one.ends, found.read_at) for one in held)
    text = f"none for {server.fqdn}" if found.state else "not known yet: look at it now"
    return (Known(*about, text, "", None, found.read_at),)


def looked_at(server: Server, seen: Seen, probes: Sequence[ProbeFacts], now: datetime) -> tuple[Known, ...]:
    """Give what was seen just now."""
    about = (server.name, ", ".join(sorted(server.roles)), _exchange(seen.state))
    if not probes:
        return (Known(*about, "no endpoint to look at from outside", "", None, now),)
    return tuple(_shown(about, probe, now) for probe in probes)


def _shown(about: tuple[str, str, str], probe: ProbeFacts, now: datetime) -> Known:
    where = f"on the wire at {probe.endpoint}"
    try:
        leaf = certificate_facts(probe.chain[0]) if probe.chain else None
    except BadCertificateFile:
        leaf = None
    if leaf is None:
        return Known(*about, f"{probe.outcome.value} {probe.detail}".strip(), where, None, now)
    return Known(*about, leaf.thumbprint, where, leaf.not_after, now)


def _exchange(state: ServerState | None) -> str:
    if state is None:
        return ""
    return f"{state.version.product or 'Exchange'} {state.version}, {state.role}"


def probes_of(server: Server, prober: Prober) -> tuple[ProbeFacts, ...]:
    """Look at a server's endpoints from outside."""
    endpoints = server.endpoints if "receive" in server.roles else ()
    return tuple(facts for endpoint in endpoints for facts in prober.probe(endpoint, server.fqdn))


@dataclass(frozen=True, repr=False)
class KnownShown:
    """The servers of a site as an ordinary output."""

    site: str
    rows: tuple[Known, ...]
    now: datetime = field(compare=False)  # a second more is no other output
    chosen: str = ""
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        lines = [f"Servers of site {self.site}"]
        for row in self.rows:
            pairs = zip(_HEADS, row.cells(self.now), strict=True)
            mark = "▸" if row.server == self.chosen else " "
            lines.append(f"{mark} " + ", ".join(f"{head} {text}" for head, text in pairs if text))
        return "\n".join([*lines, *self.notes])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        del include, exclude
        cells = [row.cells(self.now) for row in self.rows]
        marked = [(f"▸ {one[0]}" if one[0] == self.chosen else one[0], *one[1:]) for one in cells]
        table = html_table(_HEADS, marked, f"Servers of site {self.site}", narrow=(0, 5, 6, 7))
        notes = "".join(f'<p style="margin:2px 0;overflow-wrap:anywhere">{escape(note)}</p>' for note in self.notes)
        return {"text/html": f"<div>{table}{notes}</div>", "text/plain": repr(self)}
