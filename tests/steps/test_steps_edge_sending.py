"""Send connectors of a subscribed Edge, decided from memory: refusals, what is waited for, and the deadline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from worlds import (
    PARAMETERS,
    SITE,
    Given,
    MemoryWorkspace,
    ScriptedShell,
    certificate,
    make_context,
    make_state,
    probe,
    send,
)

from tlsrunbook.evidence.record import Status
from tlsrunbook.exchange.command import Pipeline, Reply
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.policy.expected import after
from tlsrunbook.site import Site, parse_site
from tlsrunbook.steps.base import StepResult, run_step
from tlsrunbook.steps.connectors import Connectors
from tlsrunbook.steps.edge_sync import DEADLINE, PAUSES
from tlsrunbook.steps.model import Wanted

NAME = "<I>CN=Good CA<S>CN=mx1.example.com"
SYNC = {"Start-EdgeSynchronization", "Test-EdgeSynchronization"}
BOTH: Mapping[str, frozenset[str]] = {
    **PARAMETERS,
    "Start-EdgeSynchronization": frozenset({"Server", "TargetServer"}),
    "Test-EdgeSynchronization": frozenset({"TargetServer", "ExcludeRecipientTest"}),
}
MAILBOX = {"name": "MBX1", "fqdn": "mbx1.corp.local", "is_edge": False, "role": "Mailbox"}


def make_two(**mailbox: Any) -> Site:
    edge = {**SITE["servers"][0], "send_through": "MBX1"}
    inside = {**SITE["servers"][0], "name": "MBX1", "address": "mbx1.example.com", "fqdn": "mx2.example.com",
              "roles": ["receive"], "endpoints": ["mx2.example.com:25"], **mailbox}  # fmt: skip
    return parse_site({**SITE, "servers": [edge, inside]})


def sync_reply(status: str, connectors: str, detail: str | None = None) -> Reply:
    row = {"Name": "EDGE1", "SyncStatus": status, "FailureDetail": detail, "SendConnectorStatus": connectors}
    return Reply((row,))


STARTED = Reply(({"Name": "EDGE1", "Result": "Success", "FailureDetails": None},))
IN_STEP, BEHIND = sync_reply("Normal", "Synchronized"), sync_reply("Inconclusive", "NotSynchronized")


def obeys(shell: ScriptedShell, pipeline: Pipeline) -> Reply:
    shell.state = after(pipeline, shell.state)
    return Reply()


def inside_state(**changes: Any) -> ServerState:
    return make_state(**{**MAILBOX, "edge_subscribed": True, **changes})


def run(
    state: ServerState,
    looks: Any,
    *,
    site: Site | None = None,
    mode: str = "apply",
    name: str = NAME,
    parameters: Mapping[str, frozenset[str]] = BOTH,
    started: Reply = STARTED,
) -> tuple[StepResult, ScriptedShell, Given]:
    answers = {
        "New-SendConnector": obeys, "Set-SendConnector": obeys, "Start-EdgeSynchronization": started,
        "Test-EdgeSynchronization": looks,
    }  # fmt: skip
    shell = ScriptedShell(state, answers, parameters)
    site = site or make_two()
    given = Given((probe(),), {})
    others = {("EDGE1", "activate"): {"TLS certificate name": name}} if name else {}
    wanted = Wanted(site, site.server(state.name), mode, given.now(), ())
    context = make_context(shell, wanted, given=given, workspace=MemoryWorkspace(others=others))
    return run_step(Connectors(), context), shell, given


def rules(result: StepResult) -> list[str]:
    assert result.decision is not None
    return [finding.rule for finding in result.decision.findings]


def test_three_are_made_with_the_edge_as_source_then_edgesync_is_started_and_awaited() -> None:
    result, shell, given = run(inside_state(), [BEHIND, BEHIND, BEHIND, IN_STEP, IN_STEP])
    assert result.status is Status.CHANGED
    assert shell.changing == ["New-SendConnector"] * 3 + ["Start-EdgeSynchronization"]
    assert {c.source_transport_servers for c in shell.state.send_connectors} == {("EDGE1",)}
    assert given.passed == PAUSES[0] + 2 * PAUSES[0], "each pause is twice the one before"


def test_an_edge_in_step_with_the_right_connectors_is_left_alone() -> None:
    _, shell, _ = run(inside_state(), [BEHIND, IN_STEP, IN_STEP])
    result, second, _ = run(shell.state, IN_STEP)
    assert (result.status, second.changing) == (Status.UNCHANGED, [])
    assert "EDGE1 sends with TLS as the site file says" in result.summary


def test_an_edge_out_of_step_gets_an_edgesync_and_nothing_else() -> None:
    _, shell, _ = run(inside_state(), [BEHIND, IN_STEP, IN_STEP])
    result, second, _ = run(shell.state, [BEHIND, IN_STEP, IN_STEP])
    assert (result.status, second.changing) == (Status.CHANGED, ["Start-EdgeSynchronization"])


def test_time_is_up_at_the_deadline_and_the_longest_pause_is_kept() -> None:
    result, shell, given = run(inside_state(), BEHIND)
    assert result.status is Status.FAILED
    assert "edgesync-not-in-step" in rules(result)
    assert f"{DEADLINE.total_seconds():.0f} seconds after EdgeSync was started" in result.summary
    assert DEADLINE.total_seconds() - PAUSES[1] <= given.passed <= DEADLINE.total_seconds()
    looks = [pipeline for pipeline in shell.sent if pipeline[0].name == "Test-EdgeSynchronization"]
    assert len(looks) < 40


def test_waiting_ends_early_when_edgesync_fails_meanwhile() -> None:
    failed = sync_reply("Failed", "NotSynchronized", "the certificate isn't the one recorded")
    result, _, given = run(inside_state(), [BEHIND, BEHIND, failed, failed])
    assert (result.status, given.passed) == (Status.FAILED, PAUSES[0])
    assert "edgesync-failed" in rules(result)


def test_a_start_that_could_not_connect_fails_in_exchanges_words() -> None:
    row = {"Name": "EDGE1", "Result": "CouldNotConnect", "FailureDetails": "50636 is unavailable"}
    result, _, _ = run(inside_state(), BEHIND, started=Reply((row,)))
    assert result.status is Status.FAILED
    assert "EdgeSync to EDGE1: CouldNotConnect: 50636 is unavailable" in result.summary


def test_an_answer_about_another_edge_is_not_taken_for_this_one() -> None:
    other = Reply(({"Name": "EDGE9", "SyncStatus": "Normal", "FailureDetail": None, "SendConnectorStatus": None},))
    result, shell, _ = run(inside_state(), other)
    assert result.status is Status.FAILED
    assert "asked for EDGE1, and Exchange answered with EDGE9" in result.summary
    assert shell.changing == []


REFUSED: dict[str, tuple[dict[str, Any], Reply, str]] = {
    "not subscribed": ({"edge_subscribed": False}, IN_STEP, "edge-not-subscribed"),
    "another one subscribed": ({"edge_subscriptions": ("EDGE9",)}, IN_STEP, "edge-not-subscribed"),
    "EdgeSync fails": ({}, sync_reply("Failed", "NotSynchronized", "no trust"), "edgesync-failed"),
    "the maker is an Edge": ({"is_edge": True, "role": "Edge"}, IN_STEP, "send-through-an-edge"),
    "a connector of that name sends from elsewhere": (
        {"send_connectors": (send("TLS required EDGE1", "partner.com", source_transport_servers=("MBX1",)),)},
        IN_STEP, "connector-of-another-server",
    ),
    "a partner takes another connector of the Edge": (
        {"send_connectors": (send("A partner", "partner.com", source_transport_servers=("EDGE1",)),)},
        IN_STEP, "takes-another-connector",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mode", ["apply", "plan"])
@pytest.mark.parametrize("case", REFUSED)
def test_what_could_not_work_is_refused_before_anything_is_sent(case: str, mode: str) -> None:
    changes, looks, rule = REFUSED[case]
    result, shell, _ = run(inside_state(**changes), looks, mode=mode)
    assert (result.status, shell.changing) == (Status.BLOCKED, [])
    assert rule in rules(result)


def test_a_connector_inside_that_the_edge_does_not_have_does_not_count_for_its_routes() -> None:
    own = send("A partner", "partner.com", source_transport_servers=("MBX1",))
    result, _, _ = run(inside_state(send_connectors=(own,)), [BEHIND, IN_STEP, IN_STEP])
    assert result.status is Status.CHANGED


def test_without_the_edges_record_it_waits_and_says_what_to_run() -> None:
    result, shell, _ = run(inside_state(), IN_STEP, name="")
    assert (result.status, shell.changing) == (Status.WAITING, [])
    assert result.todo == "run the steps request to activate on EDGE1, then this step again"
    planned, _, _ = run(inside_state(), IN_STEP, name="", mode="plan")
    assert planned.status is Status.PLANNED


def test_an_exchange_that_cannot_start_edgesync_says_that_it_comes_by_itself() -> None:
    without = {name: known for name, known in BOTH.items() if name not in SYNC}
    result, shell, _ = run(inside_state(), IN_STEP, parameters=without)
    assert (result.status, shell.changing) == (Status.CHANGED, ["New-SendConnector"] * 3)
    assert "edgesync-by-itself" in rules(result)


def test_its_own_three_and_those_of_the_edge_are_made_in_one_go() -> None:
    site = make_two(roles=["send", "receive"])
    own = certificate("B", names=("mx2.example.com",), subject="CN=mx2.example.com", services=frozenset({"SMTP"}))
    result, shell, _ = run(
        inside_state(certificates=(*make_state().certificates, own)), [BEHIND, IN_STEP, IN_STEP], site=site
    )
    assert result.status is Status.CHANGED, result.summary
    assert shell.changing == ["New-SendConnector"] * 6 + ["Start-EdgeSynchronization"]
    names = {c.name: c.tls_certificate_name for c in shell.state.send_connectors}
    assert (names["TLS required EDGE1"], names["TLS required MBX1"]) == (NAME, own.tls_certificate_name)
    assert result.decision is not None
    assert {"routes", "routes of EDGE1"} <= result.decision.facts.keys()


def copied(state: ServerState) -> ServerState:
    """An Edge with the copy of what was made inside."""
    copy = tuple(replace(c, source_transport_servers=()) for c in state.send_connectors)
    new = certificate("A", services=frozenset({"SMTP"}))
    return make_state(new, edge_subscribed=True, send_connectors=copy)


def test_the_edge_finds_its_copy_right_and_sends_nothing() -> None:
    _, inside, _ = run(inside_state(), [BEHIND, IN_STEP, IN_STEP])
    result, shell, _ = run(copied(inside.state), IN_STEP)
    assert (result.status, shell.changing) == (Status.UNCHANGED, [])
    assert "made by MBX1, brought by EdgeSync" in result.summary


def test_the_edge_waits_while_its_copy_differs() -> None:
    _, inside, _ = run(inside_state(), [BEHIND, IN_STEP, IN_STEP])
    state = copied(inside.state)
    spoiled = tuple(replace(c, require_tls=False) for c in state.send_connectors)
    for connectors in ((), spoiled):
        result, shell, _ = run(replace(state, send_connectors=connectors), IN_STEP)
        assert (result.status, shell.changing) == (Status.WAITING, [])
        assert result.todo == "run the step connectors on MBX1, which starts EdgeSync; then run this step again"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"edge_subscribed": False, "edge_subscriptions": ()}, "edge-not-subscribed"),
        ({"is_edge": False}, "send-through-not-edge"),
    ],
)
def test_a_server_that_is_no_subscribed_edge_does_not_wait(changes: dict[str, Any], rule: str) -> None:
    _, inside, _ = run(inside_state(), [BEHIND, IN_STEP, IN_STEP])
    result, _, _ = run(replace(copied(inside.state), **changes), IN_STEP)
    assert (result.status, rules(result)[0]) == (Status.BLOCKED, rule)
