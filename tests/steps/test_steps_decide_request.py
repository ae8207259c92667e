"""Step 2: nothing when all is well, a new request when not, and never a second one for the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from requests_world import AT, FQDN, authority_with, csr_pem, pending
from shell_answers import failed
from worlds import (
    MemoryAuthority,
    MemoryWorkspace,
    ScriptedShell,
    certificate,
    make_context,
    make_site,
    make_state,
    make_wanted,
)

from tlsrunbook.errors import AuthorityFailed, OutcomeUnknown
from tlsrunbook.evidence.record import Status
from tlsrunbook.exchange.command import Pipeline, Reply
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.plan.model import Irreversible, Reverse, Submit
from tlsrunbook.steps.base import StepResult, run_step
from tlsrunbook.steps.request import Request

PENDING = pending()


def makes_request(shell: ScriptedShell, pipeline: Pipeline) -> Reply:
    assert pipeline[0].get("GenerateRequest") is True
    shell.state = replace(shell.state, certificates=(*shell.state.certificates, PENDING))
    return Reply(({"Value": PENDING.request},))


def run(
    state: ServerState,
    authority: MemoryAuthority | None = None,
    *,
    mode: str = "apply",
    workspace: MemoryWorkspace | None = None,
    new: Any = makes_request,
    site: Any = None,
) -> tuple[StepResult, ScriptedShell, MemoryAuthority]:
    shell = ScriptedShell(state, {"New-ExchangeCertificate": new})
    authority = authority or MemoryAuthority()
    context = make_context(shell, make_wanted(mode, site=site), authority=authority, workspace=workspace)
    return run_step(Request(), context), shell, authority


def rules(result: StepResult) -> list[str]:
    assert result.decision is not None
    return [finding.rule for finding in result.decision.findings]


def test_a_good_certificate_needs_no_request() -> None:
    result, shell, authority = run(make_state(certificate()))
    assert (result.status, shell.changing, authority.submitted) == (Status.UNCHANGED, [], [])
    assert "80 days left" in result.summary


@pytest.mark.parametrize(
    "found",
    [
        (),
        (certificate(not_after=AT + timedelta(days=30)),),
        (certificate(not_after=AT - timedelta(days=1), status="DateInvalid"),),
        (certificate(names=("other.example.com",)),),
        (certificate(has_private_key=False),),
    ],
    ids=["none", "due", "expired", "another FQDN", "no key"],
)
def test_without_a_good_certificate_one_request_is_made_and_submitted(found: tuple[Any, ...]) -> None:
    workspace = MemoryWorkspace()
    result, shell, authority = run(make_state(*found), workspace=workspace)
    assert (result.status, shell.changing) == (Status.WAITING, ["New-ExchangeCertificate"])
    assert len(authority.submitted) == 1
    assert workspace.files["request.csr"].decode("ascii") == authority.submitted[0]
    assert authority.submitted[0].startswith("-----BEGIN CERTIFICATE REQUEST-----\n")
    assert "submitted" in workspace.events


def test_the_request_is_as_the_site_file_says() -> None:
    site = make_site(certificate={"country": "GB", "organization": "A, B", "exportable": True, "friendly_name": "x"})
    result, shell, _ = run(make_state(), mode="plan", site=site)
    assert result.decision is not None
    make, submit = result.decision.plan.items
    assert isinstance(make.does, tuple)
    assert dict(make.does[0].parameters) == {
        "Server": "EDGE1",
        "GenerateRequest": True,
        "SubjectName": 'C=GB,O="A, B",CN=mx1.example.com',
        "DomainName": (FQDN,),
        "KeySize": 2048,
        "PrivateKeyExportable": True,
        "FriendlyName": "x",
        "Force": True,
    }
    assert isinstance(make.undo, Reverse)
    assert isinstance(submit.does, Submit)
    assert isinstance(submit.undo, Irreversible)
    assert (result.status, shell.changing) == (Status.PLANNED, [])


def test_planning_submits_nothing_and_keeps_nothing() -> None:
    workspace = MemoryWorkspace()
    for state in (make_state(), make_state(PENDING)):
        result, shell, authority = run(state, mode="plan", workspace=workspace)
        assert (result.status, shell.changing, authority.submitted) == (Status.PLANNED, [], [])
    assert workspace.files == {}


def test_a_pending_request_that_was_not_submitted_is_submitted_and_not_made_again() -> None:
    result, shell, authority = run(make_state(PENDING))
    assert (result.status, shell.changing, len(authority.submitted)) == (Status.WAITING, [], 1)


def test_a_pending_request_that_was_submitted_is_waited_for() -> None:
    authority = authority_with(None, PENDING)
    result, shell, _ = run(make_state(PENDING), authority)
    assert (result.status, shell.changing, authority.submitted) == (Status.WAITING, [], [])
    assert result.todo == "run the same change again when the CA has answered"


def test_an_answer_that_is_there_is_left_to_the_next_step() -> None:
    authority = authority_with(b"whatever", PENDING)
    result, shell, _ = run(make_state(PENDING), authority)
    assert (result.status, shell.changing, authority.submitted) == (Status.UNCHANGED, [], [])
    assert "the step install takes it" in result.summary


def test_an_authority_that_answers_at_once_ends_as_changed() -> None:
    result, _, authority = run(make_state(), MemoryAuthority(reply=b"issued"))
    assert (result.status, len(authority.submitted)) == (Status.CHANGED, 1)


@pytest.mark.parametrize(
    "other",
    [
        pending("2", names=(FQDN, "further.example.com")),
        pending("2", names=("other.example.com",)),
        pending("2", kind="rsa3072"),
        pending("2", request="not a CSR"),
        pending("2", request=""),
    ],
    ids=["more names", "another name", "another key size", "unreadable", "not shown"],
)
def test_another_pending_request_is_left_alone_and_named(other: Any) -> None:
    result, shell, _ = run(make_state(other))
    assert shell.changing == ["New-ExchangeCertificate"]
    assert rules(result) == ["other-pending-request"]
    assert other in shell.state.certificates


def test_the_newest_of_several_fitting_requests_is_taken() -> None:
    newer = pending("3", name="server 2", not_before=AT - timedelta(hours=1))
    authority = authority_with(None, newer)
    for order in ((PENDING, newer), (newer, PENDING)):
        result, shell, _ = run(make_state(*order), authority)
        assert (result.status, shell.changing, authority.submitted) == (Status.WAITING, [], [])


def test_names_in_another_case_and_the_cn_alone_fit() -> None:
    for request in (csr_pem(names=(FQDN.upper(),)), csr_pem("alone", names=(FQDN, FQDN))):
        result, shell, authority = run(make_state(pending("2", request=request)))
        assert (result.status, shell.changing, len(authority.submitted)) == (Status.WAITING, [], 1)


def test_an_authority_that_cannot_be_asked_fails_before_anything_is_made() -> None:
    class Down(MemoryAuthority):
        def holds(self, csr_pem: str, label: str) -> bool:
            raise AuthorityFailed("the outbox is not there", todo="mount it")

    result, shell, _ = run(make_state(PENDING), Down())
    assert (result.status, result.todo, shell.changing) == (Status.FAILED, "mount it", [])


def test_an_authority_that_refuses_leaves_the_request_for_the_next_run() -> None:
    class Refusing(MemoryAuthority):
        def submit(self, csr_pem: str, label: str) -> str:
            raise AuthorityFailed("rate limit")

    result, shell, _ = run(make_state(), Refusing())
    assert (result.status, shell.changing) == (Status.FAILED, ["New-ExchangeCertificate"])
    again, second, authority = run(shell.state)
    assert (again.status, second.changing, len(authority.submitted)) == (Status.WAITING, [], 1)


def test_a_request_whose_outcome_is_unknown_is_found_by_the_next_run_and_not_made_twice() -> None:
    def lost(shell: ScriptedShell, pipeline: Pipeline) -> Reply:
        makes_request(shell, pipeline)
        raise OutcomeUnknown("sent and not answered")

    result, shell, authority = run(make_state(), new=lost)
    assert (result.status, authority.submitted) == (Status.UNKNOWN, [])
    again, second, authority = run(shell.state)
    assert (again.status, second.changing, len(authority.submitted)) == (Status.WAITING, [], 1)


def test_an_error_of_exchange_fails_in_its_own_words_and_nothing_is_submitted() -> None:
    result, _, authority = run(make_state(), new=failed("Access is denied."))
    assert (result.status, authority.submitted) == (Status.FAILED, [])
    assert "Access is denied." in result.summary


def test_an_answer_that_is_no_csr_fails_and_nothing_is_submitted() -> None:
    result, _, authority = run(make_state(), new=Reply(({"Value": "Done."},)))
    assert (result.status, authority.submitted) == (Status.FAILED, [])


def test_a_csr_that_somebody_else_submitted_in_the_meantime_is_not_submitted_again() -> None:
    class Raced(MemoryAuthority):
        asked = 0

        def holds(self, csr_pem: str, label: str) -> bool:
            self.asked += 1
            return self.asked > 1

    result, shell, authority = run(make_state(PENDING), Raced())
    assert (result.status, shell.changing, authority.submitted) == (Status.WAITING, [], [])


def test_an_installed_certificate_that_still_shows_its_csr_is_no_pending_request() -> None:
    old = certificate(request=PENDING.request, not_after=AT - timedelta(days=1), status="DateInvalid")
    result, shell, _ = run(make_state(old))
    assert (result.status, shell.changing) == (Status.WAITING, ["New-ExchangeCertificate"])
    assert rules(result) == []
