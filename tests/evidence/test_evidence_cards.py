"""What is special about a step's display: everything is there, in HTML and text, and nothing in it becomes markup."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from record_samples import a_record
from test_evidence_display import SCRIPT, Reader, read

from tlsrunbook.evidence.cards import card_of
from tlsrunbook.evidence.display import html, text
from tlsrunbook.evidence.parts import AGREEMENT, html_download
from tlsrunbook.evidence.record import Record, Status

CSR = "-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n"


def facts_of(step: str, mark: str = "") -> dict[str, Any]:
    """The facts of each step with a card; ``mark`` stands in every text that comes from outside."""
    side = {"tls": f"required{mark}", "spaces": [f"SMTP:partner.com{mark};1"], "enabled": True, "scoped": False}
    now = {**side, "servers": [f"EDGE1{mark}"]}
    then = {**now, "spaces": [f"SMTP:partner.com{mark};1", "SMTP:*.bank.com;5"], "scoped": True}
    return {
        "request": {
            "CSR": CSR + mark,
            "TLSA records to publish early": [f"_25._tcp.mx1. IN TLSA 3 1 1 ab{mark}"],
            "what to tell the CA": [{"what": f"names{mark}", "tell the CA": f"mx1{mark}"}],
            "SHA-256 of the key": f"ab{mark}",
        },
        "install": {
            "the CA's answer": [
                {"place": "1", "what it is": f"leaf{mark}", "subject": f"CN=x{mark}", "thumbprint": "AB"}
            ],
            "order in it": f"leaf first{mark}",
            "chain to a root": f"x to root{mark}",
        },
        "connectors": {
            "send connectors": [
                {"connector": f"TLS required{mark}", "meant for": "required", "now": now, "then": then},
                {"connector": f"TLS never{mark}", "meant for": "never", "now": None, "then": now},
                {"connector": f"Other{mark}", "meant for": "", "now": now, "then": now},
            ],
            "send connectors of EDGE2": [
                {"connector": f"Second{mark}", "meant for": "opportunistic", "now": now, "then": None}
            ],
            "routes": [{"domain": f"partner.com{mark}", "will take": f"TLS required{mark}"}],
        },
        "verify": {
            "endpoints": [{"endpoint": f"mx1:25{mark}"}],
            "what the wire shows": [
                {
                    "endpoint": f"mx1:25{mark}",
                    "point": point,
                    "should be": f"s{mark}",
                    "wire shows": f"w{mark}",
                    "agree": a,
                }
                for point, a in (("names", "yes"), ("chain", "no"), ("TLSA", "unknown"), ("x", "nothing to compare"))
            ],
            "certificate by Exchange's rules, and on the wire": [
                {"receive connector": f"Default{mark}", "looks for": f"<I>i<S>s{mark}", "agree": "yes"}
            ],
            "how Exchange chooses": [
                {"receive connector": f"Default{mark}", "asked": "name", "certificate": "", "seen": f"seen{mark}"}
            ],
        },
    }[step]


STEPS = ("request", "install", "connectors", "verify")


def record_of(step: str, mark: str = "", **changes: Any) -> Record:
    return a_record(mark, facts=facts_of(step, mark), **{"step": step, **changes})


def words(reader: Reader) -> str:
    return "".join(reader.words)


@pytest.mark.parametrize("step", STEPS)
def test_markup_in_any_text_is_text(step: str) -> None:
    reader = read(html(record_of(step, SCRIPT), "t", ""))
    assert not reader.tags & {"script", "img"}
    assert reader.attributes <= {"style", "scope", "open", "href", "download"}
    assert "<script>alert('x')</script>" in words(reader)


@given(st.text(max_size=40))
def test_no_text_whatever_becomes_markup(anything: str) -> None:
    for step in STEPS:
        assert not read(html(record_of(step, anything), anything, anything)).tags & {"script", "img", "iframe", "style"}


@pytest.mark.parametrize("step", STEPS)
def test_every_value_is_in_both_renderings(step: str) -> None:
    record = record_of(step, "§")
    for rendering in (words(read(html(record, "t", ""))), text(record, "t", "")):
        for value in _strings(record.facts):
            for line in value.splitlines():
                told = AGREEMENT.get(line, line.removeprefix("SMTP:").removesuffix(";1"))
                assert told in rendering or line in ("never", "required", "opportunistic", "SMTP:*.bank.com;5"), line


def _strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [found for one in value.values() for found in _strings(one)]
    if isinstance(value, list):
        return [found for one in value for found in _strings(one)]
    return [value] if isinstance(value, str) else []


def test_the_csr_can_be_downloaded_without_any_server() -> None:
    markup = html(record_of("request"), "t", "")
    found = re.search(r'<a download="([^"]+)" href="data:application/octet-stream;base64,([^"]+)">Download', markup)
    assert found
    assert found[1] == "london-edge1.csr"
    assert base64.b64decode(found[2]).decode() == CSR


@pytest.mark.parametrize("name", ['a"><script>x', "../../etc/passwd", "", "...", "a b/c"])
def test_a_downloads_name_is_a_plain_one(name: str) -> None:
    found = re.search(r'download="([^"]*)"', html_download(name, "x"))
    assert found
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", found[1])


def test_the_three_stand_side_by_side_with_what_they_were_and_will_be() -> None:
    plain = text(record_of("connectors", status=Status.PLANNED), "t", "")
    assert "The three send connectors (now → after this step)" in plain
    assert "partner.com → partner.com, *.bank.com (cost 5)" in plain
    assert "TLS never not there → partner.com" in plain
    assert "The three send connectors of EDGE2" in plain
    assert "Second partner.com → not there" in plain
    assert "Other send connectors" in plain
    assert "yes → yes, for its own servers only" in plain
    assert "before → now" in text(record_of("connectors"), "t", "")


def test_of_many_other_connectors_those_of_other_servers_are_counted_unless_they_change() -> None:
    def row(name: str, *servers: str, then: str = "opportunistic") -> dict[str, Any]:
        now = {"tls": "opportunistic", "spaces": ["SMTP:*;1"], "enabled": True, "scoped": False, "servers": servers}
        return {"connector": name, "meant for": "", "now": now, "then": {**now, "tls": then}}

    mine = [row("Mine", "EDGE9", "edge1"), row("Edge", *()), row("Changed", "EDGE9", then="required")]
    rows = [*(row(f"Foreign {at}", "EDGE9") for at in range(30)), *mine]
    few = text(a_record(step="connectors", server="EDGE1", facts={"send connectors": rows[-20:]}), "t", "")
    assert few.count("Foreign") == 17
    many = text(a_record(step="connectors", server="EDGE1", facts={"send connectors": rows}), "t", "")
    assert "Foreign" not in many
    assert "30 more send from other servers only and stay as they are; record.json lists them." in many
    assert all(f"    {name}: domains *" in many for name in ("Mine", "Edge", "Changed"))


def test_a_comparison_has_a_sign_and_a_word_beside_its_colour() -> None:
    markup = html(record_of("verify"), "t", "")
    for told in ("✓</span> yes", "✗</span> no", "?</span> unknown", "– nothing to compare"):
        assert told in markup


def test_what_is_in_the_card_is_not_told_twice() -> None:
    for step in STEPS:
        record = record_of(step)
        assert card_of(record).facts <= {*record.facts, "chain to a root", "order in it", "endpoints"}
    assert html(record_of("request"), "t", "").count("BEGIN CERTIFICATE REQUEST") == 1
    assert "SHA-256 of the key" in html(record_of("request"), "t", "")


@pytest.mark.parametrize("odd", [None, "text", 7, [], ["text"], [{"other": 1}], {"a": 1}])
@pytest.mark.parametrize("step", STEPS)
def test_facts_of_another_shape_are_left_to_the_general_display(step: str, odd: Any) -> None:
    names = facts_of(step)
    record = a_record(step=step, facts=dict.fromkeys(names, odd))
    if odd not in ("text", ["text"]) or step != "request":
        assert card_of(record).sections == ()
    assert read(html(record, "t", "")).open == []
    assert text(record, "t", "")


@pytest.mark.parametrize("step", ["confirm", "activate", "retire", "rollback", "new-step"])
def test_other_steps_have_no_card(step: str) -> None:
    assert card_of(a_record(step=step)).html() == ""
