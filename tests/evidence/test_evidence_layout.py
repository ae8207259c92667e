"""Names of evidence files."""

from __future__ import annotations

from tlsrunbook.evidence import layout


def test_names_are_what_auditors_were_told_and_differ_from_each_other() -> None:
    names = {layout.CHANGE, layout.RECORD, layout.TRANSCRIPT, layout.BEFORE, layout.AFTER, layout.PLAN}
    assert layout.REMEMBERED == "remembered.json"
    assert names == {"change.json", "record.json", "transcript.jsonl", "before.json", "after.json", "plan.json"}
