"""What is said about a probe: pure, without a socket."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest
from odd_certificates import NAME, NOW, World, issue

from tests.support.probes import seen
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.policy.wire import RULES, Expected, judge_ehlo, judge_probe
from tlsrunbook.smtp.facts import ProbeFacts, ProbeOutcome

EXPECTED = Expected(fqdn=NAME, names=(NAME,), ehlo_names=(NAME,))


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def failed(outcome: ProbeOutcome, **more: object) -> ProbeFacts:
    return replace(ProbeFacts(f"{NAME}:25", "192.0.2.1:25", outcome, "its own words"), **more)  # type: ignore[arg-type]


def judge(facts: ProbeFacts, world: World, expected: Expected = EXPECTED, *, known: bool = True) -> tuple[Finding, ...]:
    more = (world.lower.der, world.upper.der) if known else ()
    return judge_probe(facts, expected, NOW, world.roots, more)


def only(findings: tuple[Finding, ...], rule: str, severity: Severity = Severity.ERROR) -> Finding:
    assert [(finding.rule, finding.severity) for finding in findings] == [(rule, severity)]
    return findings[0]


@pytest.mark.parametrize("protocol", ["TLSv1.2", "TLSv1.3"])
def test_a_good_server_has_no_finding(protocol: str, world: World) -> None:
    thumbprint = hashlib.sha1(world.good.sent[0], usedforsecurity=False).hexdigest().upper()
    assert judge(seen(world, protocol=protocol), world, replace(EXPECTED, thumbprint=thumbprint)) == ()


@pytest.mark.parametrize(
    ("outcome", "rule"),
    [
        (ProbeOutcome.UNREACHABLE, "smtp-unreachable"),
        (ProbeOutcome.REJECTED, "smtp-rejected"),
        (ProbeOutcome.NOT_SMTP, "smtp-not-smtp"),
        (ProbeOutcome.TIMEOUT, "smtp-timeout"),
        (ProbeOutcome.STARTTLS_NOT_OFFERED, "starttls-not-offered"),
        (ProbeOutcome.STARTTLS_REFUSED, "starttls-refused"),
        (ProbeOutcome.HANDSHAKE_FAILED, "tls-handshake-failed"),
        (ProbeOutcome.RESPONSE_INJECTED, "response-injection"),
    ],
)
def test_every_outcome_without_tls_has_its_rule(outcome: ProbeOutcome, rule: str, world: World) -> None:
    finding = only(judge(failed(outcome), world), rule)
    assert finding.message.endswith(": its own words")
    assert finding.target == f"endpoint {NAME}:25 at 192.0.2.1:25"
    assert finding.todo


def test_no_outcome_is_forgotten(world: World) -> None:
    for outcome in ProbeOutcome:
        assert outcome is ProbeOutcome.TLS or len(judge(failed(outcome), world)) == 1


@pytest.mark.parametrize("signs", [{"banner": "*****************"}, {"extensions": ("SIZE", "XXXXXXXA")}])
@pytest.mark.parametrize(
    ("outcome", "offered", "severity"),
    [
        (ProbeOutcome.TLS, True, Severity.WARNING),
        (ProbeOutcome.TLS, False, Severity.ERROR),
        (ProbeOutcome.STARTTLS_NOT_OFFERED, False, Severity.ERROR),
        (ProbeOutcome.STARTTLS_REFUSED, True, Severity.ERROR),
    ],
)
def test_a_device_that_rewrites_smtp_is_the_one_finding(
    signs: dict[str, object], outcome: ProbeOutcome, offered: bool, severity: Severity, world: World
) -> None:
    facts = seen(world, outcome=outcome, offered_starttls=offered, **signs)
    finding = only(judge(facts, world), "middlebox", severity)
    assert "***" in finding.message or "XXXXXXXA" in finding.message


def test_another_certificate_is_described_with_its_own_faults(world: World) -> None:
    expected = replace(EXPECTED, thumbprint="A" * 40)
    finding = only(judge(seen(world, "self-signed"), world, expected), "thumbprint-differs")
    leaf = world.chain("self-signed").chain[0].certificate
    assert "A" * 40 in finding.message
    assert f"subject “CN={NAME}”, issuer “CN={NAME}”" in finding.message
    assert f"{leaf.not_valid_after_utc:%Y-%m-%d}" in finding.message
    assert finding.message.endswith("it is also at fault: self-signed")
    good = only(judge(seen(world), world, expected), "thumbprint-differs")
    assert "at fault" not in good.message


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(("kind", "missing"), [("leaf-only", "CN=Odd Lower CA"), ("upper-missing", "CN=Odd Upper CA")])
def test_the_missing_intermediate_is_named(kind: str, missing: str, known: bool, world: World) -> None:
    rule = "chain-incomplete" if known or kind == "leaf-only" else "issuer-unknown"
    finding = only(judge(seen(world, kind), world, known=known), rule)
    assert missing in finding.message
    if rule == "chain-incomplete":
        assert "LocalMachine\\CA" in finding.todo


def test_a_chain_this_python_cannot_show_is_not_called_incomplete(world: World) -> None:
    facts = seen(world, "leaf-only", chain_complete_view=False)
    only(judge(facts, world), "chain-unseen", Severity.WARNING)


def test_a_cross_signed_chain_is_in_order(world: World) -> None:
    crossed = issue("Odd Upper CA", world.stranger, days=(-700, 1000), ca=True, key=world.upper.key)
    assert judge(seen(world, chain=(*world.good.sent, crossed.der)), world) == ()


@pytest.mark.parametrize(
    ("kind", "rule", "severity", "words"),
    [
        ("wrong-name", "wrong-name", Severity.ERROR, f"does not stand for {NAME}; it has other.example.net"),
        ("no-names", "wrong-name", Severity.ERROR, "no names at all"),
        ("expired", "expired", Severity.ERROR, "expired on"),
        ("not-yet-valid", "not-yet-valid", Severity.ERROR, "not valid before"),
        ("expires-soon", "expires-soon", Severity.WARNING, "expires in 5 days"),
        ("self-signed", "self-signed", Severity.ERROR, "its own key"),
        ("untrusted", "untrusted", Severity.ERROR, "CN=Strange Root"),
        ("disordered", "chain-disordered", Severity.WARNING, "Odd Upper CA"),
        ("root-sent", "root-sent", Severity.INFO, "Odd Root"),
    ],
)
def test_each_certificate_fault_names_what_it_is_about(
    kind: str, rule: str, severity: Severity, words: str, world: World
) -> None:
    assert words in only(judge(seen(world, kind), world), rule, severity).message


def test_two_faults_are_two_findings(world: World) -> None:
    own = issue("ex01", names=("ex01",), days=(-100, -1))
    found = judge(seen(world, chain=(own.der,), ehlo_name="ex01.example.lan", protocol="TLSv1.1"), world)
    assert [f.rule for f in found] == ["tls-too-old", "ehlo-name-differs", "wrong-name", "expired", "self-signed"]


def test_every_name_the_server_is_reached_by_must_be_there(world: World) -> None:
    expected = replace(EXPECTED, names=("smtp.example.net", "MAIL.example.net."))
    assert "does not stand for smtp.example.net;" in only(judge(seen(world), world, expected), "wrong-name").message


def test_a_short_life_is_soon_over_only_in_its_last_third(world: World) -> None:
    leaf = world.leaf(days=(-20, 27))
    facts = seen(world, chain=(leaf.der, *world.good.sent[1:]))

    def at(days: int) -> tuple[Finding, ...]:
        return judge_probe(facts, EXPECTED, NOW + timedelta(days=days), world.roots)

    assert at(11) == ()
    only(at(12), "expires-soon", Severity.WARNING)


@pytest.mark.parametrize(("chain", "words"), [((), "shows no certificate"), ((b"\x30\x03abc",), "cannot be judged")])
def test_an_unreadable_certificate_is_a_finding(chain: tuple[bytes, ...], words: str, world: World) -> None:
    assert words in only(judge(seen(world, chain=chain), world), "certificate-unreadable").message


def test_a_damaged_intermediate_is_a_finding(world: World) -> None:
    only(judge(seen(world, chain=(world.good.sent[0], b"\x30\x03abc")), world), "certificate-unreadable")


def test_trouble_inside_tls_is_a_finding(world: World) -> None:
    finding = only(judge(seen(world, detail="454 no key"), world), "smtp-broken-in-tls")
    assert finding.message.endswith(": 454 no key")


def test_a_strict_verifiers_refusal_never_passes_silently(world: World) -> None:
    name = "under_score.example.net"  # no rule minds the name, and the verifier cannot be asked for it
    leaf = world.leaf(names=(name,))
    expected = Expected(fqdn=name, names=(name,))
    only(judge(seen(world, chain=(leaf.der, *world.good.sent[1:])), world, expected), "verifier")


INTERNAL = "ex01.example.lan"


@pytest.mark.parametrize(
    ("ehlo", "connectors", "severity"),
    [
        (NAME, (NAME,), None),
        (NAME.upper() + ".", (NAME,), None),
        (NAME, (), None),
        (INTERNAL, (INTERNAL,), None),  # judged at the connector
        (INTERNAL, (NAME, INTERNAL), None),
        (NAME, (INTERNAL,), Severity.WARNING),
        (INTERNAL, (NAME,), Severity.REFUSE),
        (INTERNAL, (), Severity.REFUSE),
    ],
)
def test_confirm_compares_the_wire_with_connector_and_certificate(
    ehlo: str, connectors: tuple[str, ...], severity: Severity | None, world: World
) -> None:
    found = judge_ehlo(seen(world, ehlo_name=ehlo), (NAME,), connectors)
    if severity is None:
        assert found == ()
        return
    finding = only(found, "ehlo-name-differs", severity)
    assert ehlo in finding.message
    assert finding.todo


def test_confirm_does_not_mind_tls_yet(world: World) -> None:
    for outcome in (ProbeOutcome.STARTTLS_NOT_OFFERED, ProbeOutcome.HANDSHAKE_FAILED):
        assert judge_ehlo(seen(world, outcome=outcome, chain=()), (NAME,), (NAME,)) == ()


@pytest.mark.parametrize("outcome", [ProbeOutcome.UNREACHABLE, ProbeOutcome.REJECTED, ProbeOutcome.TIMEOUT])
def test_confirm_only_warns_when_nobody_answers(outcome: ProbeOutcome) -> None:
    only(judge_ehlo(failed(outcome, banner="hello"), (NAME,), (NAME,)), f"smtp-{outcome}", Severity.WARNING)


def test_confirm_warns_of_a_nameless_answer_and_of_a_rewriting_device(world: World) -> None:
    nameless = judge_ehlo(seen(world, ehlo_name=""), (NAME,), (NAME,))
    assert "no name" in only(nameless, "ehlo-name-differs", Severity.WARNING).message
    only(judge_ehlo(seen(world, banner="*******"), (NAME,), (NAME,)), "middlebox", Severity.WARNING)


def test_every_rule_has_a_sentence() -> None:
    for rule, sentence in RULES.items():
        assert rule == rule.lower().replace("_", "-")
        assert sentence.endswith(".")
    assert {"wrong-name", "chain-incomplete", "smtp-timeout"} <= set(RULES)
