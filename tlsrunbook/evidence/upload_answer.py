"""The answer to somebody who gave a file as the CA's answer."""

from __future__ import annotations

from tlsrunbook.evidence.answers import Answer
from tlsrunbook.evidence.cards import Section, certificate_table
from tlsrunbook.policy.upload import Inspection

_SIGNS = {"refuse": "⊘", "error": "✗", "warning": "!", "info": "i"}


def upload_answer(inspection: Inspection, names: str, place: str = "") -> Answer:
    """Say what a file is and what became of it.

    Args:
        inspection: What was seen.
        names: The files' names, as they were given.
        place: Where it was put; empty when it was put nowhere.
    """
    sections = [_contents(inspection)] if inspection.rows else []
    if inspection.findings:
        rows = [
            (f"{_SIGNS[one.severity.value]} {one.severity.value}", one.rule, one.message, one.todo)
            for one in inspection.findings
        ]
        sections.append(Section("Findings", ("", "rule", "what was seen", "what to do"), rows, narrow=(0, 1)))
    if inspection.accepted and place:
        title = f"The CA's answer was taken: {names}"
        todo = "where step 2 still waits, press its “Look for the answer”; then Plan here shows what will be sent"
        return Answer("good", title, f"{inspection.message}. It lies in {place}.", todo, sections)
    return Answer("bad", f"Refused, and nothing was kept: {names}", inspection.message, inspection.todo, sections)


def _contents(inspection: Inspection) -> Section:
    note = ". ".join(f"{name.capitalize()}: {value}" for name, value in inspection.facts.items())
    return certificate_table("What is in it", inspection.rows, note)
