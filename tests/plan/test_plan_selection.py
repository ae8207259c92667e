"""How Exchange chooses, rule by rule; and that it is what the simulated Exchange does, on any server."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from exchange_world import DAY, NOW, TestCA, World, name
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lab_shell import seen_on
from test_lab_exchange_selection import CASES, prepare
from worlds import AT, FQDN, certificate, make_state, receive

from tlsrunbook.lab.exchange.issuing import self_signed
from tlsrunbook.lab.exchange.stores import thumbprint_of
from tlsrunbook.plan.selection import Choice, choose, trace_rows

SMTP = frozenset({"SMTP"})
ACTIVE = certificate("A", services=SMTP)
NAME = ACTIVE.tls_certificate_name


def choice(*certificates: Any, **connector: Any) -> Choice:
    state = make_state(*certificates, receive_connectors=(receive(**connector),))
    return choose(state, state.receive_connectors[0], AT)


def told(found: Choice) -> list[str]:
    return [f"{look.rule}: {look.seen}" for look in found.trace]


def test_the_trace_goes_rule_by_rule_and_candidate_by_candidate() -> None:
    iis = certificate("B", services=frozenset({"IIS"}))
    old = certificate("C", services=SMTP, not_before=AT - 60 * timedelta(days=1))
    found = choice(ACTIVE, iis, old)
    assert (found.thumbprint, found.offered, found.usable) == (ACTIVE.thumbprint, True, True)
    assert told(found) == [
        "AuthMechanism: contains Tls",
        f"name: TlsCertificateName is not set; the name looked for is the connector's Fqdn, {FQDN}",
        "candidate: has the name and SMTP, begins 2026-11-14",
        "candidate: has the name, but no SMTP: passed over",
        "candidate: has the name and SMTP, begins 2026-09-25",
        "order: valid ones of a CA, then self-signed, then the rest; in each the newest first",
        "choice: is shown",
    ]
    assert [look.thumbprint for look in found.trace][2:5] == [ACTIVE.thumbprint, iis.thumbprint, old.thumbprint]
    assert found.candidates == (ACTIVE, old)
    assert found.without_smtp == (iis,)


@pytest.mark.parametrize(
    ("connector", "says"),
    [
        ({"enabled": False}, "Enabled: the connector is disabled and takes no connection"),
        ({"auth_mechanism": frozenset()}, "AuthMechanism: does not contain Tls: STARTTLS is not offered"),
    ],
)
def test_without_tls_nothing_is_looked_for(connector: dict[str, Any], says: str) -> None:
    found = choice(ACTIVE, **connector)
    assert (found.offered, found.thumbprint, told(found)) == (False, "", [says])


def test_no_certificate_is_event_12014() -> None:
    for found in (choice(), choice(ACTIVE, tls_certificate_name=NAME.replace("Good", "Gone"))):
        assert (found.offered, found.events) == (False, ("12014",))
        assert "event 12014" in told(found)[-1]


def test_by_certificate_name_the_newest_is_taken_with_smtp_or_without() -> None:
    newer = certificate("B", not_before=AT - timedelta(days=1))
    found = choice(ACTIVE, newer, tls_certificate_name=NAME)
    assert (found.thumbprint, found.offered, found.usable) == (newer.thumbprint, True, False)
    assert found.without_smtp == (newer,)
    assert "choice: has no SMTP: transport cannot use its key, and TLS fails" in told(found)


@pytest.mark.parametrize("connector", [{}, {"tls_certificate_name": NAME}])
def test_unknown_services_make_the_choice_unknown_and_not_empty(connector: dict[str, Any]) -> None:
    untold = certificate("B", services=None, not_before=AT - timedelta(days=1))
    found = choice(ACTIVE, untold, **connector)
    assert found.usable is None
    assert found.thumbprint in ("", untold.thumbprint)
    assert found.candidates[0] == untold


def test_unknown_services_of_an_older_one_change_nothing() -> None:
    untold = certificate("B", services=None, not_before=AT - timedelta(days=60))
    found = choice(ACTIVE, untold)
    assert (found.thumbprint, found.offered) == (ACTIVE.thumbprint, True)


def test_a_name_that_was_not_told_may_be_the_one() -> None:
    untold = certificate("B", tls_certificate_name="", not_before=AT - timedelta(days=1))
    found = choice(ACTIVE, untold, tls_certificate_name=NAME)
    assert (found.offered, found.thumbprint) == (None, "")


def test_a_chain_that_was_not_told_leaves_the_offer_open() -> None:
    assert choice(certificate("B", services=SMTP, status="Untrusted")).offered is None


def test_rows_name_the_connector_once() -> None:
    rows = trace_rows((choice(ACTIVE), choice(enabled=False)))
    assert [row["receive connector"] for row in rows if row["receive connector"]] == ["EDGE1\\Default EDGE1"] * 2
    assert {tuple(row) for row in rows} == {("receive connector", "asked", "certificate", "seen")}


def compare(world: World, *, may_be_untold: bool = False) -> None:
    """Let both choose for the Edge's connector, from what is there and from what a step reads of it."""
    (listener,) = world.edge.own_receive_connectors()
    theirs = world.edge.inbound(listener.identity)
    seen = seen_on(world.edge)
    (own,) = seen.state.receive_connectors
    ours = choose(seen.state, own, NOW, seen.store)
    if ours.offered is None:
        assert may_be_untold
        return
    assert ours.offered is theirs.offered
    assert ours.thumbprint == (thumbprint_of(theirs.certificate) if theirs.certificate else "")
    assert ours.events == theirs.events
    if theirs.offered:
        assert ours.usable is theirs.usable


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_every_case_of_the_simulated_exchange_is_told_alike(case: dict[str, Any]) -> None:
    world = World()
    prepare(world, case)
    compare(world)


# --- the same as the simulated Exchange, whatever the server has --------------------------------------------------

_WORLD = World()
_STRANGER = TestCA(_WORLD.keys, "Stranger")
_KEYS = [_WORLD.keys(2048) for _ in range(4)]
_OWN = "mail.example.com"

# What several certificates compete for comes more often than what ends the search at once.
entries = st.fixed_dictionaries(
    {
        "issuer": st.sampled_from(["ca", "ca", "stranger", "self"]),
        "cn": st.sampled_from([_OWN, _OWN, _OWN, "mx.example.com", "edge1.corp.example"]),
        "names": st.sampled_from([(), (_OWN,), ("*.example.com",), ("MX.example.com", _OWN)]),
        "start": st.sampled_from([-300, -60, -59, -30, -2, -1, 1]),
        "days": st.sampled_from([1, 59, 90, 400, 400]),
        "services": st.sampled_from([(), ("SMTP",), ("SMTP",), ("IIS",), ("IIS", "SMTP")]),
        "key": st.sampled_from([True, True, True, False]),
    }
)
connectors = st.fixed_dictionaries(
    {
        "Fqdn": st.sampled_from([_OWN, _OWN, _OWN, None, "mx.example.com", "other.example.com"]),
        "AuthMechanism": st.sampled_from(["Tls", "Tls", "Tls", "Tls, BasicAuth", "None"]),
        "named": st.sampled_from([None, None, 0, 1, "gone"]),
        "small": st.booleans(),
    }
)


def furnish(world: World, made: list[dict[str, Any]], store: tuple[bool, bool, bool]) -> list[str]:
    """Put certificates onto the Edge; gives their TLS certificate names."""
    edge = world.edge
    own_root, stranger_intermediate, stranger_root = store
    pairs = (
        (world.ca.intermediate, own_root),
        (_STRANGER.intermediate, stranger_intermediate),
        (_STRANGER.root, stranger_root),
    )
    edge.stores.ca.update({thumbprint_of(one): one for one, there in pairs if there})
    names = []
    for number, facts in enumerate(made):
        key = _KEYS[number]
        start = NOW + facts["start"] * DAY + timedelta(seconds=number)
        end = start + facts["days"] * DAY
        if facts["issuer"] == "self":
            one = self_signed(key, name(facts["cn"]), (facts["cn"],), start, end - start)
        else:
            ca = world.ca if facts["issuer"] == "ca" else _STRANGER
            one = ca.issue(key.public_key(), facts["cn"], facts["names"] or (facts["cn"],), start=start, end=end)
        thumbprint = edge.install(one, key if facts["key"] else None, facts["services"])
        names.append(edge.stores.my[thumbprint].tls_certificate_name)
    return names


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(entries, min_size=1, max_size=4), connectors, st.tuples(st.booleans(), st.booleans(), st.booleans()))
def test_the_choice_is_the_simulated_exchanges_own(
    made: list[dict[str, Any]], connector: dict[str, Any], store: tuple[bool, bool, bool]
) -> None:
    world = World()
    world.ca = _WORLD.ca
    world.edge.trust(world.ca.root)
    names = furnish(world, made, store)
    (listener,) = world.edge.own_receive_connectors()
    named = connector["named"]
    known: dict[Any, str] = {"gone": "<I>CN=Gone<S>CN=gone", **dict(enumerate(names))}
    wanted = known.get(named)
    if wanted and connector["small"]:
        wanted = wanted.replace("<I>", "<i>").upper()
    listener.properties |= {
        "Fqdn": connector["Fqdn"],
        "AuthMechanism": type(listener.get("AuthMechanism"))(
            part for part in connector["AuthMechanism"].split(", ") if part != "None"
        ),
        "TlsCertificateName": wanted,
    }
    # Only where an expired one reaches a root that may be trusted or not, nobody can tell from outside.
    compare(world, may_be_untold=any(facts["issuer"] == "stranger" for facts in made))
