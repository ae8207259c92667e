"""Step 1: connectors, wire and DNS together; nothing is ever sent."""

from __future__ import annotations

from typing import Any

import pytest
from worlds import (
    FQDN,
    PARAMETERS,
    Given,
    ScriptedShell,
    make_context,
    make_site,
    make_state,
    make_wanted,
    probe,
    receive,
)

from tlsrunbook.evidence.record import Status
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.smtp.facts import ProbeOutcome
from tlsrunbook.steps.base import StepResult, run_step
from tlsrunbook.steps.confirm import Confirm

GOOD_DNS = {FQDN: ("192.0.2.1",)}
FRONTEND = receive(fqdn="", auth_mechanism=frozenset({"Tls", "ExchangeServer"}))


def run(
    state: ServerState | None = None,
    *probes: Any,
    dns: Any = GOOD_DNS,
    site: Any = None,
    mode: str = "apply",
    parameters: Any = PARAMETERS,
) -> tuple[StepResult, ScriptedShell]:
    shell = ScriptedShell(state or make_state(), {}, parameters)
    context = make_context(shell, make_wanted(mode, site=site), given=Given(probes or (probe(),), dns))
    return run_step(Confirm(), context), shell


def rules(result: StepResult) -> list[str]:
    assert result.decision is not None
    return [finding.rule for finding in result.decision.findings]


@pytest.mark.parametrize("mode", ["apply", "plan"])
def test_a_name_that_fits_is_unchanged_in_both_modes(mode: str) -> None:
    result, shell = run(mode=mode)
    assert (result.status, rules(result), shell.changing) == (Status.UNCHANGED, [], [])
    assert result.summary == f"EDGE1 answers with {FQDN}, and the certificate will carry it"


@pytest.mark.parametrize("mode", ["apply", "plan"])
def test_a_name_that_does_not_fit_is_blocked_in_both_modes(mode: str) -> None:
    result, shell = run(make_state(receive_connectors=(receive(fqdn="old.example.com"),)), mode=mode)
    assert (result.status, shell.changing) == (Status.BLOCKED, [])
    assert rules(result)[0] == "fqdn-differs"
    assert f"set the connector's Fqdn to {FQDN}" in result.todo


def test_a_fixed_name_is_told_and_does_not_stop() -> None:
    state = make_state(is_edge=False, role="Mailbox", receive_connectors=(FRONTEND,))
    result, _ = run(state, probe(ehlo_name="edge1.corp.local"))
    assert (result.status, rules(result)) == (Status.UNCHANGED, ["fqdn-fixed"])
    assert "its TLS certificate name will point to" in result.summary


def test_a_fixed_name_stops_where_there_is_no_certificate_name() -> None:
    state = make_state(is_edge=False, role="Mailbox", receive_connectors=(FRONTEND,))
    old = {**PARAMETERS, "Set-ReceiveConnector": frozenset({"Identity", "Fqdn"})}
    result, _ = run(state, probe(ehlo_name="edge1.corp.local"), parameters=old)
    assert result.status is Status.BLOCKED
    assert "fqdn-fixed-no-certificate-name" in rules(result)


def test_another_server_that_answers_at_the_endpoint_is_refused() -> None:
    result, _ = run(None, probe(ehlo_name="firewall.example.net"))
    assert (result.status, rules(result)) == (Status.BLOCKED, ["ehlo-name-differs"])


@pytest.mark.parametrize("outcome", [ProbeOutcome.UNREACHABLE, ProbeOutcome.TIMEOUT, ProbeOutcome.REJECTED])
def test_a_port_that_is_closed_from_here_warns_and_does_not_stop(outcome: ProbeOutcome) -> None:
    result, _ = run(None, probe(outcome, ehlo_name="", banner=""))
    assert result.status is Status.UNCHANGED
    assert result.decision is not None
    assert [finding.severity.value for finding in result.decision.findings] == ["warning"]


@pytest.mark.parametrize(
    ("dns", "rule"),
    [({}, "dns-silent"), ({FQDN: ()}, "dns-no-address")],
)
def test_dns_never_stops(dns: Any, rule: str) -> None:
    result, _ = run(dns=dns)
    assert (result.status, rules(result)) == (Status.UNCHANGED, [rule])


def test_an_endpoint_elsewhere_is_told_whether_it_is_a_name_or_an_address() -> None:
    for endpoint in ("mail.example.com:25", "192.0.2.9:25", "[2001:db8::9]:25"):
        site = make_site({"endpoints": [endpoint]})
        result, _ = run(dns={**GOOD_DNS, "mail.example.com": ("192.0.2.9",)}, site=site)
        assert "dns-other-address" in rules(result), endpoint


def test_a_sender_is_not_probed() -> None:
    site = make_site({"roles": ["send"], "endpoints": []})
    result, _ = run(None, probe(ProbeOutcome.UNREACHABLE, ehlo_name=""), site=site)
    assert (result.status, rules(result)) == (Status.UNCHANGED, [])
    assert result.summary == f"a certificate for {FQDN} fits what EDGE1 sends with"
