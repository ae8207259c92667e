"""Which records of ``verify`` prove a certificate on the wire."""

from __future__ import annotations

from tlsrunbook.evidence.record import Record, Status


def shows_activated(record: Record) -> bool:
    """Whether a record is a successful verification in mode ``apply`` whose every endpoint showed the certificate."""
    endpoints = record.facts.get("endpoints") or ()
    return (
        record.step == "verify"
        and record.mode == "apply"
        and record.status is Status.UNCHANGED
        and bool(record.facts.get("activated"))
        and bool(endpoints)
        and all(row.get("thumbprint") == record.facts["activated"] for row in endpoints)
    )
