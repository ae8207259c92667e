"""The test world itself: what a read answers is what the state says, by the product's own decoders."""

from __future__ import annotations

import pytest
from worlds import (
    OLD_2010,
    ScriptedShell,
    certificate,
    default_certificate,
    make_state,
    receive,
    send,
)

from tlsrunbook.exchange.command import Command
from tlsrunbook.steps.observe import observe_server


def test_a_state_read_through_the_scripted_shell_is_the_same_state() -> None:
    state = make_state(
        certificate("A", services=None, self_signed=None, has_private_key=None, status="RevocationCheckFailure"),
        certificate("B", services=frozenset({"IIS", "SMTP"})),
        edge_subscribed=True,
        receive_connectors=(receive(tls_certificate_name="<I>CN=a<S>CN=b"), receive("Other", fqdn="", enabled=False)),
        send_connectors=(send("X", "a.example", "*.b.example", tls_auth_level="EncryptionOnly", require_tls=True),),
    )
    assert observe_server(ScriptedShell(state)).state == state


def test_a_server_without_default_certificate_and_of_another_version_is_read_too() -> None:
    state = make_state(
        certificates=(default_certificate(),),
        internal_transport_thumbprint="",
        version=OLD_2010,
        is_edge=False,
        role="Mailbox",
        receive_connectors=(receive(tls_certificate_name=None),),
    )
    parameters = {"Get-TransportServer": frozenset({"Identity"})}
    assert observe_server(ScriptedShell(state, parameters=parameters)).state == state


def test_what_is_not_scripted_is_an_error_of_the_test() -> None:
    with pytest.raises(AssertionError, match="not scripted"):
        ScriptedShell(make_state()).run((Command.of("Set-SendConnector", Identity="x"),))
