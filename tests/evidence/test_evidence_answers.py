"""What a card answers: one sentence first, a sign beside the colour, and nothing in it becomes markup."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from record_samples import a_record
from test_evidence_display import SCRIPT, read

from tlsrunbook.evidence.answers import Answer
from tlsrunbook.evidence.cards import Section, certificate_table
from tlsrunbook.evidence.route_answer import connector_tables, route_answer
from tlsrunbook.evidence.upload_answer import upload_answer
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.policy.upload import Inspection


@pytest.mark.parametrize(("kind", "sign"), [("good", "✓"), ("bad", "✗"), ("plain", "i")])
def test_a_sign_and_a_sentence_lead(kind: str, sign: str) -> None:
    answer = Answer(kind, "It is so", "This was seen.", "do that", (Section("More", ("a", "b"), [("1", "2")]),))
    assert repr(answer).splitlines() == [
        f"{sign} It is so",
        "  This was seen.",
        "  What to do: do that",
        "  More:",
        "    1: 2",
    ]
    words = "".join(read(answer.html()).words)
    for part in (f"{sign} It is so", "This was seen.", "What to do: do that", "More"):
        assert part in words


@given(st.text(max_size=40))
def test_no_text_whatever_becomes_markup(anything: str) -> None:
    findings = tuple(Finding(anything, severity, anything, anything) for severity in Severity)
    row = {"place": anything, "what it is": anything, "thumbprint": anything}
    seen = Inspection((b"x",), anything, anything, {"order": anything}, (row,), findings)
    for answer in (upload_answer(seen, anything, anything), upload_answer(seen, anything), Answer("bad", anything)):
        assert read(answer.html()).tags <= {
            "div",
            "p",
            "span",
            "strong",
            "table",
            "caption",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
        }


def test_an_accepted_file_without_a_place_was_not_taken() -> None:
    seen = Inspection((b"x",), "It is the certificate")
    assert upload_answer(seen, "a.pem", "inbox/a.pem").kind == "good"
    assert upload_answer(seen, "a.pem").kind == "bad"


def test_few_certificates_stand_side_by_side_and_many_below_each_other() -> None:
    rows = [{"place": str(n), "what it is": f"kind {n}", "names": "", "thumbprint": f"AB{n}"} for n in range(1, 6)]
    few = certificate_table("Answer", rows[:3], "note")
    assert few.heads == ("", "place 1", "place 2", "place 3")
    assert [row[0] for row in few.rows] == ["what it is", "thumbprint"], "what none of them has is left out"
    many = certificate_table("Answer", rows, "note")
    assert many.heads == ("place", "what it is", "names", "thumbprint")
    assert len(many.rows) == 5


def test_without_send_connectors_on_record_there_is_no_answer_but_advice() -> None:
    record = a_record(step="connectors", facts={})
    assert connector_tables(record) == connector_tables(None) == {}
    answer = route_answer(record, "partner.example")
    assert (answer.kind, answer.todo) == ("plain", "press Plan on this card first")


def test_what_was_typed_is_shown_as_text() -> None:
    assert "<script" not in route_answer(a_record(step="connectors", facts={}), SCRIPT).html()
