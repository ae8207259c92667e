"""What a rule looks at: one command, the server's state, and the connector the command would leave behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

from tlsrunbook.exchange.address_space import parse_address_space
from tlsrunbook.exchange.cmdlets_connector import RECEIVE_PARAMETERS, SEND_PARAMETERS
from tlsrunbook.exchange.command import Command, Later, Value
from tlsrunbook.exchange.state import AddressSpace, ReceiveConnector, SendConnector, ServerState

#: Usage -> authentication and permission groups of a new receive connector.
_USAGES: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "Client": (
        frozenset({"Tls", "BasicAuth", "BasicAuthRequireTLS", "Integrated"}),
        frozenset({"ExchangeUsers"}),
    ),
    "Custom": (frozenset({"Tls"}), frozenset()),
    "Internal": (frozenset({"Tls", "ExchangeServer"}), frozenset({"ExchangeLegacyServers", "ExchangeServers"})),
    "Internet": (frozenset({"Tls"}), frozenset({"AnonymousUsers"})),
    "Partner": (frozenset({"Tls"}), frozenset({"Partners"})),
}

_Connector = TypeVar("_Connector", ReceiveConnector, SendConnector)

USAGES = tuple(_USAGES)
EVERY_ADDRESS = ("0.0.0.0-255.255.255.255",)


@dataclass(frozen=True)
class Case:
    """One command on one server.

    Args:
        command: What would be sent. Its parameters are found whatever their case, as PowerShell does.
        state: The server as the command will meet it.
    """

    command: Command
    state: ServerState

    @cached_property
    def _values(self) -> Mapping[str, Value]:
        return {name.lower(): value for name, value in self.command.parameters}

    def gives(self, *parameters: str) -> bool:
        """Whether the command gives one of these parameters, ``$null`` included."""
        return any(parameter.lower() in self._values for parameter in parameters)

    def value(self, parameter: str) -> Value:
        """Give a parameter's value; None when it is not given, or ``$null``."""
        return self._values.get(parameter.lower())

    def on(self, parameter: str) -> bool:
        """Whether a switch or boolean is given and true."""
        return self.value(parameter) is True

    def text(self, parameter: str) -> str:
        """Give a text; empty when it is not given, ``$null``, or known later only."""
        value = self.value(parameter)
        return value if isinstance(value, str) else ""

    def texts(self, parameter: str) -> tuple[str, ...]:
        """Give a list of texts; one text is a list of one."""
        value = self.value(parameter)
        if isinstance(value, str):
            return (value,)
        return value if isinstance(value, tuple) else ()

    def flags(self, parameter: str) -> frozenset[str]:
        """Give flags, however they are joined; ``None`` is one of them."""
        parts = (part.strip() for text in self.texts(parameter) for part in text.split(","))
        return frozenset(filter(None, parts))

    def later(self, parameter: str) -> bool:
        """Whether the value is not known yet, so that it cannot be judged."""
        return isinstance(self.value(parameter), Later)

    @property
    def makes(self) -> bool:
        """Whether the command makes something new, so that defaults count as given."""
        return self.command.name.startswith("New-")

    @property
    def target(self) -> str:
        """What the command is about, for people."""
        noun = {"ReceiveConnector": "receive connector", "SendConnector": "send connector"}.get(
            self.command.name.split("-", 1)[1], ""
        )
        name = self.text("Identity") or self.text("Name") or self.text("Thumbprint")
        return f"{noun} {name}".strip() or self.state.name

    @property
    def thumbprint(self) -> str:
        r"""The certificate's thumbprint, from ``-Thumbprint`` or ``-Identity Server\Thumbprint``."""
        return (self.text("Thumbprint") or self.text("Identity").rpartition("\\")[2]).upper()

    @property
    def usages(self) -> tuple[str, ...]:
        """The usages a ``New-*Connector`` is given, by ``-Usage`` or by switch."""
        named = (self.text("Usage"),) if self.text("Usage") else ()
        return named + tuple(usage for usage in USAGES if self.on(usage))

    @cached_property
    def receive(self) -> ReceiveConnector | None:
        """The receive connector the command would leave; None when there is none of that identity."""
        if self.makes:
            return _overlaid(self, self._new_receive(), RECEIVE_PARAMETERS)
        current = find_receive(self.state, self.text("Identity"))
        return current and _overlaid(self, current, RECEIVE_PARAMETERS)

    @cached_property
    def send(self) -> SendConnector | None:
        """The send connector the command would leave; None when there is none of that identity."""
        if self.makes:
            return _overlaid(self, self._new_send(), SEND_PARAMETERS)
        current = find_send(self.state, self.text("Identity"))
        return current and _overlaid(self, current, SEND_PARAMETERS)

    def _new_receive(self) -> ReceiveConnector:
        usage = next((usage for usage in self.usages if usage in _USAGES), "Custom")
        auth, groups = _USAGES[usage]
        name = self.text("Name")
        return ReceiveConnector(
            identity=f"{self.state.name}\\{name}",
            name=name,
            fqdn=self.state.fqdn,
            tls_certificate_name="",
            auth_mechanism=auth,
            permission_groups=groups,
            bindings=(),
            remote_ip_ranges=EVERY_ADDRESS,
            require_tls=False,
            enabled=True,
            domain_secure_enabled=False,
            transport_role="",
        )

    def _new_send(self) -> SendConnector:
        name = self.text("Name")
        return SendConnector(
            identity=name,
            name=name,
            enabled=True,
            address_spaces=(),
            fqdn="",
            tls_certificate_name="",
            require_tls=False,
            ignore_starttls=False,
            tls_auth_level="",
            tls_domain="",
            dns_routing_enabled=True,
            domain_secure_enabled=False,
            smart_hosts=(),
            source_transport_servers=() if self.state.is_edge else (self.state.name,),
            frontend_proxy_enabled=False,
            cloud_services_mail_enabled=False,
            is_scoped=False,
            port=25,
            max_message_size="",
        )


def find_receive(state: ServerState, identity: str) -> ReceiveConnector | None:
    r"""Find a receive connector by ``SERVER\\Name`` or by name, in any case."""
    wanted = identity.lower()
    found = (c for c in state.receive_connectors if wanted in (c.identity.lower(), c.name.lower()))
    return next(found, None)


def find_send(state: ServerState, identity: str) -> SendConnector | None:
    """Find a send connector by identity or name, in any case."""
    wanted = identity.lower()
    return next((c for c in state.send_connectors if wanted in (c.identity.lower(), c.name.lower())), None)


def _overlaid(case: Case, connector: _Connector, table: Mapping[str, str]) -> _Connector:
    """Put the command's parameters over a connector; what is known later leaves the current value."""
    changes: dict[str, Any] = {
        key: _as_field(case, parameter, getattr(connector, key))
        for key, parameter in table.items()
        if case.gives(parameter) and not case.later(parameter)
    }
    return replace(connector, **changes)


def _as_field(case: Case, parameter: str, current: object) -> object:
    value = case.value(parameter)
    if parameter == "AddressSpaces":
        return _readable_spaces(case.texts(parameter))
    if isinstance(current, frozenset):
        return case.flags(parameter) - {"None"}
    if isinstance(current, tuple):
        upper = parameter == "SourceTransportServers"
        return tuple(text.upper() if upper else text for text in case.texts(parameter))
    if isinstance(current, bool):
        return value if isinstance(value, bool) else current
    if isinstance(current, int):
        return value if isinstance(value, int) else current
    return case.text(parameter).lower() if parameter in ("Fqdn", "TlsDomain") else case.text(parameter)


def _readable_spaces(texts: Iterable[str]) -> tuple[AddressSpace, ...]:
    # One that cannot be read has a rule of its own.
    spaces = []
    for text in texts:
        try:
            spaces.append(parse_address_space(text))
        except ValueError:
            continue
    return tuple(spaces)


#: Gives one sentence per problem, with the names in it; nothing when all is well.
Judge = Callable[[Case], Iterable[str]]


@dataclass(frozen=True)
class Rule:
    """One rule that can be judged before a command is sent.

    Args:
        id: Kebab-case.
        sentence: What it demands, for the docs.
        todo: What to do when it is broken.
        on: Cmdlets, or patterns such as ``Get-*``.
        judge: See :data:`Judge`.
        about: Parameters it is about. A command that alters something and gives none of them is not judged: what it
            does not touch was accepted before. Empty: always judged.
    """

    id: str
    sentence: str
    todo: str
    on: tuple[str, ...]
    judge: Judge
    about: tuple[str, ...] = field(default=())
