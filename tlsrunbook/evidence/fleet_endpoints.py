"""What each endpoint showed when somebody last looked at it from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tlsrunbook.evidence.fleet_certificates import moment
from tlsrunbook.evidence.fleet_model import EndpointSeen, OnRecord
from tlsrunbook.evidence.record import Record
from tlsrunbook.site import Server

#: Steps after which the wire may show something else than before.
_ALTERS_THE_WIRE = frozenset({"install", "activate", "retire", "rollback"})
_WRONG = frozenset({"error", "refuse"})


def endpoints_seen(server: Server, found: OnRecord) -> tuple[EndpointSeen, ...]:
    """Give every endpoint of the site file as it was seen last, one row per address it was seen at."""
    wanted = server.endpoints if "receive" in server.roles else ()
    verify = found.verify
    if verify is None:
        return tuple(_never(endpoint) for endpoint in wanted)
    seen: list[EndpointSeen] = []
    for endpoint in wanted:
        rows = [row for row in verify.facts.get("endpoints", ()) if row.get("endpoint") == endpoint]
        seen += [_seen(found, verify, row) for row in rows] or [_never(endpoint)]
    return tuple(seen)


def _never(endpoint: str) -> EndpointSeen:
    return EndpointSeen(endpoint, what="nobody has looked at it yet")


def _seen(found: OnRecord, verify: Record, row: Mapping[str, Any]) -> EndpointSeen:
    endpoint, address = str(row.get("endpoint", "")), str(row.get("address", ""))
    wrong = _wrong(verify.findings, endpoint, address)
    later = _altered_since(found, verify)
    doubt = f"seen before {later} changed the server" if later else ""
    return EndpointSeen(
        endpoint=endpoint,
        address="" if address == endpoint else address,
        at=moment(verify.finished),
        result=f"{row.get('result', '')} {row.get('protocol', '')}".strip(),
        thumbprint=str(row.get("thumbprint", "")),
        ends=moment(row.get("valid until")),
        ok=not wrong and bool(row.get("thumbprint")) and not later,
        outdated=bool(later),
        what="; ".join((*wrong, doubt) if doubt else wrong)
        or ("" if row.get("thumbprint") else str(row.get("detail"))),
        change=verify.change,
    )


def _wrong(findings: Sequence[Mapping[str, str]], endpoint: str, address: str) -> tuple[str, ...]:
    targets = {f"endpoint {endpoint}", f"endpoint {endpoint} at {address}"}
    return tuple(one["message"] for one in findings if one["severity"] in _WRONG and one.get("target") in targets)


def _altered_since(found: OnRecord, verify: Record) -> str:
    """Give the last step that changed the server after it was looked at; empty when none did."""
    later = [
        record
        for step, record in found.latest.items()
        if step in _ALTERS_THE_WIRE
        and record.mode == "apply"
        and record.status.value in ("changed", "unknown", "failed")
        and any(command.changes for command in record.commands)
        and record.finished > verify.finished
    ]
    return max(later, key=lambda record: record.finished).step if later else ""
