"""Confirm's rules: each fires where it should, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest
from worlds import FQDN, certificate, make_site, make_state, receive, send

from tlsrunbook.policy.confirm import RULES, concerned, confirm_connectors, confirm_dns, confirm_server
from tlsrunbook.policy.finding import Finding, Severity

GOOD = receive()
FRONTEND = receive("Default Frontend EDGE1", fqdn="", auth_mechanism=frozenset({"Tls", "ExchangeServer", "Integrated"}))
MAILBOX = {"is_edge": False, "role": "Mailbox"}
_SUBJECT = "<I>CN=Good CA<S>CN=mx1.example.com"


def rules(findings: tuple[Finding, ...]) -> dict[str, str]:
    return {finding.rule: finding.severity.value for finding in findings}


#: name: connectors, other fields of the state, keys of the server, whether TlsCertificateName exists, findings
CASES: dict[str, tuple[tuple[Any, ...], dict[str, Any], dict[str, Any], bool, dict[str, str]]] = {
    "good": ((GOOD,), {}, {}, True, {}),
    "a further name": ((receive(fqdn="smtp.example.com"),), {}, {"names": ["smtp.example.com"]}, True, {}),
    "no receive connector at all": ((), {}, {}, True, {"no-receive-connector": "refuse"}),
    "none that faces the Internet": (
        (receive(bindings=("0.0.0.0:587",)),), {}, {}, True, {"no-receive-connector": "refuse"}),
    "only a disabled one": ((receive(enabled=False),), {}, {}, True, {"no-receive-connector": "refuse"}),
    "only one without anonymous mail": (
        (receive(permission_groups=frozenset({"ExchangeUsers"})),), {}, {}, True, {"no-receive-connector": "refuse"}),
    "a sender needs none": ((), {}, {"roles": ["send"], "endpoints": []}, True, {}),
    "one that is not there": (
        (GOOD,), {}, {"receive_connectors": ["Nobody"]}, True, {"unknown-receive-connector": "refuse"}),
    "one of two is not there": (
        (GOOD,), {}, {"receive_connectors": ["Default EDGE1", "X"]}, True, {"unknown-receive-connector": "refuse"}),
    "named in another case, and by identity": (
        (GOOD,), {}, {"receive_connectors": ["edge1\\DEFAULT edge1"]}, True, {}),
    "a named one without TLS": (
        (receive(auth_mechanism=frozenset()),), {}, {"receive_connectors": ["Default EDGE1"]}, True,
        {"no-tls-on-connector": "refuse"}),
    "another name": ((receive(fqdn="old.example.com"),), {}, {}, True, {"fqdn-differs": "refuse"}),
    "the server's own name, which no CA certifies": ((receive(fqdn=""),), {}, {}, True, {"fqdn-differs": "refuse"}),
    "another name on a connector nobody is about": (
        (GOOD, receive("Client", fqdn="old.example.com", bindings=("0.0.0.0:587",))), {}, {}, True, {}),
    "fixed on a Mailbox server": ((FRONTEND,), MAILBOX, {}, True, {"fqdn-fixed": "info"}),
    "fixed before 2013": ((FRONTEND,), MAILBOX, {}, False, {"fqdn-fixed-no-certificate-name": "refuse"}),
    "not fixed on an Edge": ((FRONTEND,), {}, {}, True, {"fqdn-differs": "refuse"}),
    "fixed, and right by itself": ((FRONTEND,), {**MAILBOX, "fqdn": FQDN}, {}, True, {}),
    "an underscore": (
        (GOOD, receive("Odd", fqdn="my_server.corp", bindings=("0.0.0.0:2525",))), {}, {}, True,
        {"rc-fqdn-chars": "refuse"}),
    "an underscore matters to a sender too": (
        (receive("Odd", fqdn="my_server.corp"),), {}, {"roles": ["send"], "endpoints": []}, True,
        {"rc-fqdn-chars": "refuse"}),
    "a certificate that is gone": (
        (receive(tls_certificate_name=_SUBJECT),), {}, {}, True, {"stale-certificate-name": "warning"}),
    "a certificate that is there, in another case": (
        (receive(tls_certificate_name=_SUBJECT.lower()),),
        {"certificates": (certificate(),)}, {}, True, {}),
    "a sender's own name": (
        (GOOD,), {"send_connectors": (send(fqdn="edge1.corp.local"),)}, {}, True, {"sender-fqdn-differs": "warning"}),
    "a sender of this server among others": (
        (GOOD,), {"send_connectors": (send(fqdn="mx7.corp", source_transport_servers=("MBX7", "EDGE1")),)}, {}, True,
        {"sender-fqdn-differs": "warning"}),
    "a sender of another server of the organisation": (
        (GOOD,), {"send_connectors": (send(fqdn="mx7.corp", source_transport_servers=("MBX7",)),)}, {}, True, {}),
    "a sender to partners only": (
        (GOOD,), {"send_connectors": (send("P", "partner.com", fqdn="edge1.corp.local"),)}, {}, True, {}),
    "a disabled sender": (
        (GOOD,), {"send_connectors": (send(fqdn="edge1.corp.local", enabled=False),)}, {}, True, {}),
    "a sender with the right name": ((GOOD,), {"send_connectors": (send(fqdn=FQDN),)}, {}, True, {}),
    "a receiver's send connectors are not its business": (
        (GOOD,), {"send_connectors": (send(fqdn="edge1.corp.local"),)}, {"roles": ["receive"]}, True, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_confirm_connectors(name: str) -> None:
    connectors, state, server, has_certificate_name, expected = CASES[name]
    one = make_site(server).servers[0]
    findings = confirm_connectors(make_state(receive_connectors=connectors, **state), one, has_certificate_name)
    assert rules(findings) == expected
    assert len(findings) == len(expected)
    assert all(finding.target for finding in findings)
    assert all(finding.todo for finding in findings if finding.severity is not Severity.INFO)


def test_the_finding_about_a_fixed_name_names_the_rule_that_fixes_it() -> None:
    state = make_state(receive_connectors=(FRONTEND,), **MAILBOX)
    (finding,) = confirm_connectors(state, make_site().servers[0], True)
    assert "rc-fqdn-exchangeserver" in finding.message
    assert "edge1.corp.local" in finding.message


def test_the_connectors_in_question_are_those_that_are_named_else_those_facing_the_internet() -> None:
    client = receive("Client", bindings=("0.0.0.0:587",))
    state = make_state(receive_connectors=(GOOD, client))
    assert concerned(state, make_site().servers[0]) == (GOOD,)
    assert concerned(state, make_site({"receive_connectors": ["Client"]}).servers[0]) == (client,)


@pytest.mark.parametrize(("name", "refused"), [("EDGE1", False), ("edge1", False), ("EDGE2", True), ("EDGE10", True)])
def test_the_server_that_answers_is_the_one_that_is_meant(name: str, refused: bool) -> None:
    findings = confirm_server(make_state(name=name), make_site().servers[0])
    assert rules(findings) == ({"another-server": "refuse"} if refused else {})


ENDPOINT = f"{FQDN}:25"


@pytest.mark.parametrize(
    ("addresses", "endpoints", "expected"),
    [
        (("192.0.2.1",), {ENDPOINT: ("192.0.2.1",)}, {}),
        (("192.0.2.1", "2001:db8::1"), {ENDPOINT: ("2001:db8::1",)}, {}),
        (("192.0.2.1",), {ENDPOINT: ()}, {}),
        (("192.0.2.1",), {}, {}),
        (None, {ENDPOINT: ("192.0.2.1",)}, {"dns-silent": "info"}),
        ((), {ENDPOINT: ("192.0.2.1",)}, {"dns-no-address": "warning"}),
        (("192.0.2.9",), {ENDPOINT: ("192.0.2.1",)}, {"dns-other-address": "warning"}),
        (("192.0.2.9",), {ENDPOINT: ("192.0.2.9",), "a:25": ("192.0.2.1",)}, {"dns-other-address": "warning"}),
    ],
)
def test_confirm_dns(addresses: Any, endpoints: dict[str, tuple[str, ...]], expected: dict[str, str]) -> None:
    assert rules(confirm_dns(make_site().servers[0], addresses, endpoints)) == expected


def test_the_server_that_answers_is_the_one_that_is_meant_in_any_case() -> None:
    server = make_site().servers[0]
    assert confirm_server(make_state(name="edge1"), server) == ()
    assert rules(confirm_server(make_state(name="EDGE2"), server)) == {"another-server": "refuse"}


def test_every_rule_has_a_case() -> None:
    seen = {rule for *_, expected in CASES.values() for rule in expected}
    assert seen | {"dns-silent", "dns-no-address", "dns-other-address", "another-server"} == RULES.keys()
