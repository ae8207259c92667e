"""What makes an approval count: a listed key over exactly these bytes, for this change, in time."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_evidence_change_plan import BESIDE, record

from tests.support.approval import signer
from tlsrunbook.errors import EvidenceError
from tlsrunbook.evidence.approval import (
    PAYLOAD_TYPE,
    Approval,
    Terms,
    approval_payload,
    plan_refusal,
    read_approval,
    refusal,
    signer_of,
)
from tlsrunbook.evidence.change_plan import plan_file, read_plan
from tlsrunbook.evidence.dsse import IN_TOTO, Envelope, sign

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
WEEK = timedelta(days=7)
PLAN = read_plan(plan_file("c", 1, (record(), record("MBX1")), BESIDE))
PAYLOAD = approval_payload(PLAN, "Alice", AT, WEEK)
TERMS = Terms("london", "c", (signer("alice").public, signer("bob").public), False, frozenset(), WEEK)
SIGNED = sign(PAYLOAD, signer("alice"), PAYLOAD_TYPE)
APPROVAL = read_approval(SIGNED.encoded())[1]


def test_what_was_signed_is_read_and_counts() -> None:
    envelope, approval = read_approval(SIGNED.encoded())
    assert (approval.by, approval.at, approval.expires) == ("Alice", AT, AT + WEEK)
    assert approval.steps == {("EDGE1", "activate"): record().plan_digest, ("MBX1", "activate"): record().plan_digest}
    assert signer_of(envelope, TERMS) == signer("alice").public
    assert refusal(approval, TERMS, AT) == ""
    assert plan_refusal(approval, PLAN) == ""
    assert approval.data()["digest"] == PLAN.digest


@given(st.integers(0, len(SIGNED.encoded()) - 1), st.integers(1, 255))
def test_one_byte_altered_is_never_counted(at: int, by: int) -> None:
    content = bytearray(SIGNED.encoded())
    content[at] ^= by
    try:
        envelope, approval = read_approval(bytes(content))
    except EvidenceError:
        return
    assert isinstance(signer_of(envelope, TERMS), str), approval


@pytest.mark.parametrize("more", [b" ", b"\n"])
def test_white_space_is_an_alteration_too(more: bytes) -> None:
    with pytest.raises(EvidenceError, match="altered"):
        read_approval(SIGNED.encoded() + more)


def test_a_key_that_is_not_listed_does_not_count() -> None:
    found = signer_of(sign(PAYLOAD, signer("mallory"), PAYLOAD_TYPE), TERMS)
    assert isinstance(found, str)
    assert "not among the approvers" in found
    assert signer("mallory").keyid[:16] in found


def test_a_listed_key_that_did_not_sign_does_not_count() -> None:
    forged = sign(PAYLOAD, signer("mallory"), PAYLOAD_TYPE)
    claimed = replace(forged.signatures[0], keyid=signer("alice").keyid)
    found = signer_of(Envelope(PAYLOAD, PAYLOAD_TYPE, (claimed,)), TERMS)
    assert isinstance(found, str)
    assert "signature is wrong" in found


def test_the_operators_own_key_counts_only_where_no_separate_approver_is_asked_for() -> None:
    operated = replace(TERMS, operators=frozenset({signer("alice").keyid}))
    assert signer_of(SIGNED, operated) == signer("alice").public
    found = signer_of(SIGNED, replace(operated, separate=True))
    assert isinstance(found, str)
    assert "operator's own" in found
    other = sign(PAYLOAD, signer("bob"), PAYLOAD_TYPE)
    assert signer_of(other, replace(operated, separate=True)) == signer("bob").public


REFUSALS: dict[str, tuple[Approval, Terms, datetime, str]] = {
    "expired": (APPROVAL, TERMS, AT + WEEK, "has expired at 2026-12-01T12:00:00.000Z"),
    "longer than the site file lets it": (
        replace(APPROVAL, expires=AT + 9 * WEEK), TERMS, AT + WEEK, "has expired at 2026-12-01"),
    "shorter than the site file lets it": (
        replace(APPROVAL, expires=AT + timedelta(hours=1)), TERMS, AT + timedelta(hours=1), "has expired"),
    "from the future": (APPROVAL, TERMS, AT - timedelta(minutes=6), "still to come"),
    "another change": (APPROVAL, replace(TERMS, change="d"), AT, "for the change c of site london"),
    "another site": (APPROVAL, replace(TERMS, site="paris"), AT, "for the change c of site london"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_it_does_not_count_when(name: str) -> None:
    approval, terms, at, text = REFUSALS[name]
    assert text in refusal(approval, terms, at)


def test_clocks_may_be_five_minutes_apart() -> None:
    assert refusal(APPROVAL, TERMS, AT - timedelta(minutes=4)) == ""


@pytest.mark.parametrize(
    "changes",
    [{"digest": "0" * 64}, {"sha256": "0" * 64}, {"plan": 2}, {"steps": {}}, {"change": "d"}],
    ids=lambda changes: next(iter(changes)),
)
def test_it_is_for_exactly_one_plan(changes: dict[str, Any]) -> None:
    assert plan_refusal(replace(APPROVAL, **changes), PLAN)


def test_another_payload_that_an_approver_signed_is_no_approval() -> None:
    with pytest.raises(EvidenceError, match="no approval"):
        read_approval(sign(PAYLOAD, signer("alice"), IN_TOTO).encoded())
    for payload in (b"[]", b"{}", PAYLOAD.replace(b'"at"', b'"to"')):
        with pytest.raises(EvidenceError, match="no approval"):
            read_approval(sign(payload, signer("alice"), PAYLOAD_TYPE).encoded())
    newer = json.dumps({**json.loads(PAYLOAD), "schema": "tlsrunbook.approval/2"}).encode()
    with pytest.raises(EvidenceError, match="approval/2"):
        read_approval(sign(newer, signer("alice"), PAYLOAD_TYPE).encoded())
