"""The three send connectors: made, altered where they differ, undone, and left alone when they are right."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import FQDN, OLD_2010, certificate, make_site, make_state, send, target_of

from tlsrunbook.exchange.command import Command, Later
from tlsrunbook.exchange.state import AddressSpace, SendConnector, ServerState
from tlsrunbook.plan.model import PlanItem, Reverse
from tlsrunbook.plan.route import route
from tlsrunbook.plan.send_connectors import WantedConnector, as_applied, connector_items, wanted_connectors
from tlsrunbook.policy.expected import after
from tlsrunbook.policy.preflight import preflight_all

NAME = "<I>CN=Good CA<S>CN=mx1.example.com"
EDGE = make_state(certificate())
MAILBOX = make_state(certificate(), name="MBX1", is_edge=False, role="Mailbox")


def three(
    state: ServerState, *, site: Any = None, name: str | Later = NAME, parameters: Any = None
) -> tuple[WantedConnector, ...]:
    site = site or make_site({"name": state.name})
    target = target_of(state, **({"parameters": parameters} if parameters else {}))
    return wanted_connectors(site.send_connectors, site.servers[0], target, name)


def items_on(state: ServerState, **how: Any) -> tuple[PlanItem, ...]:
    return connector_items(three(state, **how), state, target_of(state))


def sent(item: PlanItem) -> Command:
    assert isinstance(item.does, tuple)
    (command,) = item.does
    return command


def applied(state: ServerState, **how: Any) -> ServerState:
    """The state after sending the plan, as the policy row foretells it from the commands alone."""
    for item in items_on(state, **how):
        state = after((sent(item),), state)
    return state


def only(state: ServerState, **changes: Any) -> tuple[ServerState, tuple[PlanItem, ...]]:
    """A state with all three as they shall be, but for these fields of the default one; and what is planned for it."""
    good = applied(state)
    spoiled = tuple(replace(c, **changes) if "default" in c.name else c for c in good.send_connectors)
    state = replace(good, send_connectors=spoiled)
    return state, items_on(state)


def test_on_an_edge_all_three_are_made_the_strictest_first() -> None:
    commands = [sent(item) for item in items_on(EDGE)]
    assert [command.name for command in commands] == ["New-SendConnector"] * 3
    assert [command.get("Name") for command in commands] == [
        "TLS required EDGE1",
        "TLS never EDGE1",
        "TLS default EDGE1",
    ]
    required, never, default = (dict(command.parameters) for command in commands)
    assert required == {
        "Name": "TLS required EDGE1",
        "Usage": "Internet",
        "AddressSpaces": ("SMTP:*.bank.com;1", "SMTP:partner.com;1"),
        "Fqdn": FQDN,
        "TlsCertificateName": NAME,
        "RequireTLS": True,
        "IgnoreSTARTTLS": False,
        "DNSRoutingEnabled": True,
        "Enabled": True,
    }
    assert (never["RequireTLS"], never["IgnoreSTARTTLS"], never["DomainSecureEnabled"]) == (False, True, False)
    assert "TlsCertificateName" not in never
    assert (default["RequireTLS"], default["IgnoreSTARTTLS"], default["AddressSpaces"]) == (
        False,
        False,
        ("SMTP:*;1",),
    )


def test_on_a_mailbox_server_it_is_the_only_source() -> None:
    assert all(sent(item).get("SourceTransportServers") == ("MBX1",) for item in items_on(MAILBOX))


def test_a_new_one_is_undone_by_removing_it() -> None:
    for item in items_on(EDGE):
        assert isinstance(item.undo, Reverse)
        assert [command.name for (command,) in item.undo.pipelines] == ["Remove-SendConnector"]
        assert item.undo.pipelines[0][0].get("Identity") == sent(item).get("Name")
        assert all(change.have is None for change in item.changes)


def test_what_is_right_is_left_alone_whatever_the_order_of_spaces_and_the_case_of_names() -> None:
    good = applied(EDGE)
    shuffled = tuple(
        replace(c, address_spaces=c.address_spaces[::-1], identity=c.name.upper(), name=c.name.upper())
        for c in good.send_connectors
    )
    assert items_on(replace(good, send_connectors=shuffled)) == ()


@pytest.mark.parametrize(
    ("changes", "parameters"),
    [
        ({"enabled": False}, {"Enabled": True}),
        ({"fqdn": "edge1.corp.local"}, {"Fqdn": FQDN}),
        ({"require_tls": True}, {"RequireTLS": False}),
        ({"ignore_starttls": True}, {"IgnoreSTARTTLS": False}),
        ({"tls_certificate_name": ""}, {"TlsCertificateName": NAME}),
        ({"tls_certificate_name": NAME.replace("Good", "Old")}, {"TlsCertificateName": NAME}),
        ({"tls_auth_level": "EncryptionOnly", "require_tls": True}, {"RequireTLS": False, "TlsAuthLevel": None}),
        (
            {"tls_auth_level": "DomainValidation", "tls_domain": "a.com", "require_tls": True},
            {"RequireTLS": False, "TlsAuthLevel": None, "TlsDomain": None},
        ),
        ({"address_spaces": (AddressSpace("*", 5),)}, {"AddressSpaces": ("SMTP:*;1",)}),
        (
            {"smart_hosts": ("relay.a.com",), "dns_routing_enabled": False},
            {"DNSRoutingEnabled": True, "SmartHosts": ()},
        ),
        ({"max_message_size": "10 MB", "port": 26, "cloud_services_mail_enabled": True}, None),
    ],
)
def test_only_what_differs_is_altered(changes: dict[str, Any], parameters: dict[str, Any] | None) -> None:
    state, items = only(EDGE, **changes)
    expected = [] if parameters is None else [{"Identity": "TLS default EDGE1", **parameters}]
    assert [dict(sent(item).parameters) for item in items] == expected
    assert preflight_all([item.does for item in items], state) == ()  # type: ignore[misc]


def test_smart_hosts_and_dns_routing_come_in_one_command_even_when_one_differs() -> None:
    connectors = {**make_site().model_dump()["send_connectors"]}
    connectors["default"] = {"name": "TLS default {server}", "smart_hosts": ["relay.example.com"]}
    site = make_site(send_connectors=connectors)
    good = applied(EDGE, site=site)
    spoiled = tuple(replace(c, smart_hosts=("old.example.com",)) if c.smart_hosts else c for c in good.send_connectors)
    (item,) = items_on(replace(good, send_connectors=spoiled), site=site)
    assert dict(sent(item).parameters) == {
        "Identity": "TLS default EDGE1",
        "DNSRoutingEnabled": False,
        "SmartHosts": ("relay.example.com",),
    }
    assert isinstance(item.undo, Reverse)
    assert dict(item.undo.pipelines[0][0].parameters) == {
        "Identity": "TLS default EDGE1",
        "DNSRoutingEnabled": False,
        "SmartHosts": ("old.example.com",),
    }


def test_tls_auth_level_of_the_required_one_is_the_administrators_own() -> None:
    good = applied(EDGE)
    stricter = tuple(
        replace(c, tls_auth_level="CertificateValidation") if c.require_tls else c for c in good.send_connectors
    )
    assert items_on(replace(good, send_connectors=stricter)) == ()


def test_2010_has_no_tls_certificate_name_and_2007_no_auth_level() -> None:
    state = make_state(version=OLD_2010)
    common = frozenset({"TlsAuthLevel", "TlsDomain"})
    assert all(
        "tls_certificate_name" not in one.settings for one in three(state, parameters={"Set-SendConnector": common})
    )
    bare = three(state, parameters={"Set-SendConnector": frozenset({"Fqdn"})})
    assert all(not {"tls_auth_level", "tls_domain"} & one.settings.keys() for one in bare)


def test_a_name_that_is_not_known_yet_is_planned_as_later() -> None:
    later = Later("TLS certificate name of the certificate to be issued")
    required, _, default = items_on(EDGE, name=later)
    for item in (required, default):
        assert sent(item).unresolved == (later.what,)
        assert [change.want for change in item.changes if change.property == "TlsCertificateName"] == [later]


SPACES = st.lists(
    st.builds(AddressSpace, st.sampled_from(["*", "a.com", "*.b.com", "partner.com"]), st.integers(1, 100)),
    min_size=1,
    max_size=3,
)
#: What an administrator may have made of one of the three, as far as Exchange would have let them.
EXISTING = st.fixed_dictionaries(
    {
        "enabled": st.booleans(),
        "address_spaces": SPACES.map(tuple),
        "fqdn": st.sampled_from(["", FQDN, "x.example.com"]),
        "tls_certificate_name": st.sampled_from(["", NAME]),
        "port": st.sampled_from([25, 26]),
    }
)
TLS = st.sampled_from(
    [
        {},
        {"require_tls": True},
        {"require_tls": True, "tls_auth_level": "EncryptionOnly"},
        {"require_tls": True, "tls_auth_level": "DomainValidation", "tls_domain": "x.com"},
        {"ignore_starttls": True},
    ]
)
ROUTING = st.sampled_from([{}, {"dns_routing_enabled": False, "smart_hosts": ("r.example.com",)}])


@st.composite
def servers(draw: Any) -> ServerState:
    state = draw(st.sampled_from([EDGE, MAILBOX]))
    own = () if state.is_edge else (state.name,)
    names = draw(st.sets(st.sampled_from(["TLS required", "TLS never", "TLS default"])))
    connectors: list[SendConnector] = []
    for name in sorted(names):
        fields = {**draw(EXISTING), **draw(TLS), **draw(ROUTING)}
        connectors.append(send(f"{name} {state.name}", source_transport_servers=own, **fields))
    return replace(state, send_connectors=(*connectors, send("Other", "other.com")))


def _by_name(state: ServerState) -> list[SendConnector]:
    return sorted(state.send_connectors, key=lambda connector: connector.name)


@given(servers())
def test_applying_is_idempotent(state: ServerState) -> None:
    target = target_of(state)
    as_told = replace(state, send_connectors=as_applied(three(state), state))
    assert connector_items(three(state), as_told, target) == ()
    assert items_on(applied(state)) == ()


@given(servers())
def test_undo_gives_the_former_connectors_back(state: ServerState) -> None:
    items = items_on(state)
    now = applied(state)
    for item in reversed(items):
        assert isinstance(item.undo, Reverse)
        for pipeline in item.undo.pipelines:
            now = after(pipeline, now)
    assert _by_name(now) == _by_name(state)


@given(servers())
def test_exchanges_own_rules_are_kept_by_plan_and_undo(state: ServerState) -> None:
    items = items_on(state)
    assert preflight_all([item.does for item in items], state) == ()  # type: ignore[misc]
    back = [pipeline for item in reversed(items) for pipeline in item.undo.pipelines]  # type: ignore[union-attr]
    assert {finding.rule for finding in preflight_all(back, applied(state))} <= {"sc-tlscertname-missing"}


@given(servers())
def test_afterwards_every_domain_takes_the_connector_that_names_it(state: ServerState) -> None:
    wanted = three(state)
    connectors = as_applied(wanted, state)
    for one in wanted:
        for domain in one.domains:
            taken = route(connectors, domain, state.name)
            assert taken is not None
            assert taken.name == one.name


@given(servers())
def test_a_change_is_named_for_every_parameter_that_is_sent(state: ServerState) -> None:
    for item in items_on(state):
        command = sent(item)
        given_to = {name for name, _ in command.parameters} - {"Name", "Usage", "Identity"}
        assert given_to == {change.property for change in item.changes}
