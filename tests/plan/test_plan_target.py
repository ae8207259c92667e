"""Which certificate is chosen: case table, then how several compete."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import AT, FQDN, certificate, make_site, make_state

from tlsrunbook.plan.target import adequate, chosen_certificate, covers, due

SITE = make_site()
SERVER = SITE.servers[0]
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ({}, True),
        ({"self_signed": True}, False),
        ({"self_signed": None}, False),
        ({"has_private_key": False}, False),
        ({"has_private_key": None}, True),
        ({"status": "PendingRequest"}, False),
        ({"status": "DateInvalid"}, False),
        ({"status": "Untrusted"}, False),
        ({"status": "Revoked"}, False),
        ({"status": "Invalid"}, False),
        ({"status": "RevocationCheckFailure"}, True),
        ({"status": "Unknown"}, True),
        ({"not_after": AT}, False),
        ({"not_after": AT + timedelta(seconds=1)}, True),
        ({"not_before": AT + timedelta(seconds=1)}, False),
        ({"not_before": AT}, True),
        ({"key_size": 1024}, False),
        ({"key_size": 4096}, True),
        ({"key_size": 0}, True),
        ({"names": ("mail.example.com",)}, False),
        ({"names": ()}, False),
        ({"names": ("*.example.com",)}, True),
        ({"names": ("*.com",)}, False),
        ({"names": ("MX1.Example.COM",)}, True),
        ({"names": ("mx1.example.com.evil.org",)}, False),
        ({"services": None}, True),
    ],
)
def test_adequate(changes: dict[str, Any], fits: bool) -> None:
    assert adequate(certificate(**changes), SITE, SERVER, AT) is fits


def test_every_name_of_the_server_must_be_on_it() -> None:
    site = make_site({"names": ["smtp.example.com"]})
    assert not adequate(certificate(), site, site.servers[0], AT)
    assert adequate(certificate(names=(FQDN, "smtp.example.com")), site, site.servers[0], AT)


def test_a_wildcard_covers_one_label_only() -> None:
    wild = certificate(names=("*.example.com",))
    assert covers(wild, ("a.example.com", "b.example.com"))
    assert not covers(wild, ("example.com",))
    assert not covers(wild, ("a.b.example.com",))


def test_a_4096_site_does_not_take_2048() -> None:
    site = make_site(certificate={"key_size": 4096})
    assert not adequate(certificate(), site, site.servers[0], AT)


def test_the_newest_wins_even_when_an_older_one_lasts_longer() -> None:
    older = certificate("A", not_before=AT - 20 * DAY, not_after=AT + 300 * DAY)
    newer = certificate("B", not_before=AT - 1 * DAY, not_after=AT + 40 * DAY)
    assert chosen_certificate(make_state(newer, older), SITE, SERVER, AT) == newer
    assert chosen_certificate(make_state(older, newer), SITE, SERVER, AT) == newer


def test_a_newer_one_that_is_not_adequate_does_not_hide_the_good_one() -> None:
    good = certificate("A")
    broken = certificate("B", not_before=AT - DAY, has_private_key=False)
    assert chosen_certificate(make_state(broken, good), SITE, SERVER, AT) == good


def test_a_server_with_its_self_signed_one_only_has_none() -> None:
    assert chosen_certificate(make_state(), SITE, SERVER, AT) is None


@given(st.permutations([certificate(mark, not_before=AT - n % 3 * DAY) for n, mark in enumerate("123456")]))
def test_the_choice_does_not_depend_on_the_order_of_the_list(found: list[Any]) -> None:
    expected = chosen_certificate(make_state(*sorted(found, key=lambda c: c.thumbprint)), SITE, SERVER, AT)
    assert chosen_certificate(make_state(*found), SITE, SERVER, AT) == expected


@pytest.mark.parametrize(("left", "is_due"), [(31, False), (30, True), (1, True), (-1, True)])
def test_due_is_the_renewal_time_of_the_site(left: int, is_due: bool) -> None:
    assert due(certificate(not_after=AT + left * DAY), SITE, AT) is is_due


def test_due_follows_the_site_file() -> None:
    site = make_site(certificate={"renew_before_days": 10})
    assert not due(certificate(not_after=AT + 11 * DAY), site, AT)
