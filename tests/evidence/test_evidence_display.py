"""How a record is shown: nothing in it can become markup, nothing of it is left out, nothing secret shows."""

from __future__ import annotations

import json
import re
from html import escape
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from record_samples import MARKER, a_record

from tlsrunbook.evidence.display import SIGNS, Shown, html, planned_text, shown, text
from tlsrunbook.evidence.record import MEDIA_TYPE, Record, Status

SCRIPT = "<script>alert('x')</script>\"><img src=x onerror=y>&amp;"
TAGS = {"div", "p", "strong", "span", "table", "caption", "thead", "tbody", "tr", "th", "td", "details", "summary",
        "pre"}  # fmt: skip


class Reader(HTMLParser):
    """Collects the tags and the text, and checks that every tag is closed in order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(markup: str) -> Reader:
    reader = Reader()
    reader.feed(markup)
    reader.close()
    assert reader.open == []
    return reader


def both(record: Record, folder: str = "runs/london") -> tuple[str, str]:
    return "".join(read(html(record, "Send connectors", folder)).words), text(record, "Send connectors", folder)


@pytest.mark.parametrize("sent", [True, False])
def test_a_script_in_any_text_is_text(sent: bool) -> None:
    record = a_record(SCRIPT, sent=sent)
    reader = read(html(record, f"title{SCRIPT}", f"folder{SCRIPT}"))
    assert reader.tags <= TAGS
    assert reader.attributes <= {"style", "scope", "open"}
    for part in ("title", "folder", "summary", "what to do", "EDGE1", "london", "message", "send connector", "routes"):
        assert any((part + SCRIPT).lower() in word.lower() for word in reader.words), part


@given(st.text())
def test_no_text_whatever_becomes_markup(anything: str) -> None:
    reader = read(html(a_record(anything), anything, anything))
    assert reader.tags <= TAGS


def test_findings_changes_facts_and_commands_are_all_there() -> None:
    record = a_record()
    for rendering in both(record):
        for finding in record.findings:
            assert finding["rule"] in rendering
            assert finding["message"] in rendering
        for word in ("send connector", "RequireTLS", "<later>", "summary", "what to do", "Set-X"):
            assert word in rendering
        for word in ("thumbprint", "AA", "n, m", "<thing>", "domain", "other"):
            assert word in rendering
        assert "mode apply, change 20261124-120000-ab12, attempt 2" in rendering
        assert "evidence in runs/london" in rendering


def test_what_was_sent_is_shown_with_its_outcome_and_reads_are_not() -> None:
    markup, plain = both(a_record())
    assert "PowerShell that was sent" in markup
    assert "✗ answered with an error after 1.2 s: words; more" in markup
    assert "Get-X" not in markup + plain


def test_what_would_be_sent_is_shown_when_nothing_was() -> None:
    record = a_record(sent=False, status=Status.PLANNED)
    markup, plain = both(record)
    assert "PowerShell that would be sent" in markup
    assert len(planned_text(record)) == 2
    for line in planned_text(record):
        assert line in markup
        assert f"PS> {line}" in plain
    assert " | " in planned_text(record)[1]


def test_planned_and_made_changes_are_told_apart() -> None:
    assert "Changes made" in both(a_record())[0]
    assert "Changes planned" in both(a_record(status=Status.UNKNOWN))[0]


def test_a_rehearsal_says_so_before_anything_else() -> None:
    words = "REHEARSAL on a lab of sites/<london>.toml: no real server was touched"
    record = a_record(rehearsal="sites/<london>.toml")
    assert text(record, "Step", "").splitlines()[0] == words
    assert escape(words) in html(record, "Step", "")
    assert html(record, "Step", "").index("REHEARSAL") < html(record, "Step", "").index(record.server)
    assert "REHEARSAL" not in text(a_record(), "Step", "") + html(a_record(), "Step", "")


@pytest.mark.parametrize("status", Status)
def test_every_status_has_a_sign_a_word_and_a_colour(status: Status) -> None:
    record = a_record(status=status)
    markup = html(record, "t", "")
    assert len(SIGNS[status]) == 1
    assert f"{SIGNS[status]}</span> {status.value}</strong>" in markup  # the sign is coloured, the word is not
    assert f"{SIGNS[status]} {status.value}" in text(record, "t", "").splitlines()[0]
    assert re.search(r"border-left:5px solid #[0-9a-f]{6};", markup)


def test_signs_differ_where_the_meaning_does() -> None:
    assert len(set(SIGNS.values())) == len(Status)


def test_no_secret_shows_anywhere() -> None:
    for sent in (True, False):
        bundle = Shown(a_record(sent=sent), "t", "")._repr_mimebundle_()
        assert MARKER not in json.dumps(bundle)


def test_the_bundle_carries_the_record_itself_and_is_json() -> None:
    record = a_record()
    bundle = Shown(record, "t", "f")._repr_mimebundle_()
    assert bundle.keys() == {"text/html", "text/plain", MEDIA_TYPE}
    assert bundle[MEDIA_TYPE] == record.data()
    assert json.loads(json.dumps(bundle)) == bundle


def test_a_bare_record_is_shown_without_empty_tables() -> None:
    bare = a_record(findings=(), plan={}, commands=(), facts={}, todo="", error=None)
    markup = html(bare, "t", "")
    assert "<table" not in markup
    assert "<details" not in markup
    assert "What to do" not in markup
    assert len(text(bare, "t", "").splitlines()) == 3


def test_lines_of_a_csr_stay_lines() -> None:
    pem = "-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n"
    markup = html(a_record(facts={"CSR": pem}), "t", "")
    cell = re.search(r'<td style="([^"]*)">-----BEGIN', markup)
    assert cell
    assert "white-space:pre-wrap" in cell[1]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "-"),
        ("", "-"),
        ([], "-"),
        (0, "0"),
        (True, "yes"),
        (False, "no"),
        (["a", None], "a, -"),
        ({"later": "the thumbprint"}, "<the thumbprint>"),
        ({"a": True, "b": ["c"]}, "a: yes, b: c"),
    ],
)
def test_values_in_words(value: Any, words: str) -> None:
    assert shown(value) == words
