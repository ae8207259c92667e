"""Exchange's choice of a send connector: case files, and what holds for all of them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import send

from tlsrunbook.exchange.address_space import parse_address_space
from tlsrunbook.exchange.state import AddressSpace, SendConnector
from tlsrunbook.plan.route import route, tls_of

CASES: dict[str, Any] = tomllib.loads((Path(__file__).parent / "cases" / "route.toml").read_text("utf-8"))
_KEYS = {"name", "spaces", "sources", "enabled", "scoped"}


def _connector(row: dict[str, Any]) -> SendConnector:
    assert not row.keys() - _KEYS, f"unused keys: {row.keys() - _KEYS}"
    return send(
        row["name"],
        *map(parse_address_space, row["spaces"]),
        enabled=row.get("enabled", True),
        is_scoped=row.get("scoped", False),
        source_transport_servers=tuple(row.get("sources", ())),
    )


@pytest.mark.parametrize("name", CASES)
def test_route(name: str) -> None:
    case = CASES[name]
    assert case.keys() == {"connectors", "takes"}
    connectors = [_connector(row) for row in case["connectors"]]
    for order in (connectors, connectors[::-1]):
        taken = {domain: route(order, domain, "EDGE1") for domain in case["takes"]}
        assert {domain: one.name if one else "" for domain, one in taken.items()} == case["takes"]


def _spaces_for(name: str) -> list[str]:
    """Every space that holds a name, from ``*`` to the name itself."""
    labels = name.split(".")
    return ["*", *("*." + ".".join(labels[n:]) for n in range(len(labels) - 1, 0, -1)), name]


LABELS = st.lists(st.text("abz09", min_size=1, max_size=4), min_size=2, max_size=5)


@given(LABELS, st.data())
def test_a_more_specific_space_always_wins_whatever_cost_nearness_and_name(labels: list[str], data: Any) -> None:
    name = ".".join(labels)
    spaces = _spaces_for(name)
    narrow = data.draw(st.integers(1, len(spaces) - 1))
    wide = data.draw(st.integers(0, narrow - 1))
    cost = st.integers(1, 100)
    near, far = (), ("MBX9",)
    sources = data.draw(st.permutations([near, far]))
    specific = send("z", AddressSpace(spaces[narrow], data.draw(cost)), source_transport_servers=sources[0])
    general = send("a", AddressSpace(spaces[wide], data.draw(cost)), source_transport_servers=sources[1])
    for order in ([specific, general], [general, specific]):
        assert route(order, name, "EDGE1") is specific


@given(st.lists(st.sampled_from(["*", "*.com", "*.partner.com", "partner.com", "--"]), max_size=6), st.randoms())
def test_the_choice_does_not_depend_on_the_order_of_the_list(spaces: list[str], random: Any) -> None:
    connectors = [send(f"c{n}", space) for n, space in enumerate(spaces)]
    shuffled = connectors.copy()
    random.shuffle(shuffled)
    assert route(shuffled, "partner.com", "EDGE1") == route(connectors, "partner.com", "EDGE1")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "opportunistic"),
        ({"require_tls": True}, "required"),
        ({"require_tls": True, "tls_auth_level": "DomainValidation"}, "required (DomainValidation)"),
        ({"domain_secure_enabled": True}, "required"),
        ({"ignore_starttls": True}, "never"),
        ({"ignore_starttls": True, "domain_secure_enabled": True}, "never"),
    ],
)
def test_tls_in_words(changes: dict[str, Any], words: str) -> None:
    assert tls_of(send("a", **changes)) == words


def test_no_connector_in_words() -> None:
    assert tls_of(None) == "no route"
