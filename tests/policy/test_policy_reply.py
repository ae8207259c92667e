from __future__ import annotations

import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from certificate_factory import AT, FQDN, Made, csr_for, key, make, with_sha1, world
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import make_state, send

from tlsrunbook.certificates.csr import Csr, read_csr
from tlsrunbook.certificates.facts import certificate_facts
from tlsrunbook.policy.finding import Severity
from tlsrunbook.policy.reply import RULES, ReplyVerdict, judge_reply, mutual_tls

CASES: dict[str, dict[str, Any]] = tomllib.loads((Path(__file__).parent / "cases" / "reply.toml").read_text("utf-8"))
DEFAULT_SEND = ["intermediate", "upper"]


def ca(name: str) -> Made:
    if name == "leaf":
        return make("somebody.example.net", own_key=key("somebody"), signer=world().intermediate)
    made = getattr(world(), name)
    assert isinstance(made, Made)
    return made


def csr_of(case: dict[str, Any]) -> Csr:
    kind = "rsa1024" if case.get("key") == "rsa1024" else "ec"
    return read_csr(csr_for(key(f"csr-{kind}", kind)).public_bytes(Encoding.DER))


def leaf_of(case: dict[str, Any], begin: float) -> Made:
    kind = "rsa1024" if case.get("key") == "rsa1024" else "ec"
    own_key = key("stranger") if case.get("key") == "other" else key(f"csr-{kind}", kind)
    signer = None if case.get("signer") == "self" else ca(case.get("signer", "intermediate"))
    leaf = make(
        case.get("cn", FQDN),
        own_key=own_key,
        signer=signer,
        names=case.get("names", [FQDN]),
        ekus=case.get("ekus", ["serverAuth", "clientAuth"]),
        begin=AT + timedelta(days=begin),
        days=case.get("days", 90),
        critical_names=case.get("defect") == "critical-san",
        serial=int(begin * 1000) + 10**9,
    )
    return with_sha1(leaf, ca(case["signer"])) if case.get("defect") == "sha1" else leaf


def judge(case: dict[str, Any]) -> tuple[ReplyVerdict, Made]:
    leaf = leaf_of(case, case.get("begin", -10))
    sent = [ca(name).der for name in case.get("send", DEFAULT_SEND)]
    if "second" in case:
        sent.append(leaf_of(case, case["second"]).der)
    verdict = judge_reply(
        [*sent, leaf.der],
        csr_of(case),
        case.get("wanted", [FQDN]),
        AT,
        world().roots,
        [ca(name).der for name in case.get("known", [])],
        installed=frozenset({certificate_facts(leaf.der).thumbprint}) if case.get("installed") else frozenset(),
        requested=AT + timedelta(days=case["requested"]) if "requested" in case else None,
    )
    return verdict, leaf


@pytest.mark.parametrize("name", CASES)
def test_each_reply_gets_its_findings_and_no_others(name: str) -> None:
    case = CASES[name]
    verdict, leaf = judge(case)
    assert sorted(f"{f.rule}: {f.severity}" for f in verdict.findings) == sorted(case["findings"])
    assert verdict.leaf == (None if "wrong-key: refuse" in case["findings"] else leaf.der)
    assert verdict.refused == any(finding.endswith(": refuse") for finding in case["findings"])
    if "chain" in case:
        assert verdict.chain == tuple(ca(name).der for name in case["chain"])


@pytest.mark.parametrize("name", CASES)
def test_each_finding_says_what_was_seen_and_what_to_do(name: str) -> None:
    for finding in judge(CASES[name])[0].findings:
        assert finding.rule in RULES
        assert len(finding.message) > 20
        assert not finding.message.endswith(".")
        assert finding.todo or finding.severity is Severity.INFO


def test_every_reply_rule_has_a_case() -> None:
    fired = {finding.split(":")[0] for case in CASES.values() for finding in case["findings"]}
    assert {rule for rule in RULES if not rule.startswith("csr-")} - fired == {"verifier", "no-clientauth-mutual-tls"}


def test_missing_intermediate_is_named_with_its_address() -> None:
    (finding,) = judge({"send": ["intermediate"]})[0].findings
    assert "CN=Good Upper CA" in finding.message
    assert "http://ca.example/upper.cer" in finding.todo


def test_wrong_key_names_what_the_reply_holds() -> None:
    verdict, leaf = judge({"key": "other"})
    assert certificate_facts(leaf.der).thumbprint in verdict.findings[0].message
    assert "Good CA 1" not in verdict.findings[0].message


def test_expired_intermediate_and_weak_one_are_named() -> None:
    (finding,) = judge(CASES["expired-intermediate"])[0].findings
    assert "“Good CA 0” in the chain is valid only" in finding.message
    weak = with_sha1(
        make("Weak CA", own_key=key("weak"), signer=ca("rsa_intermediate"), ca=True), ca("rsa_intermediate")
    )
    leaf = make(FQDN, own_key=key("csr-ec"), signer=weak)
    sent = [leaf.der, weak.der, ca("rsa_intermediate").der]
    (finding,) = judge_reply(sent, csr_of({}), [FQDN], AT, world().roots).findings
    assert finding.rule == "untrusted"
    assert "“Weak CA” in the chain is signed with SHA1" in finding.message


def test_an_empty_store_of_roots_trusts_nothing() -> None:
    leaf = leaf_of({}, -10)
    sent = [leaf.der, ca("intermediate").der, ca("upper").der, ca("root").der]
    assert judge_reply(sent, csr_of({}), [FQDN], AT, ()).refused


def test_what_the_verifier_alone_refuses_does_not_pass_silently() -> None:
    # By name, time, purpose and path it is fine, and still no client can be asked about such a name.
    name = "mail_1.example.com"
    leaf = make(name, own_key=key("csr-ec"), signer=ca("intermediate"), names=[name, FQDN])
    sent = [leaf.der, ca("intermediate").der, ca("upper").der]
    (finding,) = judge_reply(sent, csr_of({}), [name, FQDN], AT, world().roots).findings
    assert (finding.rule, finding.severity) == ("verifier", Severity.REFUSE)
    assert name in finding.message


@pytest.mark.parametrize(
    ("ekus", "secure", "told"),
    [
        (["serverAuth"], True, True),
        (["serverAuth"], False, False),
        (["serverAuth", "clientAuth"], True, False),
        ([], True, False),
    ],
)
def test_mutual_tls_is_told_of_where_a_connector_uses_it(ekus: list[str], secure: bool, told: bool) -> None:
    facts = certificate_facts(leaf_of({"ekus": ekus}, -10).der)
    connectors = (send("To the bank", domain_secure_enabled=secure), send("Everybody else"))
    found = mutual_tls(facts, make_state(send_connectors=connectors))
    assert [(one.rule, one.severity) for one in found] == [("no-clientauth-mutual-tls", Severity.INFO)] * told
    assert all("send connector To the bank of EDGE1" in one.message for one in found)


@settings(max_examples=40, deadline=None)
@given(st.permutations(["leaf", "old", "root", "intermediate", "upper", "cross", "other_root", "stranger"]))
def test_any_order_gives_the_same_verdict(order: list[str]) -> None:
    made = {
        "leaf": leaf_of({}, -10).der,
        "old": leaf_of({}, -40).der,
        "stranger": make("x.example.net", own_key=key("somebody"), signer=ca("other_intermediate"), serial=77).der,
    }
    reply = [made.get(name) or ca(name).der for name in order]
    verdict = judge_reply(reply, csr_of({}), [FQDN], AT, world().roots)
    assert verdict.leaf == made["leaf"] or certificate_facts(verdict.leaf or b"").serial == f"{10**9 - 10_000:x}"
    assert [certificate_facts(der).title for der in verdict.chain] == ["Good CA 1", "Good Upper CA", "Good Upper CA"]
    assert len(set(verdict.chain)) == 3
    assert [f.rule for f in verdict.findings] == ["several"]
