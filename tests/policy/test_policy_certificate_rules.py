from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from certificate_factory import AT, FQDN, csr_for, key, make, world
from cryptography.hazmat.primitives.serialization import Encoding

from tlsrunbook.certificates.csr import Csr, read_csr
from tlsrunbook.certificates.facts import CertificateFacts, certificate_facts
from tlsrunbook.certificates.trust import judge_trust
from tlsrunbook.policy import certificate_rules, reply
from tlsrunbook.policy.certificate_rules import (
    certificate_findings,
    key_weakness,
    lifetime_findings,
    lifetime_limit,
    strength_findings,
    trust_findings,
    usage_findings,
)
from tlsrunbook.policy.finding import Severity
from tlsrunbook.policy.reply import judge_csr


def facts(begin: datetime, life: timedelta) -> CertificateFacts:
    made = make(FQDN, own_key=key("rules"), signer=world().root, begin=begin, end=begin + life - timedelta(seconds=1))
    return certificate_facts(made.der)


@pytest.mark.parametrize(
    ("begin", "limit"),
    [
        (datetime(2018, 2, 28, tzinfo=UTC), None),
        (datetime(2018, 3, 1, tzinfo=UTC), 825),
        (datetime(2026, 3, 14, 23, 59, 59, tzinfo=UTC), 398),
        (datetime(2026, 3, 15, tzinfo=UTC), 200),
        (datetime(2027, 3, 14, 23, 59, 59, tzinfo=UTC), 200),
        (datetime(2027, 3, 15, tzinfo=UTC), 100),
        (datetime(2029, 3, 14, 23, 59, 59, tzinfo=UTC), 100),
        (datetime(2029, 3, 15, tzinfo=UTC), 47),
    ],
)
def test_lifetime_limit_goes_by_the_first_day_and_counts_both_ends(begin: datetime, limit: int | None) -> None:
    assert lifetime_limit(begin) == limit
    life = timedelta(days=limit or 5000)
    assert lifetime_findings(facts(begin, life)) == ()
    (*found,) = lifetime_findings(facts(begin, life + timedelta(seconds=1)))
    assert [finding.rule for finding in found] == (["too-long"] if limit else [])


def test_last_second_is_still_valid() -> None:
    one = facts(AT, timedelta(days=10))
    rules = [
        [f.rule for f in certificate_findings(one, [FQDN], at, hard=Severity.ERROR)]
        for at in (AT - timedelta(seconds=1), AT, one.not_after, one.not_after + timedelta(seconds=1))
    ]
    assert rules == [["not-yet-valid"], [], [], ["expired"]]


def test_severity_and_target_are_the_callers() -> None:
    made = make("x.example.net", own_key=key("rules"), begin=AT - timedelta(days=9), days=5, ekus=["1.2.3"])
    found = certificate_findings(certificate_facts(made.der), [FQDN], AT, hard=Severity.ERROR, target="EDGE1")
    assert {f.rule for f in found if f.severity is Severity.ERROR} == {
        "missing-names",
        "expired",
        "no-serverauth",
        "self-signed",
    }
    assert {f.target for f in found} == {"EDGE1"}
    assert not any(f.severity is Severity.REFUSE for f in found)


@pytest.mark.parametrize(
    ("kind", "size", "weak"),
    [
        ("RSA", 2048, False),
        ("RSA", 4096, False),
        ("RSA", 2047, True),
        ("RSA", 1024, True),
        ("EC", 256, False),
        ("EC", 224, True),
        ("Ed25519", 256, True),
        ("DSA", 2048, True),
        ("unknown", 0, True),
    ],
)
def test_weak_keys(kind: str, size: int, weak: bool) -> None:
    assert bool(key_weakness(kind, size)) is weak


def test_key_kind_exchange_cannot_use_is_a_finding() -> None:
    made = make(FQDN, own_key=key("rules-ed", "ed25519"), signer=world().root)
    (finding,) = strength_findings(certificate_facts(made.der), hard=Severity.ERROR)
    assert (finding.rule, finding.severity) == ("weak-key", Severity.ERROR)
    assert "Ed25519" in finding.message


def test_no_clientauth_says_what_it_means_for_mutual_tls() -> None:
    made = make(FQDN, own_key=key("rules"), signer=world().root, ekus=["serverAuth"])
    (finding,) = usage_findings(certificate_facts(made.der), hard=Severity.REFUSE)
    assert finding.severity is Severity.INFO
    assert "mutual TLS" in finding.message
    assert "opportunistic" in finding.message


def test_trust_findings_on_the_wire_weigh_as_the_caller_says() -> None:
    leaf = make(FQDN, own_key=key("rules"), signer=world().intermediate)
    known = (world().intermediate.der, world().upper.der)
    trust = judge_trust(leaf.der, (), known, world().roots, AT, FQDN)
    (finding,) = trust_findings(trust, AT, hard=Severity.ERROR, short_chain=Severity.ERROR, target="mail:25")
    assert (finding.rule, finding.severity, finding.target) == ("chain-incomplete", Severity.ERROR, "mail:25")
    assert "CN=Good CA 1" in finding.message


def test_rules_are_described_once_and_for_all() -> None:
    assert set(certificate_rules.RULES) < set(reply.RULES)
    for rule, sentence in reply.RULES.items():
        assert rule == rule.lower().replace(" ", "-")
        assert sentence.endswith(".")


def csr(*, names: tuple[str, ...] = (FQDN,), cn: str = FQDN, kind: str = "rsa2048", **parts: str) -> Csr:
    return read_csr(csr_for(key(f"rules-{kind}", kind), cn, names, **parts).public_bytes(Encoding.DER))


GOOD = csr(C="DE", O="Muster, GmbH")
CSRS: dict[str, tuple[Csr, tuple[str, ...], int, dict[str, str], list[str]]] = {
    "good": (GOOD, (FQDN,), 2048, {"C": "DE", "O": "Muster, GmbH"}, []),
    "good without subjectAltName": (csr(names=()), (FQDN,), 2048, {}, []),
    "good with EC": (csr(kind="ec"), (FQDN,), 2048, {}, []),
    "missing": (GOOD, (FQDN, "smtp.example.com"), 2048, {}, ["csr-names: refuse"]),
    "extra": (csr(names=(FQDN, "www.example.com")), (FQDN,), 2048, {}, ["csr-extra-names: warning"]),
    "internal": (
        csr(names=(FQDN, "ex01", "ex01.corp.local")),
        (FQDN, "ex01", "ex01.corp.local"),
        2048,
        {},
        ["csr-internal-names: warning"],
    ),
    "size": (GOOD, (FQDN,), 4096, {}, ["csr-key-size: refuse"]),
    "1024": (csr(kind="rsa1024"), (FQDN,), 1024, {}, ["csr-weak-key: refuse"]),
    "subject part": (GOOD, (FQDN,), 2048, {"C": "AT"}, ["csr-subject: refuse"]),
    "subject part missing": (GOOD, (FQDN,), 2048, {"OU": "IT"}, ["csr-subject: refuse"]),
    "common name": (
        csr(cn="smtp.example.com", names=(FQDN,)),
        (FQDN, "smtp.example.com"),
        2048,
        {},
        ["csr-subject: refuse"],
    ),
    "no common name": (csr(cn=""), (FQDN,), 2048, {}, ["csr-subject: refuse"]),
    "signature": (
        read_csr(GOOD.der[:-3] + bytes((GOOD.der[-3] ^ 1, *GOOD.der[-2:]))),
        (FQDN,),
        2048,
        {},
        ["csr-signature: refuse"],
    ),
}


@pytest.mark.parametrize("case", CSRS)
def test_each_request_gets_its_findings_and_no_others(case: str) -> None:
    request, names, size, subject, expected = CSRS[case]
    found = judge_csr(request, names, size, subject)
    assert [f"{f.rule}: {f.severity}" for f in found] == expected
    assert all(f.rule in reply.RULES and f.todo for f in found)


def test_every_csr_rule_has_a_case() -> None:
    fired = {finding.split(":")[0] for *_, expected in CSRS.values() for finding in expected}
    assert fired == {rule for rule in reply.RULES if rule.startswith("csr-")}
