"""A job and its result as text: what comes out is what went in, and nothing else is taken."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsrunbook.errors import EvidenceError
from tlsrunbook.run import portable
from tlsrunbook.run.portable import (
    PortableJob,
    PortableResult,
    job_from_text,
    result_from_text,
    safe_name,
    to_text,
)

JOB = PortableJob(
    job="20261124-120000-0011223344556677-EDGE1",
    topic="tlsrunbook-1",
    package="1.0",
    site="london",
    server="EDGE1",
    change="20261124-120000-abcd",
    mode="apply",
    steps=("confirm", "request"),
    named=False,
    who={"user": "anna", "host": "ADMIN7", "process": "1"},
    why={"ticket": "CHG-1", "reason": ""},
    rehearsal="",
    site_file='name = "london"\n',
    prior={"20261124-120000-abcd/EDGE1/1-confirm/attempt-1/record.json": b"{}"},
)
RESULT = PortableResult(job=JOB.job, worker={"user": "svc", "host": "LON-JUMP"}, files={"a/b/1-confirm/x": b"\x00\xff"})
NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}(/[A-Za-z0-9_][A-Za-z0-9_-]{0,20}){0,3}", fullmatch=True)
FILES = st.dictionaries(NAMES.filter(safe_name), st.binary(max_size=300), max_size=5)


@given(prior=FILES, inbox=FILES, text=st.text(max_size=50))
def test_a_job_comes_out_as_it_went_in(prior: dict[str, bytes], inbox: dict[str, bytes], text: str) -> None:
    job = replace(JOB, prior=prior, inbox=inbox, site_file=text)
    assert job_from_text(to_text(job)) == job


@given(files=FILES, wrong=st.lists(st.text(max_size=30), max_size=3))
def test_a_result_comes_out_as_it_went_in(files: dict[str, bytes], wrong: list[str]) -> None:
    result = replace(RESULT, files=files, wrong=tuple(wrong))
    assert result_from_text(to_text(result)) == result


def altered(**facts: Any) -> str:
    data = json.loads(to_text(RESULT))
    (name,) = data["files"]
    data["files"][name] |= facts
    return json.dumps(data)


@pytest.mark.parametrize(
    "facts",
    [
        {"sha256": "0" * 64},
        {"size": 1},
        {"size": 3},
        {"size": -1},
        {"size": portable.MAX_FILE + 1},
        {"zlib": "AAAA"},
        {"zlib": "not base64!"},
        {"zlib": None},
        {"size": "two"},
    ],
    ids=str,
)
def test_a_file_that_is_not_what_its_digest_says_is_not_taken(facts: dict[str, Any]) -> None:
    with pytest.raises(EvidenceError):
        result_from_text(altered(**facts))


def test_what_is_packed_small_and_is_huge_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = to_text(replace(RESULT, files={"a/b": b"\0" * 5000}))
    monkeypatch.setattr(portable, "MAX_FILE", 1000)
    with pytest.raises(EvidenceError):
        result_from_text(bomb)
    monkeypatch.setattr(portable, "MAX_FILE", 10000)
    monkeypatch.setattr(portable, "MAX_ALL", 4000)
    with pytest.raises(EvidenceError, match="more than 4000 bytes"):
        result_from_text(bomb)


UNSAFE = [
    "../x",
    "a/../b",
    "/etc/passwd",
    "a//b",
    "a/./b",
    "C:/x",
    "a\\b",
    ".hidden",
    "a/.hidden",
    "a/b.",
    "a/b ",
    "nul",
    "a/COM1.txt",
    "",
    "a/" * 9 + "b",
    "x" * 200,
    "a\nb",
    "a\0b",
]


@pytest.mark.parametrize("name", UNSAFE, ids=repr)
def test_a_name_that_could_lead_elsewhere_is_refused(name: str) -> None:
    assert not safe_name(name)
    with pytest.raises(EvidenceError, match="a file is named"):
        result_from_text(to_text(replace(RESULT, files={name: b""})))


OTHERS = ["", "[]", "{}", '{"format": "tlsrunbook-result-2"}', to_text(JOB), "{" * 2000]


@pytest.mark.parametrize("text", OTHERS, ids=["nothing", "list", "no format", "later format", "a job", "deep"])
def test_what_is_no_result_is_refused(text: str) -> None:
    with pytest.raises(EvidenceError):
        result_from_text(text)


@pytest.mark.parametrize("name", [one.name for one in fields(PortableJob)])
def test_a_job_without_one_of_its_parts_or_with_another_kind_is_refused(name: str) -> None:
    data = json.loads(to_text(JOB))
    for other in ({key: value for key, value in data.items() if key != name}, data | {name: 7}):
        with pytest.raises(EvidenceError):
            job_from_text(json.dumps(other))
