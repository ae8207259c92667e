"""What Exchange takes, judged; and beside what the wire shows."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from certificate_factory import Made, key, make, world
from worlds import AT, FQDN, certificate, make_state, probe, receive

from tlsrunbook.exchange.decode import thumbprint_of
from tlsrunbook.exchange.state import ExchangeCertificate
from tlsrunbook.plan.selection import Choice, choose
from tlsrunbook.policy.choice import RULES, choice_rows, judge_choice, judge_wire, should_show, wire_shows
from tlsrunbook.smtp.facts import ProbeFacts, ProbeOutcome


def leaf(key_name: str = "server") -> Made:
    return make(FQDN, own_key=key(key_name, "rsa2048"), signer=world().intermediate, names=(FQDN,))


SMTP = frozenset({"SMTP"})
MADE = leaf()
ACTIVE = certificate("A", thumbprint=thumbprint_of(MADE.der), raw=MADE.der, services=SMTP)
DAY = timedelta(days=1)
OWN = certificate("E", self_signed=True, issuer=f"CN={FQDN}", services=SMTP)
OLD = certificate("C", services=SMTP, not_before=AT - 60 * DAY)


def choice(*certificates: ExchangeCertificate, **connector: Any) -> Choice:
    state = make_state(*certificates, receive_connectors=(receive(**connector),))
    return choose(state, state.receive_connectors[0], AT)


def found(one: Choice, activated: str = ACTIVE.thumbprint) -> dict[str, str]:
    return {finding.rule: finding.severity.value for finding in judge_choice(one, activated)}


NAMED = {"tls_certificate_name": ACTIVE.tls_certificate_name}

ODD: dict[str, tuple[Choice, dict[str, str]]] = {
    "as wanted": (choice(ACTIVE), {}),
    "as wanted, by its name": (choice(ACTIVE, **NAMED), {}),
    "nothing": (choice(), {"picks-none": "error"}),
    "a name that leads nowhere": (choice(OWN, **NAMED), {"picks-none": "error"}),
    "matching without SMTP": (
        choice(replace(ACTIVE, services=frozenset())),
        {"picks-none": "error", "matching-without-smtp": "error"},
    ),
    "taken without SMTP": (choice(replace(ACTIVE, services=frozenset()), **NAMED), {"matching-without-smtp": "error"}),
    "passed over without SMTP": (
        choice(ACTIVE, replace(OLD, services=frozenset({"IIS"}))), {"matching-without-smtp": "info"}),
    "expired": (
        choice(replace(ACTIVE, not_after=AT - DAY, status="DateInvalid"), **NAMED), {"picks-expired": "error"}),
    "self-signed": (choice(OWN), {"picks-self-signed": "error", "picks-another": "error"}),
    "two candidates": (choice(ACTIVE, OLD), {"two-candidates": "info"}),
    "another one": (
        choice(ACTIVE, replace(OLD, not_before=AT)), {"picks-another": "error", "two-candidates": "info"}),
    "unknown": (choice(replace(ACTIVE, services=None)), {"choice-untold": "warning"}),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_each_odd_pick_is_named(name: str) -> None:
    one, expected = ODD[name]
    assert found(one) == expected
    for finding in judge_choice(one, ACTIVE.thumbprint):
        assert finding.target == "receive connector EDGE1\\Default EDGE1"
        assert finding.todo or finding.severity.value == "info"


def test_every_rule_has_a_case() -> None:
    assert {rule for _, rules in ODD.values() for rule in rules} | {"wire-differs-from-choice"} == set(RULES)


def test_without_an_activated_certificate_no_pick_is_another() -> None:
    assert "picks-another" not in found(choice(OLD), activated="")


SHOWN = probe(chain=(MADE.der,))
ANOTHER = probe(chain=(leaf(key_name="other").der,))
NONE = probe(ProbeOutcome.STARTTLS_NOT_OFFERED)
BROKEN = probe(ProbeOutcome.HANDSHAKE_FAILED)


@pytest.mark.parametrize(
    ("one", "facts", "agree"),
    [
        (choice(ACTIVE), SHOWN, "yes"),
        (choice(ACTIVE), ANOTHER, "no"),
        (choice(ACTIVE), NONE, "no"),
        (choice(ACTIVE), BROKEN, "no"),
        (choice(ACTIVE), probe(ProbeOutcome.UNREACHABLE), "unknown"),
        (choice(), NONE, "yes"),
        (choice(), probe(ProbeOutcome.STARTTLS_REFUSED), "yes"),
        (choice(), SHOWN, "no"),
        (choice(replace(ACTIVE, services=frozenset()), **NAMED), BROKEN, "yes"),
        (choice(replace(ACTIVE, services=None), **NAMED), SHOWN, "unknown"),
    ],
)
def test_where_rules_and_wire_differ_that_is_the_finding(one: Choice, facts: ProbeFacts, agree: str) -> None:
    (row,) = choice_rows((one,), (facts,))
    assert row["agree"] == agree
    findings = judge_wire((one,), (facts,))
    assert [finding.rule for finding in findings] == (["wire-differs-from-choice"] if agree == "no" else [])
    if findings:
        assert wire_shows(facts) in findings[0].message
        assert should_show(one) in findings[0].message


def test_the_connector_of_the_ehlo_name_is_the_one_that_answered() -> None:
    other = choice(OLD, fqdn="other.example.com")
    rows = choice_rows((choice(ACTIVE), other), (SHOWN,))
    assert [(row["endpoint"], row["agree"]) for row in rows] == [(f"{FQDN}:25", "yes"), ("not probed", "unknown")]
    assert judge_wire((choice(ACTIVE), other), (SHOWN,)) == ()


def test_any_of_several_connectors_may_have_answered() -> None:
    rows = (choice(OLD), choice(ACTIVE))
    assert judge_wire(rows, (SHOWN,)) == ()
    assert len(judge_wire(rows, (ANOTHER,))) == 1
