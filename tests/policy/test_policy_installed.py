"""What is odd about installed certificates is said before another one is ordered."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from worlds import AT, certificate, make_site, make_state

from tests.support.change import Change
from tlsrunbook.evidence.record import Status
from tlsrunbook.policy.installed import unusable_findings, window_findings


@pytest.mark.parametrize(
    ("status", "told"),
    [("Untrusted", True), ("Revoked", True), ("Invalid", True), ("Valid", False), ("DateInvalid", False)],
)
def test_a_certificate_that_exchange_does_not_use_is_named(status: str, told: bool) -> None:
    site = make_site()
    findings = unusable_findings(make_state(certificate(status=status)), site.servers[0])
    assert bool(findings) is told
    if told:
        assert status in findings[0].message
        assert findings[0].todo


def test_a_pending_or_self_signed_one_is_no_surprise() -> None:
    state = make_state(certificate(status="PendingRequest"), certificate(status="Untrusted", self_signed=True))
    assert unusable_findings(state, make_site().servers[0]) == ()


@pytest.mark.parametrize(("days", "warned"), [(30, True), (31, False)])
def test_a_renewal_time_as_long_as_the_certificate_is_warned_about(days: int, warned: bool) -> None:
    one = replace(certificate(), not_before=AT, not_after=AT + timedelta(days=days))
    assert bool(window_findings(one, make_site())) is warned


def test_a_refused_answer_says_how_to_start_over(change_on: Callable[..., Change]) -> None:
    change = change_on(faults=("ca-expired",))
    change.apply("EDGE1", "confirm", "request")
    record = change.apply("EDGE1", "install")[-1]
    assert record.status is Status.BLOCKED
    (hint,) = [finding for finding in record.findings if finding["rule"] == "start-over"]
    thumbprint = re.search("[0-9A-F]{40}", hint["todo"])
    assert thumbprint
    server = change.lab.server(change.site, "EDGE1")
    assert server.snapshot()["certificates"][thumbprint.group()]["pending"]
    change.lab.faults.clear()
    parameters = [
        {"name": "Thumbprint", "type": "string", "value": thumbprint.group()},
        {"name": "Confirm", "type": "bool", "value": False},
    ]
    assert not server.execute([{"name": "Remove-ExchangeCertificate", "parameters": parameters}], [])["errors"]
    assert change.apply("EDGE1")[-1].step == "verify"
