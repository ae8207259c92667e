"""What becomes of a saved notebook on its way into the evidence."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsrunbook.errors import EvidenceError
from tlsrunbook.evidence.rendering import Rendering, holds_any, kept, read_rendering

ONE = Rendering("2026-11-24T12:00:00.000Z", "0" * 64, "runbook.ipynb", "1" * 64, "2" * 64, ("metadata.widgets",))


@pytest.mark.parametrize("one", [ONE, Rendering("t", "0" * 64, why="the kernel was ended")])
def test_a_rendering_reads_back_as_it_was_written_and_says_its_state(one: Rendering) -> None:
    assert read_rendering(one.encoded()) == one
    assert json.loads(one.encoded())["rendering"] == ("archived" if one.sha256 else "missing")


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", ONE.encoded().replace(b"rendering/1", b"rendering/9")])
def test_what_is_no_rendering_is_refused(content: bytes) -> None:
    with pytest.raises(EvidenceError):
        read_rendering(content)


def test_a_notebook_without_widget_state_is_kept_byte_by_byte() -> None:
    content = b' {"cells": [],\r\n "metadata": {}}'
    assert kept(content, json.loads(content)).content == content


def test_widget_state_is_left_out_and_the_digest_of_what_was_saved_is_told() -> None:
    content = json.dumps({"cells": [], "metadata": {"a": 1, "widgets": {"state": "typed in"}}}).encode()
    left = kept(content, json.loads(content))
    assert json.loads(left.content)["metadata"] == {"a": 1}
    assert left.saved_sha256 == hashlib.sha256(content).hexdigest()
    assert left.left_out == ("metadata.widgets",)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=8), st.text(st.characters(exclude_categories=["Cs"])))
def test_a_secret_is_found_however_json_spells_it(secret: str, around: str) -> None:
    for ascii_only in (True, False):
        content = json.dumps({"source": [around + secret + around]}, ensure_ascii=ascii_only).encode()
        assert holds_any(content, ["", secret])


def test_no_secret_is_found_where_there_is_none() -> None:
    assert not holds_any(b'{"source": "nothing"}', ["", "hunter2hunter2"])
