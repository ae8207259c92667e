"""The report of a change: everything an auditor asks for is on the page, and nothing on it can act."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from tests.evidence.record_samples import MARKER, a_record
from tlsrunbook.evidence.record import Record, Status
from tlsrunbook.evidence.report import report_html
from tlsrunbook.evidence.report_facts import ChangeReport, Executed, latest, standing, tried

STEPS = ("confirm", "request", "install", "activate", "connectors", "verify", "rollback")
SEEN, OTHER = "A" * 40, "B" * 40
ASKED = {
    "servers": ["EDGE1", "MBX1"],
    "ticket": "CHG-4711",
    "reason": "yearly renewal",
    "risk": "low, back-out takes two minutes",
    "who": {"user": "alice", "host": "admin-ws"},
    "asked": "2026-11-24T11:59:00.000Z",
}
APPROVAL = {"by": "bob", "at": "2026-11-24T11:30:00.000Z", "digest": "ab" * 32}


class Page(HTMLParser):
    """What a browser would make of a page: its text, and every tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.text += data + " "

    def ids(self) -> list[str]:
        return [str(facts["id"]) for _, facts in self.tags if "id" in facts]

    def links(self) -> list[str]:
        return [str(facts["href"]) for _, facts in self.tags if "href" in facts]


def step(name: str, status: Status = Status.CHANGED, **facts: Any) -> Record:
    """Give a record of one step; without a plan where nothing was to be changed."""
    given: dict[str, Any] = {"server": "EDGE1", "step": name, "attempt": 1}
    if status in (Status.UNCHANGED, Status.SKIPPED) or name in ("confirm", "verify"):
        given |= {"plan": {"items": [], "waiting_for": ""}, "commands": ()}
    return a_record("", status, **{**given, **facts})


def verified(thumbprint: str, **facts: Any) -> Record:
    row = {
        "endpoint": "mx1.example.net:25",
        "address": "192.0.2.1:25",
        "result": "tls",
        "protocol": "TLSv1.3",
        "thumbprint": thumbprint,
        "issuer": "CN=Public CA",
        "valid until": "2027-05-01T00:00:00.000Z",
    }
    given = {"facts": {"endpoints": [row], "activated": SEEN}, **facts}
    return step("verify", Status.UNCHANGED, **given)


def a_report(*records: Record, **facts: Any) -> ChangeReport:
    given: dict[str, Any] = {
        "site": "london",
        "change": "20261124-115900-ab12",
        "asked": ASKED,
        "records": records,
        "steps": STEPS,
        "titles": {name: f"The step {name}" for name in STEPS},
        "made": "2026-11-24T13:00:00.000Z",
        "package": "0.1.0",
    }
    return ChangeReport(**{**given, **facts})


def shown(*records: Record, **facts: Any) -> Page:
    return Page(report_html(a_report(*records, **facts)))


def test_the_head_says_who_when_why_at_what_risk_and_how_it_ended() -> None:
    text = shown(step("connectors", approval=APPROVAL), verified(SEEN)).text
    for wanted in (
        "Change 20261124-115900-ab12",
        "CHG-4711",
        "yearly renewal",
        "low, back-out takes two minutes",
        "alice on admin-ws, 2026-11-24 11:59:00Z",
        "bob, 2026-11-24 11:30:00Z",
        "2026-11-24 12:00:00Z to 2026-11-24 12:00:09Z",
        "yes, but for what the back-out plan names as not possible",
        "From outside, 1 of 1 endpoints show the activated certificate.",
        "tlsrunbook 0.1.0",
    ):
        assert wanted in text


def test_the_matrix_has_every_server_that_was_asked_for_and_says_what_never_ran() -> None:
    page = shown(step("connectors", Status.UNKNOWN), outcome="interrupted")
    assert "MBX1" in page.text
    assert "· not run" in page.text
    assert "The last run was interrupted" in page.text
    assert "? unknown" in page.text
    assert "What to do:" in page.text


def test_what_was_changed_stands_there_although_a_later_attempt_found_it_right() -> None:
    first = step("connectors", attempt=1, started="2026-11-24T12:00:00.000Z")
    again = step("connectors", Status.UNCHANGED, attempt=2, started="2026-11-24T12:30:00.000Z")
    page = shown(first, again)
    assert "What was changed" in page.text
    assert "send connector" in page.text
    assert "✔ changed 1 server" in re.sub(r"\s+", " ", page.text)
    assert standing((first, again)) == {("EDGE1", "connectors"): Status.CHANGED}
    assert latest((first, again))["EDGE1", "connectors"] == again
    assert tried((first, again)) == [first]


def test_a_plan_is_what_would_be_changed_until_it_is_applied() -> None:
    planned = step("connectors", Status.PLANNED, mode="plan", commands=())
    page = shown(planned)
    assert "What would be changed" in page.text
    assert "PowerShell that would be sent" in page.text
    assert "<later>" in page.text, "what is only known later says so"
    applied = step("connectors", attempt=2)
    assert tried((planned, applied)) == [applied]
    assert tried((applied, step("connectors", Status.PLANNED, mode="plan", attempt=3))) == [applied]


def test_every_command_that_changes_something_has_its_time_and_its_answer() -> None:
    text = shown(step("connectors")).text
    assert "Set-X" in text
    assert "Get-X" not in text, "reads are in the transcript"
    assert "2026-11-24 12:00:01Z" in text
    assert "✗ error" in text
    assert "words; more" in text


def test_handshakes_say_whether_it_is_the_right_certificate() -> None:
    text = shown(verified(SEEN)).text
    for wanted in (
        "mx1.example.net:25 (192.0.2.1:25)",
        "tls TLSv1.3",
        SEEN,
        "✓ the one that was activated",
        "2027-05-01",
    ):
        assert wanted in text
    assert "✗ another one" in shown(verified(OTHER)).text
    assert "0 of 1 endpoints" in shown(verified(OTHER)).text
    before = shown(verified(OTHER, mode="plan")).text
    assert "seen when it was planned" in before
    assert "another one" not in before
    failed = {"endpoints": [{"endpoint": "mx1:25", "address": "mx1:25", "result": "refused", "detail": "no route"}]}
    assert "no route" in shown(step("verify", Status.FAILED, facts=failed)).text


def test_findings_of_every_severity_are_there_the_grave_ones_first() -> None:
    text = shown(step("connectors")).text
    found = [text.index(f"rule-{severity}") for severity in ("refuse", "error", "warning", "info")]
    assert found == sorted(found)


def test_the_back_out_plan_says_how_and_whether_it_was_used() -> None:
    change = step("connectors")
    page = shown(change)
    for wanted in ("It was not used.", "put back", "put back in effect", "not possible", "note", "no"):
        assert wanted in page.text
    assert "tlsrunbook rollback SITE --change 20261124-115900-ab12" in page.text
    back = step("rollback", started="2026-11-24T13:00:00.000Z")
    page = shown(change, verified(SEEN), back)
    assert "Rolled back on EDGE1." in page.text
    assert "It was used on EDGE1." in page.text
    assert "before the rollback" in page.text
    assert "It was not used." in shown(change, step("rollback", Status.BLOCKED)).text


def test_a_failed_step_no_longer_counts_where_somebody_went_back() -> None:
    failed, back = step("activate", Status.FAILED), step("rollback", started="2026-11-24T13:00:00.000Z")
    assert "✗ failed 1 server" in re.sub(r"\s+", " ", shown(failed).text)
    assert "✔ changed 1 server" in re.sub(r"\s+", " ", shown(failed, back).text)


def test_plans_approvals_and_seals_are_listed_and_what_is_wrong_with_them_is_said() -> None:
    approval = {
        "file": "1.dsse.json",
        "expires": "2026-12-01T11:30:00.000Z",
        "plan": "1",
        "keyid": "cd" * 32,
        **APPROVAL,
    }
    page = shown(
        step("connectors", approval=APPROVAL),
        plans=(
            {"number": "1", "made": "2026-11-24T11:00:00.000Z", "by": "alice", "digest": "ab" * 32},
            {"number": "2", "wrong": "the plan was altered"},
        ),
        approvals=(approval, {"file": "2.dsse.json", "wrong": "it was altered"}),
        seals=(
            {
                "number": 3,
                "what": "approve",
                "outcome": "approved",
                "sealed": "t",
                "digest": "ef" * 32,
                "keyid": "01" * 32,
            },
        ),
    )
    for wanted in ("ab" * 32, "cd" * 32, "ef" * 32, "01" * 32, "until 2026-12-01 11:30:00Z", "EDGE1 / connectors"):
        assert wanted in page.text
    assert "✗ the plan was altered" in page.text
    assert "✗ it was altered" in page.text


def test_every_attempt_is_there_with_its_notebook_and_those_without_a_record_too() -> None:
    notebooks = {
        ("EDGE1", "connectors", 1): Executed("../../EDGE1/5/a.html", "5-send-connectors.ipynb", "12" * 32),
        ("EDGE1", "verify", 1): Executed("", "6-verify-tls.ipynb", "34" * 32, "SystemExit: 0"),
    }
    page = shown(
        step("connectors", mode="plan", status=Status.PLANNED),
        verified(SEEN),
        notebooks=notebooks,
        unrecorded=(("MBX1", "install", 3),),
    )
    assert "../../EDGE1/5/a.html" in page.links()
    assert "its notebook ended early: SystemExit: 0" in page.text
    assert "? no record" in page.text
    for wanted in ("5-send-connectors.ipynb", "12" * 32, "34" * 32):
        assert wanted in page.text


def test_a_step_that_a_worker_did_says_who_asked_for_it() -> None:
    record = replace(verified(SEEN), who={"user": "svc", "host": "LON-JUMP", "asked_by": "anna on ADMIN7"})
    assert "svc on LON-JUMP, asked by anna on ADMIN7" in shown(record).text


def test_links_within_the_page_lead_somewhere() -> None:
    page = shown(step("connectors", server="EDGE 1#"), step("activate"), verified(SEEN))
    inner = [link[1:] for link in page.links() if link.startswith("#")]
    assert inner
    assert set(inner) <= set(page.ids())
    assert len(page.ids()) == len(set(page.ids()))


@pytest.mark.parametrize("status", list(Status))
def test_every_status_has_a_report(status: Status) -> None:
    assert status.value in shown(step("connectors", status)).text


def test_a_change_without_any_record_has_a_report() -> None:
    page = shown()
    assert "Nothing was recorded." in page.text


HOSTILE = "<script>alert(1)</script>\"'><img src=https://x.example/a onerror=alert(1)>&lt;"


def test_nothing_on_the_page_acts_or_is_fetched_whatever_the_texts_are() -> None:
    record = a_record(HOSTILE, approval={**APPROVAL, "by": HOSTILE}, tool={HOSTILE: HOSTILE})
    hostile = dict.fromkeys(
        ("number", "what", "outcome", "sealed", "digest", "keyid", "made", "by", "at", "plan"), HOSTILE
    )
    text = report_html(
        a_report(
            record,
            verified(HOSTILE, server=HOSTILE),
            site=HOSTILE,
            change=HOSTILE,
            asked={
                "servers": [HOSTILE],
                "who": {"user": HOSTILE},
                "ticket": HOSTILE,
                "reason": HOSTILE,
                "risk": HOSTILE,
            },
            notebooks={(record.server, record.step, record.attempt): Executed(HOSTILE, HOSTILE, HOSTILE, HOSTILE)},
            unrecorded=((HOSTILE, HOSTILE, 1),),
            plans=(hostile, {"number": HOSTILE, "wrong": HOSTILE}),
            approvals=(hostile, {"wrong": HOSTILE}),
            seals=(hostile,),
            made=HOSTILE,
            package=HOSTILE,
        )
    )
    page = Page(text)
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "img", "link", "iframe", "object", "embed", "svg", "form", "base"}
    assert not [key for _, facts in page.tags for key in facts if key.startswith("on") or key == "src"]
    assert "url(" not in text
    assert "@import" not in text
    policy = next(facts for _, facts in page.tags if facts.get("http-equiv") == "Content-Security-Policy")
    assert str(policy["content"]).startswith("default-src 'none';")
    assert page.text.count("<script>alert(1)</script>") > 30, "they stand there as text"


def test_no_secret_is_on_the_page() -> None:
    assert MARKER not in report_html(a_report(step("connectors")))
