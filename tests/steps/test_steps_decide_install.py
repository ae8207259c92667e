"""Step 3: the CA's reply is judged before anything is sent; then intermediates, certificate, proof."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from certificate_factory import world
from requests_world import AT, StoreShell, authority_with, chain, installed, leaf, pending, reply_with
from shell_answers import failed
from worlds import (
    DEFAULT,
    MemoryAuthority,
    MemoryWorkspace,
    ScriptedShell,
    certificate,
    make_context,
    make_site,
    make_state,
    make_wanted,
)

from tlsrunbook.certificates.csr import read_csr
from tlsrunbook.evidence.record import Status, plan_data
from tlsrunbook.exchange.command import Pipeline, Reply
from tlsrunbook.exchange.decode import thumbprint_of
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.plan.approved import differences
from tlsrunbook.plan.model import Compensate, Reverse
from tlsrunbook.steps.base import StepResult, run_step
from tlsrunbook.steps.install import Install

PENDING = pending()
LEAF = leaf()
STATE = make_state(PENDING)


def imports(issued: Any, **changes: Any) -> Any:
    """An import that lists the certificate in place of the request; enabling it makes it the default."""

    def answer(shell: ScriptedShell, pipeline: Pipeline) -> Reply:
        enabled = len(pipeline) == 2
        services = frozenset({"SMTP"}) if enabled else frozenset()
        new = installed(issued, **{"services": services, **changes})
        others = tuple(c for c in shell.state.certificates if not c.pending)
        default = new.thumbprint if enabled else shell.state.internal_transport_thumbprint
        shell.state = replace(shell.state, certificates=(*others, new), internal_transport_thumbprint=default)
        return Reply(({"Thumbprint": new.thumbprint},))

    return answer


def enables(shell: ScriptedShell, pipeline: Pipeline) -> Reply:
    shell.state = replace(shell.state, internal_transport_thumbprint=str(pipeline[0].get("Thumbprint")))
    return Reply()


def run(
    reply: bytes | None,
    state: ServerState = STATE,
    *,
    mode: str = "apply",
    authority: MemoryAuthority | None = None,
    workspace: MemoryWorkspace | None = None,
    imported: Any = None,
    site: Any = None,
    store: tuple[bytes, ...] = (),
) -> tuple[StepResult, StoreShell]:
    one = imported or imports(LEAF)
    answers = {
        "Import-ExchangeCertificate": one,
        "Import-ExchangeCertificate | Enable-ExchangeCertificate": one,
        "Enable-ExchangeCertificate": enables,
    }
    shell = StoreShell(state, answers, store=store)
    wanted = make_wanted(mode, site=site, roots=world().roots)
    ports = {"authority": authority or authority_with(reply, PENDING), "workspace": workspace}
    return run_step(Install(), make_context(shell, wanted, **ports)), shell


def rules(result: StepResult) -> list[str]:
    assert result.decision is not None
    return [finding.rule for finding in result.decision.findings]


def test_a_good_reply_is_installed_with_its_intermediates_and_proven() -> None:
    workspace = MemoryWorkspace()
    reply = reply_with(LEAF, *chain())
    result, shell = run(reply, workspace=workspace)
    assert (result.status, rules(result)) == (Status.CHANGED, [])
    assert shell.changing == ["Add-StoreCertificate", "Add-StoreCertificate", "Import-ExchangeCertificate"]
    assert shell.store == [one.der for one in chain()]
    assert workspace.files["reply.bin"] == reply
    assert workspace.files["certificate.pem"] == LEAF.pem
    assert result.decision is not None
    assert result.decision.facts["thumbprint"] == thumbprint_of(LEAF.der)


def test_every_part_has_its_undo() -> None:
    result, _ = run(reply_with(LEAF, *chain()), mode="plan")
    assert result.decision is not None
    undo = [item.undo for item in result.decision.plan.items]
    assert all(isinstance(one, Reverse) for one in undo)
    assert [one.pipelines[0][0].name for one in undo] == [  # type: ignore[union-attr]
        "Remove-StoreCertificate",
        "Remove-StoreCertificate",
        "Remove-ExchangeCertificate",
    ]


def test_intermediates_that_are_there_are_not_added_again() -> None:
    _, shell = run(reply_with(LEAF, *chain()), store=(chain()[0].der,))
    assert shell.changing == ["Add-StoreCertificate", "Import-ExchangeCertificate"]


def test_a_reply_without_the_intermediates_that_the_server_has_is_complete() -> None:
    result, shell = run(reply_with(LEAF), store=tuple(one.der for one in chain()))
    assert (result.status, shell.changing) == (Status.CHANGED, ["Import-ExchangeCertificate"])


def test_what_is_imported_is_as_the_site_file_says() -> None:
    site = make_site(certificate={"exportable": True, "friendly_name": "smtp 2026"})
    result, _ = run(reply_with(LEAF, *chain()), mode="plan", site=site)
    assert result.decision is not None
    does = result.decision.plan.items[-1].does
    assert isinstance(does, tuple)
    assert dict(does[0].parameters) == {
        "Server": "EDGE1",
        "FileData": LEAF.der,
        "FriendlyName": "smtp 2026",
        "PrivateKeyExportable": True,
    }


REFUSED: dict[str, tuple[bytes, str]] = {
    "another key": (reply_with(leaf(key_name="somebody"), *chain()), "wrong-key"),
    "without the FQDN": (reply_with(leaf(("other.example.com",)), *chain()), "missing-names"),
    "without the intermediate": (reply_with(LEAF), "chain-incomplete"),
    "an untrusted CA": (
        reply_with(leaf(signer=world().other_intermediate), world().other_intermediate, world().other_root),
        "untrusted",
    ),
    "expired": (reply_with(leaf(begin=AT - timedelta(days=100), days=90), *chain()), "expired"),
    "not valid yet": (reply_with(leaf(begin=AT + timedelta(days=1)), *chain()), "not-yet-valid"),
    "no serverAuth": (reply_with(leaf(ekus=("clientAuth",)), *chain()), "no-serverauth"),
    "the CSR itself": (PENDING.request.encode("ascii"), "unreadable-reply"),
    "nothing": (b"", "unreadable-reply"),
    "an HTML page": (b"<html><body>Log in, please</body></html>", "unreadable-reply"),
    "cut off": (LEAF.pem[:400], "unreadable-reply"),
}


@pytest.mark.parametrize("mode", ["apply", "plan"])
@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_reply_is_refused_before_anything_is_sent(name: str, mode: str) -> None:
    reply, rule = REFUSED[name]
    result, shell = run(reply, mode=mode)
    assert (result.status, shell.changing) == (Status.BLOCKED, [])
    assert rule in rules(result)
    assert result.todo


def test_without_request_and_certificate_the_way_back_is_named() -> None:
    result, shell = run(None, make_state(), authority=MemoryAuthority())
    assert (result.status, rules(result), shell.changing) == (Status.BLOCKED, ["no-request"], [])
    assert result.todo == "run the step request first"


def test_in_planning_what_is_missing_is_planned_for_later() -> None:
    result, shell = run(None, make_state(), authority=MemoryAuthority(), mode="plan")
    assert (result.status, shell.changing) == (Status.PLANNED, [])
    assert result.decision is not None
    assert [item.does[0].name for item in result.decision.plan.items] == [  # type: ignore[union-attr]
        "Add-StoreCertificate",
        "Import-ExchangeCertificate",
    ]
    assert result.decision.plan.waiting_for


def test_in_planning_a_renewal_the_live_import_is_planned_too_and_the_default_put_back() -> None:
    old = certificate(not_after=AT + timedelta(days=5))
    result, _ = run(None, make_state(old), authority=MemoryAuthority(), mode="plan")
    assert result.decision is not None
    assert [[c.name for c in item.does] for item in result.decision.plan.items] == [  # type: ignore[union-attr]
        ["Add-StoreCertificate"],
        ["Import-ExchangeCertificate"],
        ["Import-ExchangeCertificate", "Enable-ExchangeCertificate"],
        ["Enable-ExchangeCertificate"],
    ]


@pytest.mark.parametrize("there", [(), (certificate(not_after=AT + timedelta(days=5)),)], ids=["first", "renewal"])
def test_what_is_applied_is_what_was_planned_before_the_ca_answered(there: tuple[Any, ...]) -> None:
    before, _ = run(None, make_state(*there), authority=MemoryAuthority(), mode="plan")
    now, _ = run(reply_with(LEAF, *chain()), make_state(*there, PENDING), mode="plan")
    assert before.decision is not None
    assert now.decision is not None
    keys = {read_csr(PENDING.request).spki_sha256}
    plans = (plan_data(before.decision.plan), plan_data(now.decision.plan))
    assert now.decision.plan.items
    assert differences(*plans, now.decision.known, keys) == ()
    assert differences(*plans, now.decision.known, set())


@pytest.mark.parametrize("held", [True, False])
def test_without_an_answer_it_waits_and_imports_nothing(held: bool) -> None:
    result, shell = run(None, authority=authority_with(None, PENDING) if held else MemoryAuthority())
    assert (result.status, shell.changing) == (Status.WAITING, [])
    assert result.summary == "waiting for the answer of the authority (folder)"


def test_an_installed_certificate_needs_nothing() -> None:
    good = certificate()
    result, shell = run(None, make_state(good), authority=MemoryAuthority())
    assert (result.status, shell.changing) == (Status.UNCHANGED, [])
    assert good.thumbprint in result.summary


def test_a_good_certificate_is_not_renewed_by_a_forgotten_request() -> None:
    result, _ = run(None, make_state(PENDING, certificate()))
    assert result.status is Status.UNCHANGED


def test_a_due_certificate_waits_for_its_successor() -> None:
    old = certificate(not_after=AT + timedelta(days=5))
    assert run(None, make_state(PENDING, old))[0].status is Status.WAITING
    assert run(None, make_state(old), authority=MemoryAuthority())[0].status is Status.UNCHANGED


OLD = installed(leaf(key_name="old", begin=AT - timedelta(days=80)), services=frozenset({"SMTP"}))


def test_same_issuer_and_subject_is_imported_and_enabled_in_one_pipeline_and_the_default_put_back() -> None:
    result, shell = run(reply_with(LEAF), make_state(OLD, PENDING), store=tuple(one.der for one in chain()))
    assert result.status is Status.CHANGED
    assert shell.changing == [
        "Import-ExchangeCertificate | Enable-ExchangeCertificate",
        "Enable-ExchangeCertificate",
    ]
    assert shell.state.internal_transport_thumbprint == DEFAULT
    assert result.decision is not None
    assert isinstance(result.decision.plan.items[0].undo, Compensate)


def test_replacing_the_default_leaves_the_put_back_out() -> None:
    site = make_site(policy={"default_smtp_certificate": "replace"})
    _, shell = run(reply_with(LEAF, *chain()), make_state(OLD, PENDING), site=site)
    assert shell.changing[-1] == "Import-ExchangeCertificate | Enable-ExchangeCertificate"
    assert shell.state.internal_transport_thumbprint == thumbprint_of(LEAF.der)


@pytest.mark.parametrize(
    ("state", "policy", "rule"),
    [
        ({"internal_transport_thumbprint": ""}, "keep", "default-cannot-be-kept"),
        ({"internal_transport_thumbprint": "E" * 40}, "keep", "default-cannot-be-kept"),
        ({"edge_subscribed": True}, "replace", "default-replace-with-edge-subscription"),
    ],
)
def test_a_live_import_that_would_lose_the_default_is_refused(state: dict[str, Any], policy: str, rule: str) -> None:
    site = make_site(policy={"default_smtp_certificate": policy})
    result, shell = run(reply_with(LEAF, *chain()), make_state(OLD, PENDING, **state), site=site)
    assert (result.status, shell.changing) == (Status.BLOCKED, [])
    assert rule in rules(result)


def test_a_pending_request_of_the_same_names_does_not_make_the_import_live() -> None:
    _, shell = run(reply_with(LEAF, *chain()), make_state(replace(OLD, status="PendingRequest"), PENDING))
    assert shell.changing[-1] == "Import-ExchangeCertificate"


@pytest.mark.parametrize("changes", [{"has_private_key": False}, {"thumbprint": "9" * 40, "raw": b""}])
def test_a_certificate_that_is_not_listed_with_its_key_is_not_proven(changes: dict[str, Any]) -> None:
    result, shell = run(reply_with(LEAF, *chain()), imported=imports(LEAF, **changes))
    assert result.status is Status.FAILED
    assert "not-listed" in rules(result)
    assert "took the certificate without an error and does not list" in result.summary
    assert shell.changing[-1] == "Import-ExchangeCertificate"


def test_the_second_intermediate_is_not_followed_by_the_import_when_it_is_refused() -> None:
    shell = StoreShell(STATE)
    shell.answers = {**shell.answers, "Add-StoreCertificate": [Reply(), failed("Access is denied.")]}
    context = make_context(
        shell, make_wanted(roots=world().roots), authority=authority_with(reply_with(LEAF, *chain()), PENDING)
    )
    result = run_step(Install(), context)
    assert (result.status, shell.changing) == (Status.FAILED, ["Add-StoreCertificate"] * 2)
