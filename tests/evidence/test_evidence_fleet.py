"""The fleet from its evidence: what is urgent, what is due, what nobody knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.evidence.record_samples import a_record
from tests.support.states import AT, FQDN, certificate, default_certificate, make_site, make_state, receive, send
from tlsrunbook.evidence.data import to_data
from tlsrunbook.evidence.fleet import SiteOnRecord, fleet
from tlsrunbook.evidence.fleet_due import due, due_data, not_known
from tlsrunbook.evidence.fleet_model import Fleet, FleetServer, OnRecord, Submission, Verdict, Where
from tlsrunbook.evidence.record import Record, SentCommand, Status
from tlsrunbook.evidence.standing import State
from tlsrunbook.exchange.state import ExchangeCertificate, ServerState
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.steps.registry import STEP_IDS

DAY = timedelta(days=1)
ENDPOINT = f"{FQDN}:25"
#: The newest certificate of a server that is fine.
NEW = certificate("A", not_after=AT + 80 * DAY, services=frozenset({"SMTP"}))
NAME = NEW.tls_certificate_name


def row(shown: ExchangeCertificate | None = NEW, **changes: Any) -> dict[str, Any]:
    """What verify says of the endpoint."""
    seen = {"thumbprint": shown.thumbprint, "issuer": shown.issuer, "valid until": shown.not_after} if shown else {}
    return {"endpoint": ENDPOINT, "address": "192.0.2.1:25", "result": "tls", "protocol": "TLSv1.2", **seen, **changes}


def record(step: str, status: Status = Status.UNCHANGED, *, ago: float = 1.0, **changes: Any) -> Record:
    at = AT - ago * DAY
    given = {"server": "EDGE1", "site": "london", "attempt": 1, "findings": (), "commands": (), "facts": {}, **changes}
    return a_record(step=step, status=status, started=to_data(at), finished=to_data(at), **given)


def verified(*rows: Mapping[str, Any], ago: float = 1.0, **changes: Any) -> Record:
    facts = {"endpoints": list(rows or [row()]), "activated": NEW.thumbprint}
    return record("verify", ago=ago, facts=to_data(facts), **changes)


def all_done(verify: Record) -> dict[str, Record]:
    return {step: record(step) for step in STEP_IDS[:-1]} | {"verify": verify}


def good_state(*more: ExchangeCertificate, **changes: Any) -> ServerState:
    return make_state(NEW, *more, **{"receive_connectors": (receive(tls_certificate_name=NAME),), **changes})


def found(**changes: Any) -> OnRecord:
    """A server of which everything is known and fine, with changes."""
    verify = changes.pop("verify", verified())
    latest = changes.pop("latest", all_done(verify or verified()))
    given = {"change": "20261123-120000-aaaa", "latest": latest, "state": good_state(), "read_at": AT - DAY}
    return OnRecord(**{**given, "verify": verify, **changes})


def fleet_of(on_record: OnRecord | None, **site: Any) -> Fleet:
    names = {} if on_record is None else {"EDGE1": on_record}
    return fleet([SiteOnRecord(make_site(**site), names)], STEP_IDS, AT, "1.0")


def judged(on_record: OnRecord | None, **site: Any) -> FleetServer:
    (server,) = fleet_of(on_record, **site).servers
    return server


def test_a_server_that_was_read_and_seen_from_outside_is_fine() -> None:
    server = judged(found())
    assert (server.verdict, server.because) == (Verdict.FINE, "on the wire until 2027-02-12, 80 days")
    assert server.ends == NEW.not_after
    assert not server.open


def test_a_server_without_any_evidence_is_not_known_and_never_fine() -> None:
    server = judged(None)
    assert (server.verdict, server.known, server.ends) == (Verdict.NOT_KNOWN, False, None)
    assert "nothing is on record" in server.because
    assert [one.ok for one in server.endpoints] == [None]


def test_what_was_read_and_never_looked_at_from_outside_is_not_fine() -> None:
    server = judged(found(verify=None, latest={"retire": record("retire")}))
    assert server.verdict is Verdict.NOT_KNOWN
    assert "nobody has looked at it yet" in server.because


def test_evidence_that_cannot_be_read_is_not_fine() -> None:
    server = judged(found(trouble=("x/record.json: the record cannot be read",)))
    assert server.verdict is Verdict.NOT_KNOWN
    assert "the record cannot be read" in server.because
    assert not_known(fleet_of(found(trouble=("it cannot be read",))))[0].server == "EDGE1"


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (Status.FAILED, Verdict.FAILED),
        (Status.UNKNOWN, Verdict.UNKNOWN),
        (Status.BLOCKED, Verdict.BLOCKED),
        (Status.WAITING, Verdict.WAITING),
    ],
)
def test_a_step_that_stopped_is_what_the_server_stands_for(status: Status, verdict: Verdict) -> None:
    latest = {"confirm": record("confirm"), "request": record("request", status, summary="it stopped", todo="do this")}
    server = judged(found(latest=latest))
    assert (server.verdict, server.because, server.todo) == (verdict, "request: it stopped", "do this")
    assert server.open
    assert [one.state for one in server.steps][:3] == [State.DONE, State(status.value), State.LOCKED]


def test_an_attempt_without_a_record_is_told_and_not_left_out() -> None:
    latest = {"confirm": record("confirm")}
    assert judged(found(latest=latest, unfinished={"request": State.UNKNOWN})).verdict is Verdict.UNKNOWN
    at_work = judged(found(latest=latest, unfinished={"request": State.UNKNOWN}, holder={"user": "bob", "host": "ws2"}))
    assert (at_work.verdict, at_work.at_work) == (Verdict.UNDER_WAY, ("request",))
    assert at_work.because == "bob on ws2 works on it"


@pytest.mark.parametrize(("left", "verdict"), [(-1, Verdict.EXPIRED), (29, Verdict.ENDS_SOON), (31, Verdict.FINE)])
def test_the_sites_own_renewal_time_decides_what_ends_soon(left: int, verdict: Verdict) -> None:
    shown = replace(NEW, not_after=AT + left * DAY)
    server = judged(found(verify=verified(row(shown)), state=good_state().__class__(**_with(shown))))
    assert server.verdict is verdict


def _with(shown: ExchangeCertificate) -> dict[str, Any]:
    state = good_state()
    return {**state.__dict__, "certificates": (default_certificate(), shown)}


def test_with_an_open_change_what_ends_soon_is_under_way() -> None:
    shown = replace(NEW, not_after=AT + 5 * DAY)
    state = ServerState(**_with(shown))
    server = judged(found(verify=verified(row(shown)), state=state, latest={"confirm": record("confirm")}))
    assert server.verdict is Verdict.UNDER_WAY
    (one,) = due(fleet_of(found(verify=verified(row(shown)), state=state, latest={"confirm": record("confirm")})))
    assert (one.days_left, one.change) == (5, "20261123-120000-aaaa")


def test_the_old_one_on_the_wire_counts_until_the_new_one_was_seen_there() -> None:
    old = certificate("B", not_before=AT - 80 * DAY, not_after=AT + 9 * DAY, services=frozenset({"SMTP"}))
    server = judged(found(verify=verified(row(old)), state=good_state(old), latest={"confirm": record("confirm")}))
    assert server.ends == old.not_after
    where = {one.thumbprint[0]: (one.where, one.for_fqdn) for one in server.certificates}
    assert where["A"] == (Where.INSTALLED, True)
    assert where["B"] == (Where.ON_WIRE, True)
    assert where["D"] == (Where.INSTALLED, False)


def test_a_certificate_that_only_the_wire_shows_is_known_too() -> None:
    strange = certificate("C", not_after=AT + 3 * DAY)
    server = judged(found(verify=verified(row(strange))))
    (one,) = [one for one in server.certificates if one.thumbprint == "C" * 40]
    assert (one.where, one.begins, one.ends) == (Where.ON_WIRE, None, strange.not_after)
    assert server.verdict is Verdict.ENDS_SOON


def test_an_endpoint_that_is_not_as_it_should_be_is_a_failure_whenever_that_was() -> None:
    wrong = Finding("tls-too-old", Severity.ERROR, "no better than TLSv1", "", f"endpoint {ENDPOINT} at 192.0.2.1:25")
    server = judged(found(verify=verified(findings=(to_data(wrong),), ago=40)))
    assert server.verdict is Verdict.FAILED
    assert server.because == f"{ENDPOINT}: no better than TLSv1"
    assert [(one.ok, one.what) for one in server.endpoints] == [(False, "no better than TLSv1")]


def test_what_was_seen_before_the_server_was_changed_is_proven_no_longer() -> None:
    sent = SentCommand("Enable-X", ("Enable-X",), True, "", 0.1, "ok")
    later = record("rollback", Status.CHANGED, ago=0.5, commands=(sent,))
    server = judged(found(latest={"rollback": later}))
    assert (server.verdict, server.open, server.rolled_back) == (Verdict.NOT_KNOWN, False, True)
    assert "seen before rollback changed the server" in server.because
    assert [(one.ok, one.outdated) for one in server.endpoints] == [(False, True)]


def pending(key_of: str = "") -> ExchangeCertificate:
    return certificate("E", status="PendingRequest", self_signed=True, request=key_of, not_before=AT - 9 * DAY)


def test_a_request_waits_since_it_was_handed_over_else_since_it_was_made() -> None:
    state = good_state(pending())
    sent = Submission("", AT - 6 * DAY, "london-EDGE1.csr", "20261118-100000-bbbb")
    (request,) = judged(found(state=state, submissions=(sent,))).requests
    assert (request.since, request.receipt, request.authority) == (sent.at, "london-EDGE1.csr", "folder out")
    (request,) = judged(found(state=state)).requests
    assert (request.submitted, request.since) == (None, AT - 9 * DAY)


def test_connectors_that_name_what_is_gone_over_or_older_are_told_with_what_that_means() -> None:
    older = certificate("B", not_before=AT - 60 * DAY, issuer="CN=Old CA", services=frozenset({"SMTP"}))
    over = certificate("C", not_after=AT - DAY, issuer="CN=Over CA", names=("other.example.com",))
    state = good_state(
        older,
        over,
        receive_connectors=(receive(tls_certificate_name=NAME), receive("Old", tls_certificate_name=_name(older))),
        send_connectors=(
            send("Over", tls_certificate_name=_name(over)),
            send("Gone", tls_certificate_name="<I>CN=Nobody<S>CN=x"),
            send("Of another server", tls_certificate_name="<I>CN=Nobody<S>CN=x", source_transport_servers=("MBX9",)),
        ),
        is_edge=False,
    )
    senders = tuple(replace(one, source_transport_servers=one.source_transport_servers or ("EDGE1",))
                    for one in state.send_connectors)  # fmt: skip
    server = judged(found(state=replace(state, send_connectors=senders)))
    assert {one.connector: one.kind for one in server.stale} == {
        "receive connector EDGE1\\Old": "older",
        "send connector Over": "expired",
        "send connector Gone": "gone",
    }
    assert "454 4.7.5" in next(one.what for one in server.stale if one.kind == "gone")
    assert server.verdict is Verdict.STALE


def _name(one: ExchangeCertificate) -> str:
    return one.tls_certificate_name


def test_an_internet_facing_connector_whose_fqdn_no_valid_certificate_has_is_told() -> None:
    state = good_state(receive_connectors=(receive(fqdn="other.example.com"),))
    (one,) = judged(found(state=state)).stale
    assert (one.kind, one.names) == ("unmatched", "other.example.com")


def test_a_name_is_not_called_gone_where_the_server_did_not_tell_all_names() -> None:
    untold = certificate("F", tls_certificate_name="", names=("x.example.com",))
    state = good_state(untold, receive_connectors=(receive(tls_certificate_name="<I>CN=Nobody<S>CN=x"),))
    assert judged(found(state=state)).stale == ()


def test_due_lists_what_is_in_use_and_lets_what_is_left_over_end_in_peace() -> None:
    left_over = certificate("B", not_before=AT - 88 * DAY, not_after=AT + 2 * DAY)
    default = default_certificate(not_after=AT + 4 * DAY)
    state = replace(good_state(), certificates=(default, left_over, NEW))
    seen = fleet_of(found(state=state))
    assert [(one.thumbprint[0], one.days_left) for one in due(seen, 30 * DAY)] == [("D", 4)]
    assert [one.thumbprint[0] for one in due(seen, 81 * DAY)] == ["D", "A"]
    (one,) = due_data(seen, "30d", due(seen, 30 * DAY))["due"]
    assert (one["uses"], one["ends"]) == (["default SMTP certificate"], "2026-11-28T12:00:00.000Z")


def test_a_server_that_was_read_and_has_no_certificate_for_its_fqdn_is_due() -> None:
    seen = fleet_of(found(state=make_state(), verify=None, latest={"retire": record("retire")}))
    (one,) = due(seen, DAY)
    assert (one.ends, one.uses) == (None, (f"no valid certificate for {FQDN}",))
    assert seen.servers[0].verdict is Verdict.EXPIRED


def test_a_server_that_is_on_record_and_in_no_site_file_is_named() -> None:
    site = SiteOnRecord(make_site(), {"EDGE1": found(), "OLD1": found()})
    assert fleet([site], STEP_IDS, AT).elsewhere == ("london / OLD1",)
