"""Values as JSON: the same bytes everywhere, and no secret among them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsrunbook.evidence.data import (
    canonical_json,
    command_data,
    command_from_data,
    digest,
    readable_json,
    to_data,
    utc_text,
)
from tlsrunbook.exchange.command import Command, Later
from tlsrunbook.secret import Secret

MARKER = "s3cret-marker-7f1c"
TEXT = st.text()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def _turned(value: Any) -> Any:
    """The same data with the keys of every object the other way round."""
    if isinstance(value, dict):
        return {key: _turned(value[key]) for key in reversed(list(value))}
    return [_turned(item) for item in value] if isinstance(value, list) else value


@given(JSON)
def test_canonical_json_does_not_depend_on_the_order_of_keys(data: Any) -> None:
    assert canonical_json(_turned(data)) == canonical_json(data)
    assert digest(_turned(data)) == digest(data)


@given(JSON)
def test_both_forms_of_json_say_the_same_and_lose_nothing(data: Any) -> None:
    assert json.loads(canonical_json(data)) == data
    assert json.loads(readable_json(data)) == data
    assert readable_json(data).endswith(b"\n")


@given(JSON, JSON)
def test_different_data_have_different_digests(one: Any, other: Any) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (digest(one) == digest(other)) is same


def test_canonical_json_is_what_it_was_in_every_release() -> None:
    # Approvals and seals sign this; a change here breaks old evidence.
    data = {"b": [1, True, None, 1.5], "a": {"ü": "\u2028€", "A": ""}}
    assert canonical_json(data) == '{"a":{"A":"","ü":"\u2028€"},"b":[1,true,null,1.5]}'.encode()
    assert digest(data) == "0627a68ff48a0ebb2409a010e68da329ed9b03520695754706fe77a22255e7f0"


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_json_cannot_say_is_refused(bad: float) -> None:
    for write in (canonical_json, readable_json):
        with pytest.raises(ValueError, match="JSON"):
            write({"x": bad})


def test_half_a_surrogate_pair_from_a_server_is_written_as_jsons_own_escape() -> None:
    cut = "a message cut in the middle of \ud83d"
    for write in (canonical_json, readable_json):
        assert json.loads(write([cut])) == [cut]


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True)
class Thing:
    name: str
    password: Secret


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (None, None),
        (True, True),
        (7, 7),
        ("x", "x"),
        (Colour.RED, "red"),
        (PurePosixPath("a/b"), "a/b"),
        (b"\x00\xff", {"base64": "AP8="}),
        (frozenset({"b", "a"}), ["a", "b"]),
        (("a", ("b",)), ["a", ["b"]]),
        ({1: {2: 3}}, {"1": {"2": 3}}),
        (Later("the thumbprint"), {"later": "the thumbprint"}),
        (Secret(MARKER), {"secret": True}),
        (Thing("n", Secret(MARKER)), {"name": "n", "password": {"secret": True}}),
        (datetime(2026, 11, 24, 14, 15, 2, 123999, UTC), "2026-11-24T14:15:02.123Z"),
    ],
)
def test_to_data(value: Any, data: Any) -> None:
    assert to_data(value) == data


@pytest.mark.parametrize("value", [object(), Thing, ValueError("x"), iter(())])
def test_what_is_of_no_known_kind_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="cannot be put into a record"):
        to_data([value])


def test_a_time_is_utc_whatever_its_zone() -> None:
    moment = datetime(2026, 11, 24, 16, 0, tzinfo=timezone(timedelta(hours=2)))
    assert utc_text(moment) == "2026-11-24T14:00:00.000Z"


SAFE_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.binary(),
    SAFE_TEXT,
    st.lists(SAFE_TEXT, max_size=3).map(tuple),
    SAFE_TEXT.map(Later),
)


@given(st.dictionaries(st.from_regex(r"[A-Z][a-z0-9]{0,8}", fullmatch=True), VALUES, max_size=5))
def test_a_command_comes_back_from_its_data_through_json(parameters: dict[str, Any]) -> None:
    lower = {name.lower() for name in parameters}
    if len(lower) < len(parameters):
        return
    command = Command("Set-Thing", tuple(parameters.items()))
    assert command_from_data(json.loads(canonical_json(command_data(command)))) == command


def test_a_secret_parameter_is_neither_in_the_data_nor_in_its_text_and_cannot_come_back() -> None:
    data = command_data(Command.of("Import-ExchangeCertificate", FileData=b"PFX", Password=Secret(MARKER)))
    assert MARKER not in json.dumps(data)
    assert data["parameters"][1] == ["Password", {"secret": True}]
    with pytest.raises(ValueError, match="Password was a secret"):
        command_from_data(data)
