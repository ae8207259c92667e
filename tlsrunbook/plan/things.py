"""A server's state as things with properties, named as Exchange names them, so that two states can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from tlsrunbook.exchange.cmdlets_connector import RECEIVE_PARAMETERS, SEND_PARAMETERS
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.plan.model import Shown

SEND = "send connector"
RECEIVE = "receive connector"
CERTIFICATE = "certificate"
REQUEST = "pending request"
INTERMEDIATE = "intermediate certificate"
SERVER = "server"
UNKNOWN = "cmdlet"

DEFAULT = "default SMTP certificate"
SERVICES = "Services"

#: Property -> value as the state has it.
Properties: TypeAlias = Mapping[str, object]


@dataclass(frozen=True)
class Thing:
    """Something on a server that a command can change; two spellings that differ in case are the same thing.

    Args:
        kind: One of this module's constants.
        name: As it is shown.
    """

    kind: str
    name: str = field(compare=False)
    key: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", self.name.lower())

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def things(state: ServerState) -> dict[Thing, Properties]:
    """Give everything that a change may touch. What alters by itself, such as a certificate's status, is left out."""
    found: dict[Thing, Properties] = {Thing(SERVER, state.name): {DEFAULT: state.internal_transport_thumbprint}}
    for certificate in state.certificates:
        if certificate.pending:
            found[Thing(REQUEST, certificate.thumbprint)] = {}
        else:
            found[Thing(CERTIFICATE, certificate.thumbprint)] = {SERVICES: certificate.services}
    found |= {Thing(INTERMEDIATE, thumbprint): {} for thumbprint in sorted(state.intermediates)}
    for receive in state.receive_connectors:
        values = {parameter: getattr(receive, key) for key, parameter in RECEIVE_PARAMETERS.items()}
        found[Thing(RECEIVE, receive.identity)] = values
    for send in state.send_connectors:
        values = {parameter: getattr(send, key) for key, parameter in SEND_PARAMETERS.items()}
        found[Thing(SEND, send.name)] = values
    return found


def same(one: object, other: object) -> bool:
    """Whether two values of a property mean the same to Exchange: case, order of a list and kind of empty do not."""
    return _normal(one) == _normal(other)


def _normal(value: object) -> object:
    if isinstance(value, tuple | frozenset):
        return sorted(str(item).lower() for item in value)
    if isinstance(value, bool):
        return value
    return str(value).lower() if value not in (None, "") else None


def shown(value: object) -> Shown:
    """Give a value as a change shows it."""
    if isinstance(value, frozenset):
        return tuple(sorted(str(item) for item in value))
    if isinstance(value, tuple):
        return tuple(str(item) for item in value)
    if value is None or value == "":
        return None
    return value if isinstance(value, str | bool | int) else str(value)
