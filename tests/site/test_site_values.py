"""Single values of the site file, by table, and by properties."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from tlsrunbook.site import names, values

CASES = tomllib.loads((Path(__file__).parent / "cases" / "values.toml").read_text(encoding="utf-8"))
CHECKS: dict[str, Callable[[str], str]] = {
    "fqdn": names.fqdn,
    "address_space": names.address_space,
    "endpoint": names.endpoint,
    "host": names.host,
    "smart_host": names.smart_host,
    "resolver": names.resolver,
    "binding": names.binding,
    "ip_range": names.ip_range,
    "netbios": names.netbios,
    "site_name": values.site_name,
}
ACCEPTED = [(kind, case["value"], case["gives"]) for kind, cases in CASES.items() for case in cases if "gives" in case]
REFUSED = [(kind, case["value"]) for kind, cases in CASES.items() for case in cases if "gives" not in case]


def test_every_kind_of_value_has_a_check() -> None:
    assert set(CASES) == set(CHECKS)


@pytest.mark.parametrize(("kind", "value", "gives"), ACCEPTED)
def test_a_good_value_is_given_in_its_normal_form(kind: str, value: str, gives: str) -> None:
    assert CHECKS[kind](value) == gives


@pytest.mark.parametrize(("kind", "value", "gives"), ACCEPTED)
def test_the_normal_form_stays_as_it_is(kind: str, value: str, gives: str) -> None:
    assert CHECKS[kind](CHECKS[kind](value)) == gives


@pytest.mark.parametrize(("kind", "value"), REFUSED)
def test_a_bad_value_is_refused_with_advice(kind: str, value: str) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        CHECKS[kind](value)
    context = caught.value.context
    assert context is not None
    assert context["what"]
    assert context["todo"]


@pytest.mark.parametrize("kind", sorted(CHECKS))
@given(text=st.text(max_size=80))
def test_any_text_is_either_normal_or_refused(kind: str, text: str) -> None:
    try:
        normal = CHECKS[kind](text)
    except PydanticCustomError:
        return
    assert normal.isascii()
    assert CHECKS[kind](normal) == normal


@given(
    st.lists(st.from_regex(r"[a-z0-9]([a-z0-9]{0,10}[a-z0-9])?", fullmatch=True), min_size=1, max_size=4),
    st.sampled_from(["com", "net", "de", "co.uk"]),
)
def test_a_public_name_of_plain_labels_is_accepted_in_any_case(labels: list[str], suffix: str) -> None:
    name = ".".join([*labels, suffix])
    assert names.fqdn(name.upper() + ".") == name


@given(st.text(alphabet="äöüßéñçøλж字", min_size=1, max_size=6))
def test_a_name_outside_ascii_is_answered_with_an_a_label_that_is_accepted(label: str) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        names.fqdn(f"{label}.example")
    assert caught.value.context is not None
    todo = str(caught.value.context["todo"])
    assert todo.startswith("write the A-label")
    if '"' in todo:
        a_label = todo.split('"')[1]
        assert names.fqdn(a_label) == a_label


@given(st.text(max_size=60))
def test_the_refusal_of_a_credential_name_never_repeats_it(text: str) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        values.credential_name(f"HUNTER{text}2")
    assert "HUNTER" not in str(caught.value)
    assert "hunter" not in str(caught.value)
