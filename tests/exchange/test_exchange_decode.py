import json
from collections.abc import Callable
from pathlib import Path

import pytest
from exchange_targets import THUMBPRINT
from hypothesis import given
from hypothesis import strategies as st

from tlsrunbook.errors import DecodeError
from tlsrunbook.exchange.address_space import parse_address_space
from tlsrunbook.exchange.command import RemoteFault, Reply
from tlsrunbook.exchange.decode import (
    decode_accepted_domains,
    decode_certificates,
    decode_edge_start,
    decode_edge_subscriptions,
    decode_edge_synchronization,
    decode_exchange_server,
    decode_receive_connectors,
    decode_send_connectors,
    decode_store,
    decode_transport_service,
    server_state,
)
from tlsrunbook.exchange.state import AddressSpace, EdgeSync
from tlsrunbook.exchange.version import ExchangeVersion

CASES = json.loads((Path(__file__).parent / "cases" / "decode_connectors.json").read_text("utf-8"))
DECODERS: dict[str, Callable] = {
    "receive": decode_receive_connectors,
    "send": decode_send_connectors,
    "server": lambda reply: decode_exchange_server(reply, "edge1"),
}


def projected(kind: str, **changes: object) -> dict:
    item = CASES[kind] | changes
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in item.items()
        if value != "__missing__"
    }


def test_a_receive_connector_of_an_edge_server_is_read() -> None:
    (connector,) = decode_receive_connectors(Reply((projected("receive"),)))
    assert connector.identity == "EDGE1\\Default internal receive connector EDGE1"
    assert connector.fqdn == "edge1.example.internal"
    assert connector.auth_mechanism == {"Tls", "ExchangeServer"}
    assert connector.permission_groups == {"AnonymousUsers", "ExchangeServers", "Partners"}
    assert connector.bindings == ("0.0.0.0:25", "[::]:25")
    assert connector.ports == {25}
    assert (connector.require_tls, connector.enabled, connector.domain_secure_enabled) == (False, True, False)
    assert connector.tls_certificate_name == ""
    assert connector.transport_role == ""
    assert connector.internet_facing


def test_a_send_connector_is_read() -> None:
    (connector,) = decode_send_connectors(Reply((projected("send"),)))
    assert connector.address_spaces == (AddressSpace("*"), AddressSpace("*.example.org", 10))
    assert connector.fqdn == ""
    assert connector.tls_certificate_name == "<I>CN=localhost<S>CN=localhost"
    assert connector.tls_auth_level == "CertificateValidation"
    assert connector.tls_domain == ""
    assert connector.source_transport_servers == ("WIN-CTD3L0RGEN4",)
    assert (connector.dns_routing_enabled, connector.cloud_services_mail_enabled) == (True, True)
    assert connector.port == 25
    assert connector.max_message_size == "35 MB (36,700,160 bytes)"


def test_what_an_old_version_does_not_have_is_none_and_what_is_not_set_is_empty() -> None:
    gone = dict.fromkeys(("TlsCertificateName", "TransportRole"), "__missing__")
    (receive,) = decode_receive_connectors(Reply((projected("receive", **gone),)))
    assert (receive.tls_certificate_name, receive.transport_role) == (None, "")
    names = ("TlsCertificateName", "TlsAuthLevel", "TlsDomain", "FrontendProxyEnabled", "CloudServicesMailEnabled")
    (send,) = decode_send_connectors(Reply((projected("send", **dict.fromkeys(names, "__missing__")),)))
    assert send.tls_certificate_name is None
    assert (send.tls_auth_level, send.tls_domain, send.frontend_proxy_enabled) == ("", "", False)


def test_no_flag_is_an_empty_set() -> None:
    (connector,) = decode_receive_connectors(Reply((projected("receive", PermissionGroups="None"),)))
    assert connector.permission_groups == frozenset()


@pytest.mark.parametrize(("kind", "name", "value", "says"), CASES["bad_shapes"])
def test_a_shape_that_is_not_known_raises_and_says_what_was_seen(kind, name, value, says) -> None:
    with pytest.raises(DecodeError) as caught:
        DECODERS[kind](Reply((projected(kind, **{name: value}),)))
    assert says in str(caught.value)
    assert caught.value.where.startswith("Get-")


@pytest.mark.parametrize(
    "decode",
    [
        *DECODERS.values(),
        decode_certificates,
        decode_store,
        decode_transport_service,
        decode_edge_subscriptions,
        decode_edge_synchronization,
        decode_accepted_domains,
    ],
)
def test_a_reply_with_errors_is_never_an_empty_list(decode) -> None:
    reply = Reply((), (), (RemoteFault("The operation couldn't be performed because object 'X' couldn't be found."),))
    with pytest.raises(DecodeError, match=r"holds errors.*couldn't be found"):
        decode(reply)


def test_a_server_is_read() -> None:
    server = decode_exchange_server(Reply((projected("server"),)), "edge1")
    assert (server.name, server.fqdn, server.role, server.is_edge) == ("EDGE1", "edge1.example.internal", "Edge", True)
    assert server.version == ExchangeVersion(15, 2, 1748, 10)


def test_the_server_is_found_by_name_when_exchange_lists_all_and_missed_when_it_is_not_there() -> None:
    both = Reply((projected("server", Name="OTHER"), projected("server")))
    assert decode_exchange_server(both, "EDGE1").name == "EDGE1"
    with pytest.raises(DecodeError, match="asked for MBX9, and Exchange answered with OTHER, EDGE1"):
        decode_exchange_server(both, "MBX9")
    with pytest.raises(DecodeError, match="answered with nothing"):
        decode_exchange_server(Reply(), "MBX9")


def service(name: str, thumbprint: object) -> Reply:
    return Reply(({"Name": name, "InternalTransportCertificateThumbprint": thumbprint},))


def test_the_default_smtp_certificate_is_read() -> None:
    assert decode_transport_service(service("EDGE1", THUMBPRINT), "edge1") == THUMBPRINT
    assert decode_transport_service(service("EDGE1", None)) == ""


def test_another_servers_default_smtp_certificate_is_refused() -> None:
    with pytest.raises(DecodeError, match="Name is not EDGE1: 'MBX1'"):
        decode_transport_service(service("MBX1", THUMBPRINT), "EDGE1")
    with pytest.raises(DecodeError, match="2 objects came"):
        decode_transport_service(Reply(service("A", THUMBPRINT).objects * 2))
    with pytest.raises(DecodeError, match="not 40 upper-case hex digits"):
        decode_transport_service(service("EDGE1", "abc"))


def test_subscriptions_synchronization_and_domains_are_read() -> None:
    assert decode_edge_subscriptions(Reply(({"Name": "Edge1"},))) == ("EDGE1",)
    assert decode_edge_subscriptions(Reply()) == ()
    normal = {"Name": "Edge1", "SyncStatus": "Normal", "FailureDetail": None}
    assert decode_edge_synchronization(Reply((normal,))) == (EdgeSync("EDGE1", "Normal"),)
    assert decode_accepted_domains(Reply(({"DomainName": "*.Contoso.local"},))) == ("*.contoso.local",)


@pytest.mark.parametrize(
    ("status", "connectors", "in_step", "failed"),
    [
        ("Normal", "Synchronized", True, False),
        ("Normal", None, True, False),
        ("Normal", "NotSynchronized", False, False),
        ("Inconclusive", "Synchronized", False, False),
        ("Failed", "NotSynchronized", False, True),
        ("FailedUrgent", "NotSynchronized", False, True),
        ("CouldNotConnect", "NotSynchronized", False, True),
    ],
)
def test_an_edge_is_in_step_when_its_send_connectors_are_there(
    status: str, connectors: str | None, in_step: bool, failed: bool
) -> None:
    row = {"Name": "edge1", "SyncStatus": status, "FailureDetail": "why", "SendConnectorStatus": connectors}
    (sync,) = decode_edge_synchronization(Reply((row,)))
    assert (sync.edge, sync.detail, sync.in_step, sync.failed) == ("EDGE1", "why", in_step, failed)


def test_what_failed_at_starting_edgesync_is_told_for_the_edge_that_was_meant() -> None:
    rows = (
        {"Name": "EDGE1", "Result": "Success", "FailureDetails": None},
        {"Name": "edge2", "Result": "CouldNotConnect", "FailureDetails": "50636 is unavailable"},
        {"Name": "EDGE2", "Result": "Incomplete"},
    )
    assert decode_edge_start(Reply(rows), "EDGE1") == ""
    assert decode_edge_start(Reply(rows), "EDGE2") == "CouldNotConnect: 50636 is unavailable; Incomplete"
    with pytest.raises(DecodeError, match="holds errors"):
        decode_edge_start(Reply((), (), (RemoteFault("no"),)), "EDGE1")


@pytest.mark.parametrize(("subscriptions", "subscribed"), [((), False), (("EDGE1",), True)])
def test_the_state_is_put_together(subscriptions: tuple[str, ...], subscribed: bool) -> None:
    receive = decode_receive_connectors(Reply((projected("receive"),)))
    send = decode_send_connectors(Reply((projected("send"),)))
    state = server_state(
        decode_exchange_server(Reply((projected("server"),)), "EDGE1"),
        certificates=(),
        internal_transport_thumbprint=THUMBPRINT,
        receive_connectors=receive,
        send_connectors=send,
        edge_subscriptions=subscriptions,
        store=(("A" * 40, b"der"),),
        version=ExchangeVersion(15, 2, 1748, 39),
    )
    assert (state.name, state.fqdn, state.is_edge, state.role) == ("EDGE1", "edge1.example.internal", True, "Edge")
    assert str(state.version) == "15.2.1748.39"
    assert (state.edge_subscribed, state.edge_subscriptions) == (subscribed, subscriptions)
    assert (state.receive_connectors, state.send_connectors) == (receive, send)
    assert (state.internal_transport_thumbprint, state.intermediates) == (THUMBPRINT, {"A" * 40})


@pytest.mark.parametrize(
    ("text", "space"),
    [
        ("*", AddressSpace("*")),
        ("contoso.com", AddressSpace("contoso.com")),
        ("SMTP:Contoso.com;100", AddressSpace("contoso.com", 100)),
        ("smtp:*.contoso.com;5", AddressSpace("*.contoso.com", 5)),
        ("SMTP:--;1", AddressSpace("--")),
        ("X400:c=US;a= ;p=Contoso;7", AddressSpace("c=US;a= ;p=Contoso", 7, "X400")),
    ],
)
def test_an_address_space_is_read(text: str, space: AddressSpace) -> None:
    assert parse_address_space(text) == space
    assert parse_address_space(str(space)) == space


@pytest.mark.parametrize(
    "text", ["", "SMTP:", "*contoso.com", "a..b", "SMTP:*;0", "*;101", "*;", "a b.example", "**", "-a.example", "a;x"]
)
def test_what_is_no_address_space_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="address space"):
        parse_address_space(text)


@given(st.text(max_size=20))
def test_any_text_is_an_address_space_or_a_value_error(text: str) -> None:
    try:
        space = parse_address_space(text)
    except ValueError:
        return
    assert parse_address_space(str(space)) == space
