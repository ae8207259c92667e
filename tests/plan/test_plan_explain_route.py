"""Which connector, and why: the same choice as the rules use, told so that an administrator can check it."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import send

from tlsrunbook.errors import UsageError
from tlsrunbook.exchange.state import AddressSpace, SendConnector
from tlsrunbook.plan.asked_domain import asked_domain
from tlsrunbook.plan.connector_rows import NOW, THEN, answer_from, connector_rows
from tlsrunbook.plan.route import explain_route, route, tls_of
from tlsrunbook.plan.send_connectors import WantedConnector

SPACES = st.builds(
    AddressSpace,
    st.sampled_from(["*", "*.com", "*.partner.com", "partner.com", "mail.partner.com", "--", "other.org"]),
    st.integers(1, 100),
    st.sampled_from(["SMTP", "SMTP", "X400"]),
)
CONNECTORS = st.lists(
    st.builds(
        lambda spaces, enabled, scoped, sources, tls: (spaces, enabled, scoped, sources, tls),
        st.lists(SPACES, max_size=3),
        st.booleans(),
        st.booleans(),
        st.sampled_from([(), ("EDGE1",), ("MBX9",), ("EDGE1", "MBX9")]),
        st.sampled_from([{}, {"require_tls": True}, {"ignore_starttls": True}]),
    ),
    max_size=6,
)
DOMAINS = st.sampled_from(["partner.com", "mail.partner.com", "x.mail.partner.com", "com", "other.org", "nobody.net"])


def made(drawn: list[Any]) -> list[SendConnector]:
    return [_send(f"c{n}", tuple(spaces), *rest) for n, (spaces, *rest) in enumerate(drawn)]


def _send(name: str, spaces: tuple[AddressSpace, ...], enabled: bool, scoped: bool, sources: Any, tls: Any) -> Any:
    return send(name, address_spaces=spaces, enabled=enabled, is_scoped=scoped, source_transport_servers=sources, **tls)


@given(CONNECTORS, DOMAINS)
def test_the_answer_is_the_route_and_every_other_connector_has_a_reason(drawn: list[Any], domain: str) -> None:
    connectors = made(drawn)
    answer = explain_route(connectors, domain, "EDGE1")
    assert answer.taken == route(connectors, domain, "EDGE1")
    assert answer.because
    taken = {answer.taken.name} if answer.taken else set()
    assert {name for name, _ in answer.others} == {one.name for one in connectors} - taken
    assert all(why for _, why in answer.others)
    assert answer.taken is None or answer.space in answer.taken.address_spaces


@given(CONNECTORS, CONNECTORS, DOMAINS)
def test_a_record_answers_as_the_connectors_themselves_do(before: list[Any], after: list[Any], domain: str) -> None:
    now, then = made(before), made(after)
    wanted = (WantedConnector("c1", "required", ("partner.com",), {}),)
    rows = connector_rows(wanted, now, then)
    for when, connectors in ((NOW, now), (THEN, then)):
        answer, tls = answer_from(rows, when, domain, "EDGE1")
        own = explain_route(connectors, domain, "EDGE1")
        assert (answer.taken.name if answer.taken else "") == (own.taken.name if own.taken else "")
        assert (answer.because, dict(answer.others), tls) == (own.because, dict(own.others), tls_of(own.taken))


@pytest.mark.parametrize(
    ("rival", "because", "lost"),
    [
        (None, "SMTP:partner.com;5 is the only one that covers it", ""),
        (send("r", "*"), "the most specific one that covers it; cost is not asked", "less specific, whatever its cost"),
        (send("r", AddressSpace("partner.com", 9)), "has the lowest cost", "SMTP:partner.com;9 costs more"),
        (
            send("r", AddressSpace("partner.com", 5), source_transport_servers=("MBX9",)),
            "costs as much as that of r, and it sends from this server",
            "costs the same, and it sends from other servers",
        ),
        (
            send("z", AddressSpace("partner.com", 5), source_transport_servers=("EDGE1",)),
            "the first name in the alphabet decides",
            "its name comes later in the alphabet",
        ),
        (send("r", "partner.com", enabled=False), "the only one", "is disabled"),
        (
            send("r", "partner.com", is_scoped=True, source_transport_servers=("MBX9",)),
            "the only one",
            "is scoped to MBX9",
        ),
        (send("r", "other.org"), "the only one", "has no address space that covers it"),
    ],
)
def test_what_decided_is_told(rival: SendConnector | None, because: str, lost: str) -> None:
    ours = send("ours", AddressSpace("partner.com", 5), source_transport_servers=("EDGE1",))
    answer = explain_route([ours, *([rival] if rival else [])], "partner.com", "EDGE1")
    assert answer.taken is ours
    assert because in answer.because
    assert lost in "".join(why for _, why in answer.others)


def test_no_route_is_told_as_such() -> None:
    answer = explain_route([send("a", "other.org")], "partner.com", "EDGE1")
    assert (answer.taken, answer.space) == (None, None)
    assert "Unreachable queue" in answer.because


@pytest.mark.parametrize(
    ("typed", "domain"),
    [
        ("partner.com", "partner.com"),
        (" Partner.COM. ", "partner.com"),
        ("anna@partner.com", "partner.com"),
        ("Anna Example <anna@partner.com>", "partner.com"),
        ("bücher.example", "xn--bcher-kva.example"),
    ],
)
def test_a_domain_or_an_address_is_taken(typed: str, domain: str) -> None:
    assert asked_domain(typed) == domain


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("", "no domain is given"),
        ("   ", "no domain is given"),
        ("anna@", "has no domain"),
        ("*.partner.com", "is a pattern"),
        ("partner", "is a single word"),
        ("not a domain", "is not a mail domain"),
        ("http://partner.com/", "is not a mail domain"),
        ("192.0.2.1", "is not a mail domain"),
        ("<script>alert(1)</script>", "is not a mail domain"),
        ("a" * 500 + ".com", "…” is not a mail domain"),
    ],
)
def test_anything_else_is_one_clear_message(typed: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        asked_domain(typed)
    assert says in caught.value.what
    assert "partner.example" in caught.value.todo
    assert len(str(caught.value)) < 300


@given(st.text(max_size=60))
def test_no_text_whatever_breaks_the_question(typed: str) -> None:
    with contextlib.suppress(UsageError):
        assert asked_domain(typed).isascii()
