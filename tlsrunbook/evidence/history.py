"""Recorded states and transcripts, read back: what going back is decided on."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, TypeVar

from tlsrunbook.errors import EvidenceError
from tlsrunbook.evidence.data import command_from_data
from tlsrunbook.exchange.command import Command
from tlsrunbook.exchange.state import AddressSpace, ExchangeCertificate, ReceiveConnector, SendConnector, ServerState
from tlsrunbook.exchange.version import ExchangeVersion
from tlsrunbook.plan.history import Sent

_T = TypeVar("_T")


def state_from_data(data: Mapping[str, Any], *, where: str = "") -> ServerState:
    """Rebuild a server's state from what :func:`~tlsrunbook.evidence.data.to_data` made of it.

    Properties that a newer version added are left out.

    Raises:
        EvidenceError: A part is missing or of another shape.
    """
    try:
        return _made(
            ServerState,
            data,
            version=ExchangeVersion(**data["version"]),
            certificates=tuple(_certificate(one) for one in data["certificates"]),
            receive_connectors=tuple(_receive(one) for one in data["receive_connectors"]),
            send_connectors=tuple(_send(one) for one in data["send_connectors"]),
            intermediates=frozenset(data["intermediates"]),
            edge_subscriptions=tuple(data["edge_subscriptions"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise EvidenceError("the recorded state lacks a part or has it in another shape", where=where) from error


def _made(kind: type[_T], data: Mapping[str, Any], **given: Any) -> _T:
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**{**{name: value for name, value in data.items() if name in known}, **given})


def _certificate(data: Mapping[str, Any]) -> ExchangeCertificate:
    services = data["services"]
    return _made(
        ExchangeCertificate,
        data,
        not_before=datetime.fromisoformat(data["not_before"]),
        not_after=datetime.fromisoformat(data["not_after"]),
        names=tuple(data["names"]),
        services=None if services is None else frozenset(services),
        raw=base64.b64decode(data["raw"]["base64"], validate=True),
    )


def _receive(data: Mapping[str, Any]) -> ReceiveConnector:
    return _made(
        ReceiveConnector,
        data,
        auth_mechanism=frozenset(data["auth_mechanism"]),
        permission_groups=frozenset(data["permission_groups"]),
        bindings=tuple(data["bindings"]),
        remote_ip_ranges=tuple(data["remote_ip_ranges"]),
    )


def _send(data: Mapping[str, Any]) -> SendConnector:
    return _made(
        SendConnector,
        data,
        address_spaces=tuple(_made(AddressSpace, space) for space in data["address_spaces"]),
        smart_hosts=tuple(data["smart_hosts"]),
        source_transport_servers=tuple(data["source_transport_servers"]),
    )


def sent_commands(lines: Sequence[Mapping[str, Any]], *, where: str = "") -> tuple[Sent, ...]:
    """Give what a transcript says was sent that changes anything, with the answer that came.

    Raises:
        EvidenceError: A line cannot be understood.
    """
    found = []
    try:
        for at, line in enumerate(lines):
            if line["event"] == "sent" and line["changes"]:
                pipeline = tuple(_command(data) for data in line["commands"])
                found.append(Sent(pipeline, _answer(lines[at + 1 : at + 2])))
    except (KeyError, TypeError, ValueError) as error:
        raise EvidenceError("the transcript has a line that cannot be understood", where=where) from error
    return tuple(found)


def _command(data: Mapping[str, Any]) -> Command:
    # What was a secret is no part of what has to be undone.
    plain = [(name, value) for name, value in data["parameters"] if not (isinstance(value, dict) and "secret" in value)]
    return command_from_data({**data, "parameters": plain})


def _answer(following: Sequence[Mapping[str, Any]]) -> str:
    if following and following[0]["event"] in ("answered", "lost"):
        return str(following[0]["outcome"])
    return "unknown"


def receipts(lines: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Give the authority's receipts for the CSRs that were handed over."""
    return tuple(str(line.get("receipt", "")) for line in lines if line.get("event") == "submitted")
