"""Step 4: SMTP on, the default SMTP certificate as before, the receive connectors' name set."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from shell_answers import failed
from worlds import (
    AT,
    DEFAULT,
    PARAMETERS,
    MemoryWorkspace,
    ScriptedShell,
    certificate,
    default_certificate,
    make_context,
    make_site,
    make_state,
    make_wanted,
    receive,
)

from tlsrunbook.errors import OutcomeUnknown
from tlsrunbook.evidence.record import Status
from tlsrunbook.exchange.command import Later, Pipeline, Reply
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.policy.expected import after
from tlsrunbook.steps.activate import Activate
from tlsrunbook.steps.base import StepResult, run_step

NEW = certificate("A")
NAME = NEW.tls_certificate_name
SMTP = frozenset({"SMTP"})
ACTIVE = replace(NEW, services=SMTP)
NAMED = (receive(tls_certificate_name=NAME),)


def obeys(shell: ScriptedShell, pipeline: Pipeline) -> Reply:
    shell.state = after(pipeline, shell.state)
    return Reply()


def run(
    state: ServerState, *, mode: str = "apply", remembered: str = "", site: Any = None, **answers: Any
) -> tuple[StepResult, ScriptedShell]:
    scripted = {"Enable-ExchangeCertificate": obeys, "Set-ReceiveConnector": obeys, **answers}
    parameters = scripted.pop("parameters", PARAMETERS)
    shell = ScriptedShell(state, scripted, parameters)
    context = make_context(shell, make_wanted(mode, site=site), workspace=MemoryWorkspace(remembered))
    return run_step(Activate(), context), shell


def rules(result: StepResult) -> list[str]:
    assert result.decision is not None
    return [finding.rule for finding in result.decision.findings]


def thumbprints(shell: ScriptedShell) -> list[Any]:
    return [p[0].get("Thumbprint") for p in shell.sent if p[0].name == "Enable-ExchangeCertificate"]


def test_the_new_one_is_enabled_the_old_default_put_back_at_once_and_the_connector_named() -> None:
    result, shell = run(make_state(NEW))
    assert result.status is Status.CHANGED
    assert shell.changing == ["Enable-ExchangeCertificate"] * 2 + ["Set-ReceiveConnector"]
    assert thumbprints(shell) == [NEW.thumbprint, DEFAULT]
    assert shell.state.internal_transport_thumbprint == DEFAULT
    assert shell.state.receive_connectors == NAMED
    assert rules(result) == ["default-kept"]


def test_both_enables_are_visible_in_the_plan() -> None:
    result, shell = run(make_state(NEW), mode="plan")
    assert (result.status, shell.changing) == (Status.PLANNED, [])
    assert result.decision is not None
    wants = [(item.changes[0].property, item.changes[0].want) for item in result.decision.plan.items]
    assert wants == [
        ("Services", ("SMTP",)),
        ("default SMTP certificate", DEFAULT),
        ("TlsCertificateName", NAME),
    ]
    assert result.decision.facts["put back"] == DEFAULT


def test_what_is_active_already_is_unchanged() -> None:
    result, shell = run(make_state(ACTIVE, receive_connectors=NAMED))
    assert (result.status, shell.changing, rules(result)) == (Status.UNCHANGED, [], [])


def test_a_second_run_changes_nothing() -> None:
    _, shell = run(make_state(NEW))
    again, second = run(shell.state, remembered=DEFAULT)
    assert (again.status, second.changing) == (Status.UNCHANGED, [])


def test_replace_makes_it_the_default() -> None:
    site = make_site(policy={"default_smtp_certificate": "replace"})
    result, shell = run(make_state(NEW), site=site)
    assert result.status is Status.CHANGED
    assert shell.state.internal_transport_thumbprint == NEW.thumbprint
    assert run(shell.state, site=site)[0].status is Status.UNCHANGED


def test_replace_of_an_enabled_one_that_is_not_the_default_yet() -> None:
    site = make_site(policy={"default_smtp_certificate": "replace"})
    result, shell = run(make_state(ACTIVE, receive_connectors=NAMED), site=site)
    assert (result.status, thumbprints(shell)) == (Status.CHANGED, [NEW.thumbprint])


@pytest.mark.parametrize("mark", ["self-signed only", "expired", "no key", "pending"])
def test_without_a_certificate_it_is_refused(mark: str) -> None:
    spoiled = {
        "self-signed only": (),
        "expired": (certificate(not_after=AT - timedelta(seconds=1)),),
        "no key": (certificate(has_private_key=False),),
        "pending": (certificate(status="PendingRequest"),),
    }[mark]
    result, shell = run(make_state(*spoiled))
    assert (result.status, rules(result), shell.changing) == (Status.BLOCKED, ["no-certificate"], [])
    assert result.todo == "run the steps request and install first"


@pytest.mark.parametrize("due", [(), (certificate(not_after=AT + timedelta(days=3)),)])
def test_planning_for_a_certificate_that_is_not_there_yet(due: tuple[Any, ...]) -> None:
    result, shell = run(make_state(*due), mode="plan")
    assert (result.status, shell.changing) == (Status.PLANNED, [])
    assert result.decision is not None
    assert isinstance(result.decision.facts["thumbprint"], Later)


@pytest.mark.parametrize(
    ("state", "policy", "rule"),
    [
        ({"internal_transport_thumbprint": ""}, "keep", "default-cannot-be-kept"),
        ({"internal_transport_thumbprint": "E" * 40}, "keep", "default-cannot-be-kept"),
        ({"certificates": (default_certificate(has_private_key=False), NEW)}, "keep", "default-cannot-be-kept"),
        ({"edge_subscribed": True}, "replace", "default-replace-with-edge-subscription"),
    ],
)
def test_enabling_that_would_lose_the_default_is_refused(state: dict[str, Any], policy: str, rule: str) -> None:
    site = make_site(policy={"default_smtp_certificate": policy})
    result, shell = run(replace(make_state(NEW), **state), site=site)
    assert (result.status, shell.changing) == (Status.BLOCKED, [])
    assert rule in rules(result)


def test_a_broken_default_does_not_matter_when_nothing_is_enabled() -> None:
    state = make_state(ACTIVE, receive_connectors=NAMED, internal_transport_thumbprint="E" * 40)
    assert run(state)[0].status is Status.UNCHANGED


def test_after_an_interrupted_run_only_the_put_back_is_left() -> None:
    half_way = make_state(ACTIVE, receive_connectors=NAMED, internal_transport_thumbprint=NEW.thumbprint)
    result, shell = run(half_way, remembered=DEFAULT)
    assert (result.status, thumbprints(shell)) == (Status.CHANGED, [DEFAULT])
    assert shell.state.internal_transport_thumbprint == DEFAULT


def test_a_default_that_was_this_one_from_the_start_is_left_and_said() -> None:
    state = make_state(ACTIVE, receive_connectors=NAMED, internal_transport_thumbprint=NEW.thumbprint)
    for remembered in ("", NEW.thumbprint):
        result, shell = run(state, remembered=remembered)
        assert (result.status, rules(result), shell.changing) == (Status.UNCHANGED, ["default-is-this"], [])


def test_an_unknown_outcome_of_enabling_sends_nothing_more_and_the_next_run_puts_back() -> None:
    def lost(shell: ScriptedShell, pipeline: Pipeline) -> Reply:
        obeys(shell, pipeline)
        raise OutcomeUnknown("sent and not answered")

    result, shell = run(make_state(NEW), **{"Enable-ExchangeCertificate": lost})
    assert (result.status, shell.changing) == (Status.UNKNOWN, ["Enable-ExchangeCertificate"])
    again, second = run(shell.state, remembered=DEFAULT)
    assert (again.status, thumbprints(second)) == (Status.CHANGED, [DEFAULT])
    assert second.state.internal_transport_thumbprint == DEFAULT


def test_a_put_back_that_is_refused_fails_and_the_next_run_tries_it_again() -> None:
    result, shell = run(make_state(NEW), **{"Enable-ExchangeCertificate": [_enabled, failed("RPC error")]})
    assert (result.status, shell.changing) == (Status.FAILED, ["Enable-ExchangeCertificate"] * 2)
    again, second = run(shell.state, remembered=DEFAULT)
    assert (again.status, second.state.internal_transport_thumbprint) == (Status.CHANGED, DEFAULT)


def _enabled(shell: ScriptedShell, pipeline: Pipeline) -> Reply:
    return obeys(shell, pipeline)


def test_a_put_back_that_does_nothing_is_seen_by_the_second_reading() -> None:
    result, _ = run(make_state(NEW), **{"Enable-ExchangeCertificate": [_enabled, Reply()]})
    assert (result.status, "default-changed" in rules(result)) == (Status.FAILED, True)
    assert f"should be {DEFAULT} and is {NEW.thumbprint}" in result.summary


def test_a_connector_that_does_not_take_the_name_is_seen_by_the_second_reading() -> None:
    result, _ = run(make_state(NEW), **{"Set-ReceiveConnector": Reply()})
    assert result.status is Status.FAILED
    assert "receive connector EDGE1\\Default EDGE1 still has TlsCertificateName" in result.summary


def test_an_odd_fqdn_on_any_connector_stops_before_smtp_is_enabled() -> None:
    odd = receive("Odd", fqdn="my_server.corp", bindings=("0.0.0.0:2525",))
    result, shell = run(make_state(NEW, receive_connectors=(receive(), odd)))
    assert (result.status, shell.changing) == (Status.BLOCKED, [])
    assert "rc-fqdn-chars" in rules(result)


def test_connectors_that_name_the_superseded_certificate_follow_others_stay() -> None:
    old = certificate("C", issuer="CN=Old CA", services=SMTP)
    private = certificate("E", subject="CN=client.example.com", names=("client.example.com",))
    connectors = (
        receive(tls_certificate_name=old.tls_certificate_name),
        receive("Client", bindings=("0.0.0.0:587",), tls_certificate_name=old.tls_certificate_name),
        receive("Private", bindings=("0.0.0.0:2525",), tls_certificate_name=private.tls_certificate_name),
        receive("Plain", bindings=("0.0.0.0:2526",)),
    )
    state = make_state(old, private, replace(NEW, not_before=AT), receive_connectors=connectors)
    _, shell = run(state)
    names = {connector.name: connector.tls_certificate_name for connector in shell.state.receive_connectors}
    assert names == {"Default EDGE1": NAME, "Client": NAME, "Private": private.tls_certificate_name, "Plain": ""}


def test_a_sender_has_no_receive_connectors_to_name() -> None:
    _, shell = run(make_state(NEW), site=make_site({"roles": ["send"], "endpoints": []}))
    assert shell.changing == ["Enable-ExchangeCertificate"] * 2


def test_an_exchange_without_the_property_sets_no_names() -> None:
    parameters = {**PARAMETERS, "Set-ReceiveConnector": frozenset({"Identity", "Fqdn"})}
    result, shell = run(make_state(NEW), parameters=parameters)
    assert (result.status, shell.changing) == (Status.CHANGED, ["Enable-ExchangeCertificate"] * 2)


def test_an_account_that_may_not_force_fails_by_name_before_anything_is_sent() -> None:
    parameters = {**PARAMETERS, "Enable-ExchangeCertificate": frozenset({"Server", "Thumbprint", "Services"})}
    result, shell = run(make_state(NEW), parameters=parameters)
    assert (result.status, shell.changing) == (Status.FAILED, [])
    assert "Enable-ExchangeCertificate has no -Force here" in result.summary
    assert result.before is not None
