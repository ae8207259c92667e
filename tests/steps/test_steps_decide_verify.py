"""Step 6: what the wire shows and what the server says; an error fails, and nothing is ever sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from certificate_factory import world
from requests_world import AT, FQDN, chain, installed, leaf
from worlds import (
    Given,
    MemoryWorkspace,
    ScriptedShell,
    make_context,
    make_site,
    make_state,
    make_wanted,
    probe,
    receive,
    target_of,
)

from tlsrunbook.evidence.record import Status
from tlsrunbook.exchange.decode import thumbprint_of
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.plan.send_connectors import as_applied, wanted_connectors
from tlsrunbook.smtp.facts import ProbeOutcome
from tlsrunbook.steps.base import StepResult, run_step
from tlsrunbook.steps.verify import Verify, handshake

LEAF = leaf()
ACTIVE = installed(LEAF, services=frozenset({"SMTP"}))
NAME = ACTIVE.tls_certificate_name
SHOWN = tuple(one.der for one in (LEAF, *chain()))
GOOD = probe(chain=SHOWN)


def good_state() -> ServerState:
    """All six steps done."""
    state = make_state(ACTIVE, receive_connectors=(receive(tls_certificate_name=NAME),))
    site, target = make_site(), target_of(state)
    assert site.send_connectors
    three = wanted_connectors(site.send_connectors, site.servers[0], target, NAME)
    connectors = as_applied(three, state)
    return replace(state, send_connectors=connectors)


def run(
    *probes: Any, state: ServerState | None = None, mode: str = "apply", site: Any = None
) -> tuple[StepResult, ScriptedShell, MemoryWorkspace]:
    shell = ScriptedShell(state or good_state())
    workspace = MemoryWorkspace()
    wanted = make_wanted(mode, site=site, roots=world().roots)
    context = make_context(shell, wanted, given=Given(probes or (GOOD,)), workspace=workspace)
    return run_step(Verify(), context), shell, workspace


def rules(result: StepResult) -> list[str]:
    assert result.decision is not None
    return [finding.rule for finding in result.decision.findings]


def test_all_good_is_unchanged_and_says_what_was_shown() -> None:
    result, shell, workspace = run()
    assert (result.status, rules(result), shell.changing) == (Status.UNCHANGED, [], [])
    assert thumbprint_of(LEAF.der) in result.summary
    assert workspace.files["presented-1.pem"] == b"".join(one.pem for one in (LEAF, *chain()))


OTHER = leaf(key_name="old", begin=AT - timedelta(days=80))
ON_THE_WIRE: dict[str, tuple[Any, str]] = {
    "another certificate": (probe(chain=(OTHER.der, *SHOWN[1:])), "thumbprint-differs"),
    "the self-signed one": (probe(chain=(world().other_root.der,)), "thumbprint-differs"),
    "without the intermediate": (probe(chain=SHOWN[:1]), "chain-incomplete"),
    "port closed": (probe(ProbeOutcome.UNREACHABLE, ehlo_name="", banner="", detail="refused"), "smtp-unreachable"),
    "STARTTLS not offered": (probe(ProbeOutcome.STARTTLS_NOT_OFFERED), "starttls-not-offered"),
    "STARTTLS refused": (probe(ProbeOutcome.STARTTLS_REFUSED, offered_starttls=True), "starttls-refused"),
    "handshake failed": (probe(ProbeOutcome.HANDSHAKE_FAILED, offered_starttls=True), "tls-handshake-failed"),
    "timeout": (probe(ProbeOutcome.TIMEOUT, ehlo_name=""), "smtp-timeout"),
    "another name": (probe(chain=SHOWN, ehlo_name="other.example.com"), "ehlo-name-differs"),
    "TLS 1.0": (probe(chain=SHOWN, protocol="TLSv1"), "tls-too-old"),
    "no certificate shown": (probe(chain=()), "certificate-unreadable"),
    "an unreadable certificate": (probe(chain=(b"garbage",)), "certificate-unreadable"),
}


@pytest.mark.parametrize("name", ON_THE_WIRE)
def test_what_the_wire_shows_fails_the_step(name: str) -> None:
    facts, rule = ON_THE_WIRE[name]
    result, shell, _ = run(facts)
    assert (result.status, shell.changing) == (Status.FAILED, [])
    assert rule in rules(result)
    assert result.todo


def test_one_bad_address_of_two_fails_and_names_the_address() -> None:
    bad = probe(ProbeOutcome.UNREACHABLE, address="192.0.2.2:25", ehlo_name="", banner="")
    result, _, _ = run(GOOD, bad)
    assert (result.status, rules(result)) == (Status.FAILED, ["smtp-unreachable"])
    assert result.decision is not None
    assert "192.0.2.2:25" in result.decision.findings[0].target


def test_an_endpoint_that_nobody_looked_at_is_not_proven() -> None:
    class Blind(Given):
        def probe(self, endpoint: str, server_name: str) -> tuple[Any, ...]:
            return ()

    shell = ScriptedShell(good_state())
    result = run_step(Verify(), make_context(shell, make_wanted(roots=world().roots), given=Blind()))
    assert (result.status, rules(result)) == (Status.FAILED, ["not-probed"])


SERVER: dict[str, tuple[dict[str, Any], str]] = {
    "no certificate": ({"certificates": make_state().certificates}, "no-certificate"),
    "SMTP is not enabled": (
        {"certificates": (*make_state().certificates, replace(ACTIVE, services=frozenset()))},
        "certificate-without-smtp",
    ),
    "a receive connector names another": (
        {"receive_connectors": (receive(tls_certificate_name="<I>a<S>b"),)}, "server-differs"),
    "a receive connector names none": ({"receive_connectors": (receive(),)}, "server-differs"),
    "the send connectors are gone": ({"send_connectors": ()}, "server-differs"),
    "a send connector is off": (
        {"send_connectors": tuple(replace(c, enabled=False) for c in good_state().send_connectors)}, "server-differs"),
}  # fmt: skip


@pytest.mark.parametrize("name", SERVER)
def test_what_the_server_says_fails_the_step(name: str) -> None:
    changes, rule = SERVER[name]
    result, shell, _ = run(state=replace(good_state(), **changes))
    assert (result.status, shell.changing) == (Status.FAILED, [])
    assert rules(result)[0] == rule


def test_a_send_connector_made_since_that_takes_a_partners_mail_fails_the_step() -> None:
    state = good_state()
    bypass = replace(state.send_connectors[0], name="A bypass", identity="A bypass", require_tls=False)
    result, _, _ = run(state=replace(state, send_connectors=(*state.send_connectors, bypass)))
    assert result.status is Status.FAILED
    assert set(rules(result)) == {"takes-another-connector"}


def test_a_difference_is_told_with_what_is_and_what_shall_be() -> None:
    result, _, _ = run(state=replace(good_state(), receive_connectors=(receive(tls_certificate_name="<I>a<S>b"),)))
    assert f"TlsCertificateName is '<I>a<S>b' and shall be '{NAME}'" in result.summary


def test_planning_says_how_things_are_and_fails_nothing() -> None:
    result, _, workspace = run(probe(ProbeOutcome.STARTTLS_NOT_OFFERED), mode="plan")
    assert result.status is Status.PLANNED
    assert result.summary.startswith("as things are now: ")
    assert "before" in workspace.events


def test_a_sender_is_not_probed_and_its_connectors_are_still_read() -> None:
    site = make_site({"roles": ["send"], "endpoints": []})
    closed = probe(ProbeOutcome.UNREACHABLE)
    assert run(closed, site=site)[0].status is Status.UNCHANGED
    assert run(closed, site=site, state=replace(good_state(), send_connectors=()))[0].status is Status.FAILED


def test_a_receiver_has_no_send_connectors_to_verify() -> None:
    site = make_site({"roles": ["receive"]})
    assert run(site=site, state=replace(good_state(), send_connectors=()))[0].status is Status.UNCHANGED


def test_a_handshake_as_a_row() -> None:
    row = handshake(GOOD)
    assert (row["result"], row["EHLO"], row["sent"], row["thumbprint"]) == ("tls", FQDN, 3, thumbprint_of(LEAF.der))
    assert handshake(probe(ProbeOutcome.UNREACHABLE, detail="refused"))["detail"] == "refused"
