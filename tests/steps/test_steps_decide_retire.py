"""Step 7: which old certificates go, which stay and why, and what must be proven first."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from requests_world import installed, leaf
from worlds import (
    AT,
    FQDN,
    Given,
    MemoryWorkspace,
    ScriptedShell,
    certificate,
    make_context,
    make_state,
    make_wanted,
    probe,
    receive,
    send,
)

from tlsrunbook.evidence.record import Status
from tlsrunbook.exchange.command import Pipeline, Reply
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.plan.model import Irreversible
from tlsrunbook.policy.expected import after
from tlsrunbook.smtp.facts import ProbeOutcome
from tlsrunbook.steps.base import StepResult, run_step
from tlsrunbook.steps.retire import Retire

SMTP = frozenset({"SMTP"})
MADE = leaf()
NEW = installed(MADE, services=SMTP)
OLD = certificate("C", issuer="CN=Old CA", services=SMTP, not_before=AT - timedelta(days=60))
NAMED = (receive(tls_certificate_name=NEW.tls_certificate_name),)
SHOWN = probe(chain=(MADE.der,))


def obeys(shell: ScriptedShell, pipeline: Pipeline) -> Reply:
    shell.state = after(pipeline, shell.state)
    return Reply()


def run(
    state: ServerState,
    *,
    mode: str = "apply",
    verified: tuple[str, ...] = (NEW.thumbprint,),
    probes: tuple[Any, ...] = (SHOWN,),
    answer: Any = obeys,
) -> tuple[StepResult, ScriptedShell]:
    shell = ScriptedShell(state, {"Remove-ExchangeCertificate": answer})
    workspace = MemoryWorkspace(seen_on_wire=dict.fromkeys(verified, "change x, verify, attempt 1"))
    context = make_context(shell, make_wanted(mode), given=Given(probes, {FQDN: ("192.0.2.1",)}), workspace=workspace)
    return run_step(Retire(), context), shell


def world(*old: Any, **changes: Any) -> ServerState:
    return make_state(*old, NEW, **{"receive_connectors": NAMED, **changes})


def rules(result: StepResult) -> list[tuple[str, str]]:
    assert result.decision is not None
    return [(finding.rule, finding.severity.value) for finding in result.decision.findings]


def test_an_old_certificate_that_nothing_uses_goes_by_thumbprint() -> None:
    result, shell = run(world(OLD))
    assert (result.status, shell.changing, rules(result)) == (Status.CHANGED, ["Remove-ExchangeCertificate"], [])
    (sent,) = [p[0] for p in shell.sent if p[0].changes]
    assert (sent.get("Thumbprint"), sent.get("Confirm")) == (OLD.thumbprint, False)
    assert shell.state.certificate(NEW.thumbprint)
    assert result.decision is not None
    (item,) = result.decision.plan.items
    assert isinstance(item.undo, Irreversible)
    assert "private key" in item.undo.reason
    assert result.decision.facts["verified by"] == "change x, verify, attempt 1"
    again, second = run(shell.state)
    assert (again.status, second.changing) == (Status.UNCHANGED, [])


def test_mode_plan_shows_it_and_removes_nothing() -> None:
    result, shell = run(world(OLD), mode="plan")
    assert (result.status, shell.changing) == (Status.PLANNED, [])


def test_nothing_old_is_unchanged_and_needs_no_proof() -> None:
    result, shell = run(world(), verified=(), probes=())
    assert (result.status, shell.changing, rules(result)) == (Status.UNCHANGED, [], [])


OTHERS = {
    "the default": ({"internal_transport_thumbprint": OLD.thumbprint}, OLD, [("retire-default", "info")]),
    "bound to IIS": ({}, replace(OLD, services=frozenset({"SMTP", "IIS"})), [("retire-other-services", "info")]),
    "bound to POP": ({}, replace(OLD, services=frozenset({"POP"})), [("retire-other-services", "info")]),
    "a name more": ({}, replace(OLD, names=(FQDN, "webmail.example.com")), [("retire-names", "info")]),
    "newer": ({}, replace(OLD, not_before=AT, status="Untrusted"), [("retire-newer", "info")]),
    "named by a receive connector": (
        {"receive_connectors": (*NAMED, receive("B", tls_certificate_name=OLD.tls_certificate_name))},
        OLD,
        [("retire-receive-connector", "refuse")],
    ),
    "named by a disabled receive connector": (
        {"receive_connectors": (*NAMED, receive("B", enabled=False, tls_certificate_name=OLD.tls_certificate_name))},
        OLD,
        [("retire-receive-connector", "refuse")],
    ),
    "taken by a receive connector": (
        {"receive_connectors": (*NAMED, receive("B"))},
        replace(OLD, self_signed=False, not_before=AT - timedelta(days=60)),
        [],
    ),
    "named by a send connector": (
        {"send_connectors": (send("Old", tls_certificate_name=OLD.tls_certificate_name),)},
        OLD,
        [("retire-send-connector", "refuse")],
    ),
    "named by another server's send connector": (
        {"send_connectors": (send("Old", tls_certificate_name=OLD.tls_certificate_name.lower(),
                                  source_transport_servers=("MBX9",)),)},
        OLD,
        [("retire-send-connector", "refuse")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_used_stays_with_its_reason(name: str) -> None:
    changes, old, expected = OTHERS[name]
    result, shell = run(world(old, **changes))
    assert rules(result) == expected
    blocked = any(severity == "refuse" for _, severity in expected)
    assert result.status is (Status.BLOCKED if blocked else Status.UNCHANGED if expected else Status.CHANGED)
    assert shell.changing == ([] if expected else ["Remove-ExchangeCertificate"])


def test_a_certificate_that_a_connector_takes_by_its_name_stays() -> None:
    """The successor has no SMTP, so a connector that looks for the Fqdn takes the old one."""
    state = make_state(OLD, replace(NEW, services=frozenset()), receive_connectors=(receive(),))
    result, _ = run(state)
    assert rules(result) == [("retire-receive-connector", "refuse")]


@pytest.mark.parametrize(
    "spoiled", [{"names": ("other.example.com",)}, {"self_signed": True}, {"status": "PendingRequest"}]
)
def test_what_is_none_of_our_business_is_not_even_mentioned(spoiled: dict[str, Any]) -> None:
    result, shell = run(world(replace(OLD, **spoiled)))
    assert (result.status, shell.changing, rules(result)) == (Status.UNCHANGED, [], [])


def test_unknown_services_are_not_taken_for_none() -> None:
    result, shell = run(world(replace(OLD, services=None)))
    assert (result.status, shell.changing) == (Status.BLOCKED, [])
    assert ("retire-untold", "warning") in rules(result)


def test_the_same_issuer_and_subject_under_a_send_connector_is_explained_with_the_order() -> None:
    twin = certificate("C", issuer=NEW.issuer, subject=NEW.subject, services=SMTP, not_before=AT - timedelta(days=60),
                       tls_certificate_name=NEW.tls_certificate_name)  # fmt: skip
    sender = send("TLS required", tls_certificate_name=NEW.tls_certificate_name)
    result, shell = run(world(twin, send_connectors=(sender,)))
    assert (result.status, shell.changing) == (Status.BLOCKED, [])
    assert "same issuer and subject" in result.summary
    parts = ("-TlsCertificateName $null", "Remove-ExchangeCertificate", "same name again", "Restart-Service")
    order = [result.todo.index(part) for part in parts]
    assert order == sorted(order)


def test_the_same_issuer_and_subject_under_a_receive_connector_alone_goes() -> None:
    twin = certificate("C", services=SMTP, not_before=AT - timedelta(days=60),
                       tls_certificate_name=NEW.tls_certificate_name)  # fmt: skip
    result, shell = run(world(twin))
    assert (result.status, shell.changing) == (Status.CHANGED, ["Remove-ExchangeCertificate"])


def test_what_can_go_goes_and_what_is_named_is_a_warning_then() -> None:
    named = certificate("E", issuer="CN=Older CA", services=SMTP, not_before=AT - timedelta(days=90))
    sender = send("Old", tls_certificate_name=named.tls_certificate_name)
    result, shell = run(world(OLD, named, send_connectors=(sender,)))
    assert shell.changing == ["Remove-ExchangeCertificate"]
    assert ("retire-send-connector", "warning") in rules(result)


@pytest.mark.parametrize(
    ("how", "rule"),
    [
        ({"verified": ()}, "successor-not-verified"),
        ({"verified": (OLD.thumbprint,)}, "successor-not-verified"),
        ({"probes": ()}, "successor-not-shown"),
        ({"probes": (probe(ProbeOutcome.STARTTLS_NOT_OFFERED),)}, "successor-not-shown"),
        ({"probes": (SHOWN, probe(ProbeOutcome.UNREACHABLE))}, "successor-not-shown"),
        ({"probes": (probe(chain=(leaf(key_name="other").der,)),)}, "successor-not-shown"),
    ],
)
@pytest.mark.parametrize("mode", ["apply", "plan"])
def test_without_proof_of_the_successor_nothing_goes(how: dict[str, Any], rule: str, mode: str) -> None:
    result, shell = run(world(OLD), mode=mode, **how)
    assert (result.status, shell.changing) == (Status.BLOCKED, [])
    assert rules(result) == [(rule, "refuse")]


def test_a_removal_that_does_nothing_is_seen_by_the_second_reading() -> None:
    result, _ = run(world(OLD), answer=Reply())
    assert result.status is Status.FAILED
    assert "is still listed" in result.summary


def test_without_a_successor_it_is_refused() -> None:
    result, _ = run(make_state(OLD, receive_connectors=(receive(),)), probes=())
    assert result.status is Status.UNCHANGED, "the old one is the only good one: nothing replaces it"
    result, _ = run(make_state(replace(OLD, status="DateInvalid")))
    assert (result.status, rules(result)) == (Status.BLOCKED, [("no-certificate", "refuse")])
