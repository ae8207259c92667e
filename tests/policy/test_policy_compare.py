"""Point by point: what an endpoint shows beside what it should, and published TLSA records."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from odd_certificates import NAME, NOW, World

from tests.support.probes import seen
from tlsrunbook.certificates.facts import certificate_facts
from tlsrunbook.policy.compare import RULES, compare_endpoint, judge_tlsa
from tlsrunbook.policy.finding import Severity
from tlsrunbook.policy.wire import Expected
from tlsrunbook.smtp.facts import ProbeFacts, ProbeOutcome

OTHER = f"3 1 1 {'ab' * 32}"


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def expected(world: World) -> Expected:
    thumbprint = hashlib.sha1(world.good.sent[0], usedforsecurity=False).hexdigest()
    return Expected(fqdn=NAME, names=(NAME,), thumbprint=thumbprint, ehlo_names=(NAME,))


def own_record(world: World) -> str:
    return f"3 1 1 {certificate_facts(world.good.sent[0]).spki_sha256}"


def agreement(facts: ProbeFacts, world: World, published: tuple[str, ...] | None = ()) -> dict[str, str]:
    rows = compare_endpoint(facts, expected(world), NOW, world.roots, published=published)
    assert {row["endpoint"] for row in rows} == {f"{NAME}:25 at 192.0.2.1:25"}
    assert all(row["should be"] and row["wire shows"] for row in rows)
    return {row["point"]: row["agree"] for row in rows}


GOOD = {
    "STARTTLS": "yes",
    "EHLO name": "yes",
    "protocol": "yes",
    "thumbprint": "yes",
    "names": "yes",
    "validity": "yes",
    "chain": "yes",
    "TLSA": "nothing to compare",
}


def test_a_good_endpoint_agrees_in_every_point(world: World) -> None:
    assert agreement(seen(world), world) == GOOD


@pytest.mark.parametrize(
    ("more", "point"),
    [({"ehlo_name": "other.example.net"}, "EHLO name"), ({"protocol": "TLSv1"}, "protocol")],
)
def test_one_wrong_point_is_the_only_one(more: dict[str, str], point: str, world: World) -> None:
    assert agreement(seen(world, **more), world) == {**GOOD, point: "no"}


def test_a_missing_intermediate_is_seen_and_unseen_is_unknown(world: World) -> None:
    alone = seen(world, chain=world.good.sent[:1])
    assert agreement(alone, world) == {**GOOD, "chain": "no"}
    assert agreement(replace(alone, chain_complete_view=False), world) == {**GOOD, "chain": "unknown"}


def test_no_tls_is_told_in_the_servers_words_and_nothing_is_said_of_a_certificate(world: World) -> None:
    facts = replace(seen(world), outcome=ProbeOutcome.STARTTLS_NOT_OFFERED, detail="500 what?", chain=(), protocol="")
    rows = compare_endpoint(facts, expected(world), NOW, world.roots)
    assert {row["point"]: row["agree"] for row in rows} == {"STARTTLS": "no", "EHLO name": "yes"}
    assert rows[0]["wire shows"] == "starttls-not-offered: 500 what?"


@pytest.mark.parametrize("chain", [(), (b"\x30\x03junk",), (b"", b"")])
def test_a_certificate_that_cannot_be_read_is_wrong(chain: tuple[bytes, ...], world: World) -> None:
    assert agreement(seen(world, chain=chain), world)["certificate"] == "no"


def test_tlsa_points(world: World) -> None:
    facts = seen(world)
    assert agreement(facts, world, None)["TLSA"] == "unknown"
    assert agreement(facts, world, (own_record(world),))["TLSA"] == "yes"
    assert agreement(facts, world, (OTHER, own_record(world)))["TLSA"] == "yes", "old and new side by side"
    assert agreement(facts, world, (OTHER,))["TLSA"] == "no"
    assert agreement(facts, world, ("0 0 1 abcd",))["TLSA"] == "nothing to compare"


@pytest.mark.parametrize("published", [None, (), ("0 0 1 abcd",)])
def test_without_a_record_that_counts_there_is_no_finding(published: tuple[str, ...] | None, world: World) -> None:
    assert judge_tlsa(seen(world), published) == ()


def test_records_that_all_miss_are_an_error(world: World) -> None:
    assert judge_tlsa(seen(world), (OTHER, own_record(world))) == ()
    (finding,) = judge_tlsa(seen(world), (OTHER,))
    assert (finding.rule, finding.severity) == ("tlsa-differs", Severity.ERROR)
    assert finding.rule in RULES
    assert "DNSSEC" in finding.message
    assert finding.todo
