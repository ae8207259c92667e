"""What a change touched, read from its attempts: what it goes back to, how it was left, and who altered it since."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import DEFAULT, certificate, make_state, receive, send, target_of

from tlsrunbook.errors import EvidenceError
from tlsrunbook.exchange.command import Command, Pipeline
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.plan.goback import Ground, connectors_back, default_back, services_stay, unknown_commands
from tlsrunbook.plan.history import History, Sent, Tried
from tlsrunbook.plan.journal import Entry, altered_since, journal
from tlsrunbook.plan.things import RECEIVE, SEND, SERVER, Thing, same, shown, things
from tlsrunbook.policy.expected import after

A = send("A", "a.example", require_tls=True, fqdn="mx1.example.com")
SET = (Command.of("Set-SendConnector", Identity="a", RequireTLS=False),)
MAKE = (Command.of("New-SendConnector", Name="B", Usage="Internet", AddressSpaces=("SMTP:b.example;1",)),)


def tried(
    before: ServerState, *pipelines: Pipeline, done: bool = True, answer: str = "ok", step: str = "connectors"
) -> Tried:
    sent = tuple(Sent(one, answer if one is pipelines[-1] else "ok") for one in pipelines)
    state = before
    for one in pipelines:
        state = after(one, state)
    return Tried(step, 1, before, state if done else None, sent)


def entries(now: ServerState, *tries: Tried) -> dict[str, Entry]:
    return {str(entry.thing): entry for entry in journal(History("c", tries), now)}


def altered(now: ServerState, *tries: Tried) -> list[tuple[str, str]]:
    seen = things(now)
    found = (change for entry in entries(now, *tries).values() for change in altered_since(entry, seen))
    return [(change.target, change.property) for change in found]


def test_an_altered_connector_goes_back_to_the_touched_values_only() -> None:
    before = make_state(send_connectors=(A,))
    done = tried(before, SET)
    (entry,) = journal(History("c", (done,)), done.after or before)
    assert (entry.existed, dict(entry.back)) == (True, {"RequireTLS": True})
    assert str(entry.thing) == "send connector a"


def test_the_value_before_the_first_touch_counts_whatever_came_between() -> None:
    before = make_state(send_connectors=(A,))
    first = tried(before, SET)
    between = replace(before, send_connectors=(replace(A, require_tls=True, fqdn="other.example.com"),))
    second = tried(between, (Command.of("Set-SendConnector", Identity="A", RequireTLS=False, Fqdn="mx2.example.com"),))
    (entry,) = journal(History("c", (first, second)), second.after or before)
    assert dict(entry.back) == {"RequireTLS": True, "Fqdn": "other.example.com"}


def test_a_new_connector_goes_and_an_old_one_never_does() -> None:
    before = make_state(send_connectors=(A,))
    found = entries(before, tried(before, MAKE, SET))
    assert [found[name].existed for name in ("send connector B", "send connector a")] == [False, True]


@pytest.mark.parametrize("happened", [True, False])
def test_a_command_without_an_answer_is_looked_at_and_both_outcomes_are_ours(happened: bool) -> None:
    before = make_state(send_connectors=(A,))
    for pipeline in (MAKE, SET):
        broken = tried(before, pipeline, done=False, answer="unknown")
        now = after(pipeline, before) if happened else before
        assert altered(now, broken) == []


def test_what_exchange_adds_to_a_new_connector_is_nobodys_alteration() -> None:
    before = make_state()
    made = after(MAKE, before)
    now = replace(made, send_connectors=(replace(made.send_connectors[0], max_message_size="35 MB"),))
    assert altered(now, tried(before, MAKE, done=False, answer="unknown")) == []
    assert altered(now, tried(before, MAKE)) == [("send connector B", "MaxMessageSize")]


def test_the_next_look_of_the_change_tells_how_a_broken_attempt_left_things() -> None:
    before = make_state(send_connectors=(A,))
    looked = replace(before, send_connectors=(replace(A, require_tls=False, port=2525),))
    broken = tried(before, SET, done=False, answer="unknown")
    assert altered(looked, broken, Tried("verify", 1, looked, None)) == []
    assert altered(looked, broken) == [("send connector a", "Port")]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (replace(A, require_tls=False), []),
        (A, []),
        (replace(A, require_tls=False, port=2525), ["Port"]),
        (replace(A, ignore_starttls=True), ["IgnoreSTARTTLS"]),
    ],
    ids=["as left", "back already", "another property", "back, and another property"],
)
def test_alterations_are_told_property_by_property(now: object, expected: list[str]) -> None:
    before = make_state(send_connectors=(A,))
    state = replace(before, send_connectors=(now,))
    assert [name for _, name in altered(state, tried(before, SET))] == expected


def test_a_removed_connector_that_was_there_before_is_an_alteration_and_one_of_ours_is_not() -> None:
    before = make_state(send_connectors=(A,))
    gone = replace(before, send_connectors=())
    assert altered(gone, tried(before, MAKE, SET)) == [("send connector a", "exists")]


def test_enabling_touches_services_and_the_default() -> None:
    before = make_state(certificate("A"))
    enable = (Command.of("Enable-ExchangeCertificate", Thumbprint="A" * 40, Services="SMTP", Force=True),)
    done = tried(before, enable, step="activate")
    now = done.after or before
    found = entries(now, done)
    assert dict(found["server EDGE1"].back) == {"default SMTP certificate": DEFAULT}
    assert altered(now, done) == []
    ground = Ground(journal(History("c", (done,)), now), now, before, target_of(now), {})
    (item,), stays = default_back(ground)
    assert stays == []
    assert [command.get("Thumbprint") for command in item.does] == [DEFAULT]  # type: ignore[union-attr]
    (stay,) = services_stay(ground)
    assert "gained: SMTP" in stay.irreversible.reason


def test_a_default_that_is_gone_or_never_was_cannot_come_back_and_is_named() -> None:
    enable = (Command.of("Enable-ExchangeCertificate", Thumbprint="A" * 40, Services="SMTP", Force=True),)
    for before, why in (
        (make_state(certificate("A")), "is not on the server any more"),
        (make_state(certificate("A"), internal_transport_thumbprint=""), "there was none before"),
    ):
        done = tried(before, enable, step="activate")
        left = done.after or before
        now = replace(left, certificates=tuple(c for c in left.certificates if c.thumbprint == "A" * 40))
        items, (stay,) = default_back(Ground(journal(History("c", (done,)), now), now, before, target_of(now), {}))
        assert items == []
        assert why in stay.irreversible.reason


def test_a_cmdlet_that_this_version_does_not_know_is_named() -> None:
    before = make_state()
    done = tried(before, (Command.of("Set-TransportConfig", TLSSendDomainSecureList="x"),))
    ground = Ground(journal(History("c", (done,)), before), before, before, target_of(before), {})
    assert [stay.thing for stay in unknown_commands(ground)] == ["cmdlet Set-TransportConfig"]


def test_sent_without_a_state_before_it_is_no_ground_to_go_back_on() -> None:
    with pytest.raises(EvidenceError, match="state before them"):
        journal(History("c", (Tried("connectors", 1, None, None, (Sent(SET, "ok"),)),)), make_state())


SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "fqdn": st.sampled_from(["", "mx2.example.com"]),
        "require_tls": st.booleans(),
        "ignore_starttls": st.booleans(),
        "smart_hosts": st.sampled_from([(), ("[10.1.2.3]",)]),
        "dns_routing_enabled": st.booleans(),
        "tls_certificate_name": st.sampled_from(["", "<I>a<S>b"]),
        "enabled": st.booleans(),
    },
)
PARAMETERS = {
    "fqdn": "Fqdn", "require_tls": "RequireTLS", "ignore_starttls": "IgnoreSTARTTLS", "smart_hosts": "SmartHosts",
    "dns_routing_enabled": "DNSRoutingEnabled", "tls_certificate_name": "TlsCertificateName", "enabled": "Enabled",
}  # fmt: skip


@given(was=SETTINGS, first=SETTINGS, second=SETTINGS)
def test_the_way_back_over_any_settings_gives_the_former_connector(
    was: dict[str, object], first: dict[str, object], second: dict[str, object]
) -> None:
    before = make_state(send_connectors=(send("A", "a.example", **was),), receive_connectors=(receive(),))
    tries, state = [], before
    for values in (first, second):
        if values:
            command = Command.of("Set-SendConnector", Identity="A", **{PARAMETERS[k]: v for k, v in values.items()})  # type: ignore[arg-type]
            tries.append(tried(state, (command,)))
            state = tries[-1].after or state
    ground = Ground(journal(History("c", tuple(tries)), state), state, before, target_of(state), {})
    items, stays = connectors_back(ground, SEND)
    for item in items:
        state = after(item.does, state)  # type: ignore[arg-type]
    assert stays == []
    assert things(state)[Thing(SEND, "A")] == things(before)[Thing(SEND, "A")]
    assert bool(items) == (things(before) != things(ground.present))


def test_things_are_the_same_in_any_case_and_values_in_any_order() -> None:
    assert Thing(RECEIVE, "EDGE1\\Default") == Thing(RECEIVE, "edge1\\default")
    assert Thing(SERVER, "A") != Thing(SEND, "A")
    assert same(("B", "a"), ("A", "b"))
    assert same(None, "")
    assert not same(False, None)
    assert shown(frozenset({"b", "a"})) == ("a", "b")
