"""An archive made by version 0.1.0: every later version must read and verify it."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from tlsrunbook.evidence.chain import Contents, verify
from tlsrunbook.evidence.statement import PREDICATE_TYPE, Previous

CASE = json.loads((Path(__file__).parent / "cases" / "archive-v1.json").read_bytes())
FILES = {name: base64.b64decode(data) for name, data in CASE["files"].items()}


def test_the_first_schema_still_verifies() -> None:
    verdict = verify(Contents.of(FILES), head=CASE["head"])
    assert verdict.flaws == ()
    assert verdict.head == Previous(2, CASE["head"])
    first, second = (one.seal.claims for one in verdict.seals)
    assert (first.number, first.what, first.site, first.keyid) == (1, "run", "london", CASE["keyid"])
    assert second.previous == Previous(1, verdict.seals[0].digest)
    assert first.about["tool"]["package"] == "0.1.0"


def test_it_is_of_the_schema_that_is_written_now_or_an_older_one() -> None:
    statement = json.loads(FILES["seals/0001/statement.json"])
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == PREDICATE_TYPE == "urn:tlsrunbook:change-record:v1"
    assert {
        "site",
        "number",
        "previous",
        "what",
        "sealed",
        "keyid",
        "sums",
        "outcome",
        "who",
        "tool",
        "changes",
        "steps",
        "notebooks",
        "found",
    } <= set(statement["predicate"])


def test_it_is_still_told_when_it_is_altered() -> None:
    name = next(name for name in FILES if name.endswith("record.json"))
    altered = {**FILES, name: FILES[name] + b"\n"}
    assert [flaw.where for flaw in verify(Contents.of(altered)).flaws] == [name]
