"""Step 5: when the three send connectors are made, altered, refused, or not this server's business."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from worlds import (
    AT,
    ScriptedShell,
    certificate,
    make_context,
    make_site,
    make_state,
    make_wanted,
    send,
)

from tlsrunbook.evidence.record import Status
from tlsrunbook.exchange.command import Pipeline, Reply
from tlsrunbook.exchange.state import AddressSpace, SendConnector, ServerState
from tlsrunbook.policy.expected import after
from tlsrunbook.steps.base import StepResult, run_step
from tlsrunbook.steps.connectors import Connectors

NEW = certificate("A", services=frozenset({"SMTP"}))


def obeys(shell: ScriptedShell, pipeline: Pipeline) -> Reply:
    shell.state = after(pipeline, shell.state)
    return Reply()


def run(state: ServerState, *, mode: str = "apply", site: Any = None) -> tuple[StepResult, ScriptedShell]:
    shell = ScriptedShell(state, {"New-SendConnector": obeys, "Set-SendConnector": obeys})
    return run_step(Connectors(), make_context(shell, make_wanted(mode, site=site))), shell


def rules(result: StepResult) -> list[str]:
    assert result.decision is not None
    return [finding.rule for finding in result.decision.findings]


def with_connectors(*connectors: SendConnector, **changes: Any) -> ServerState:
    return make_state(NEW, send_connectors=connectors, **changes)


def test_three_are_made_and_a_second_run_changes_nothing() -> None:
    result, shell = run(with_connectors())
    assert (result.status, shell.changing) == (Status.CHANGED, ["New-SendConnector"] * 3)
    again, second = run(shell.state)
    assert (again.status, second.changing) == (Status.UNCHANGED, [])
    assert "TLS required EDGE1, TLS never EDGE1, TLS default EDGE1" in again.summary


def test_what_another_administrator_altered_is_put_right() -> None:
    _, shell = run(with_connectors())
    spoiled = tuple(
        replace(c, require_tls=False, tls_auth_level="") if "required" in c.name else c
        for c in shell.state.send_connectors
    )
    result, second = run(replace(shell.state, send_connectors=spoiled))
    assert (result.status, second.changing) == (Status.CHANGED, ["Set-SendConnector"])
    assert dict(second.sent[7][0].parameters) == {"Identity": "TLS required EDGE1", "RequireTLS": True}


@pytest.mark.parametrize(
    "site", [make_site({"roles": ["receive"]}), make_site({"roles": ["receive"]}, send_connectors=None)]
)
def test_a_server_that_does_not_send_is_skipped_and_not_even_read(site: Any) -> None:
    result, shell = run(with_connectors(), site=site)
    assert (result.status, shell.sent) == (Status.SKIPPED, [])
    assert result.summary == "EDGE1 does not send to the Internet"


def test_without_a_certificate_it_is_refused() -> None:
    result, shell = run(make_state())
    assert (result.status, rules(result), shell.changing) == (Status.BLOCKED, ["no-certificate"], [])


def test_planning_without_a_certificate_plans_all_three() -> None:
    result, shell = run(make_state(), mode="plan")
    assert (result.status, shell.changing) == (Status.PLANNED, [])
    assert result.decision is not None
    assert len(result.decision.plan.items) == 3


def test_planning_before_a_renewal_plans_the_new_name() -> None:
    _, shell = run(with_connectors())
    due = replace(NEW, not_after=AT + timedelta(days=3))
    state = replace(shell.state, certificates=(*make_state().certificates, due))
    result, _ = run(state, mode="plan")
    assert result.decision is not None
    assert [change.property for item in result.decision.plan.items for change in item.changes] == [
        "TlsCertificateName"
    ] * 2


REFUSED: dict[str, tuple[SendConnector, str]] = {
    "a partner on a foreign connector": (send("A partner", "partner.com"), "takes-another-connector"),
    "a cheaper default": (send("A default", "*"), "takes-another-connector"),
    "a host of a partner on a foreign connector": (
        send("Z", AddressSpace("mail.bank.com", 100)), "takes-another-connector"),
    "a subdomain of a partner on a foreign connector": (
        send("Z", AddressSpace("*.eu.bank.com", 100)), "takes-another-connector"),
    "a connector of another server": (
        send("TLS never EDGE1", "broken.org", source_transport_servers=("EDGE2",)), "connector-of-another-server"),
}  # fmt: skip


@pytest.mark.parametrize("mode", ["apply", "plan"])
@pytest.mark.parametrize("name", REFUSED)
def test_what_would_route_otherwise_is_refused_before_anything_is_sent(name: str, mode: str) -> None:
    connector, rule = REFUSED[name]
    # On an Edge there is no connector of another server; a Mailbox server sees those of the whole organisation.
    inside = {"is_edge": False, "role": "Mailbox"} if connector.source_transport_servers else {}
    state = with_connectors(connector, **inside)
    result, shell = run(state, mode=mode)
    assert (result.status, shell.changing) == (Status.BLOCKED, [])
    assert rule in rules(result)
    assert connector.name in result.summary


def test_a_subscribed_edge_is_refused_when_something_would_change() -> None:
    result, shell = run(with_connectors(edge_subscribed=True))
    assert (result.status, shell.changing) == (Status.BLOCKED, [])
    assert "edge-subscribed-blocked" in rules(result)


def test_a_subscribed_edge_whose_connectors_are_right_is_left_alone() -> None:
    _, shell = run(with_connectors())
    result, second = run(replace(shell.state, edge_subscribed=True))
    assert (result.status, second.changing) == (Status.UNCHANGED, [])


def test_an_edge_subscription_of_the_organisation_does_not_stop_a_mailbox_server() -> None:
    result, shell = run(with_connectors(edge_subscribed=True, is_edge=False, role="Mailbox"))
    assert (result.status, shell.changing) == (Status.CHANGED, ["New-SendConnector"] * 3)


def test_the_table_of_routes_is_in_the_facts() -> None:
    result, _ = run(with_connectors(send("Old", AddressSpace("*", 10))))
    assert result.decision is not None
    rows = result.decision.facts["routes"]
    assert [(row["domain"], row["will take"]) for row in rows] == [
        ("partner.com", "TLS required EDGE1"),
        ("*.bank.com", "TLS required EDGE1"),
        ("broken.org", "TLS never EDGE1"),
        ("every other domain", "TLS default EDGE1"),
    ]


def test_a_connector_that_keeps_its_old_value_is_seen_by_the_second_reading() -> None:
    def forgets(shell: ScriptedShell, pipeline: Pipeline) -> Reply:
        obeys(shell, pipeline)
        kept = tuple(replace(c, require_tls=False) for c in shell.state.send_connectors)
        shell.state = replace(shell.state, send_connectors=kept)
        return Reply()

    shell = ScriptedShell(with_connectors(), {"New-SendConnector": forgets})
    result = run_step(Connectors(), make_context(shell))
    assert result.status is Status.FAILED
    assert "send connector TLS required EDGE1 still has RequireTLS = False" in result.summary
