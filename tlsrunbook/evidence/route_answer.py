"""The answer to: which connector will mail to this domain take?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tlsrunbook.errors import UsageError
from tlsrunbook.evidence.answers import Answer
from tlsrunbook.evidence.cards import Section
from tlsrunbook.evidence.record import Record, Status
from tlsrunbook.plan.asked_domain import asked_domain
from tlsrunbook.plan.connector_rows import NOW, THEN, answer_from
from tlsrunbook.plan.route import tls_of

_FACT = "send connectors"


def connector_tables(record: Record | None) -> dict[str, list[Mapping[str, Any]]]:
    """Give the send connectors that a record of the step connectors has, by the server that sends through them."""
    facts = record.facts if record else {}
    tables = {name: rows for name, rows in facts.items() if name == _FACT or name.startswith(f"{_FACT} of ")}
    server = record.server if record else ""
    return {name.removeprefix(_FACT).removeprefix(" of ") or server: list(rows) for name, rows in tables.items()}


def route_answer(record: Record, typed: str) -> Answer:
    """Answer for the state as it was when the step looked, and as it will be, or is, after it.

    Args:
        record: The newest one of the step connectors that has send connectors.
        typed: A mail domain, or a mail address.
    """
    try:
        domain = asked_domain(typed)
    except UsageError as error:
        return Answer("bad", f"Which connector? {error.what}.", todo=error.todo)
    labels = {NOW: "before the step", THEN: "now"} if record.status is Status.CHANGED else {NOW: "now", THEN: "after"}
    told, sections = [], []
    for server, table in connector_tables(record).items():
        rows = []
        for when, label in labels.items():
            answer, tls = answer_from(table, when, domain, server)
            rows.append((label, answer.taken.name if answer.taken else "none", tls, answer.because))
            rows += [("", f"not {name}", "", why) for name, why in answer.others]
        told.append(_sentence(domain, server, rows))
        sections.append(Section(f"Why, on {server}", ("", "connector", "TLS", "because"), rows, narrow=(0,)))
    if not told:
        return Answer("plain", "Which connector? Nothing is known yet.", todo="press Plan on this card first")
    seen = f"As the step saw the send connectors at {record.finished}."
    return Answer("plain", " ".join(told), seen, sections=sections)


def _sentence(domain: str, server: str, rows: list[tuple[str, str, str, str]]) -> str:
    first, second = (row for row in rows if row[0])
    if first[1:3] == second[1:3]:
        return f"Mail from {server} to {domain} takes {_taken(first)}, {first[0]} and {second[0]}."
    return f"Mail from {server} to {domain} takes {_taken(first)} {first[0]}, and {_taken(second)} {second[0]}."


def _taken(row: tuple[str, str, str, str]) -> str:
    return f"{row[1]} (TLS {row[2]})" if row[2] != tls_of(None) else "no connector (it stays in the Unreachable queue)"
