"""What is different on Exchange 2007 and 2010: certificates named by Fqdn, and one certificate for SMTP."""

from __future__ import annotations

from collections.abc import Iterable

from tlsrunbook.certificates.facts import names_cover
from tlsrunbook.exchange.command import Command, Later
from tlsrunbook.exchange.render import render
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.exchange.version import Target
from tlsrunbook.plan.internet_connector import (
    internet_connector,
    internet_items,
    names_by_fqdn,
    wants_internet_connector,
)
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.site import Server

RULES = {
    "internet-connector-planned": "On 2007 and 2010 a separate Internet receive connector carries the public name",
    "internet-connector-not-needed": "Where a connector can name its certificate, no separate connector is made",
    "one-smtp-certificate": "Exchange 2007 keeps one certificate for SMTP, so its default SMTP certificate cannot stay",
    "smtp-moves": "On Exchange 2007 SMTP moves to the new certificate; what that takes from other connectors is named",
    "send-fqdn-ignored": "Exchange 2010 with the Mailbox role sends its own name, whatever a send connector's Fqdn is",
}


def keeps_one_smtp_certificate(state: ServerState) -> bool:
    """Whether this Exchange has SMTP on one certificate only (2007): no list of parameters shows it, the build does."""
    return state.version.major == 8


def judge_internet_connector(state: ServerState, server: Server) -> tuple[Finding, ...]:
    """Say whether the separate Internet connector of the site file will be made, and how."""
    if server.internet_connector is None or "receive" not in server.roles:
        return ()
    name = server.internet_connector.name_for(server.name)
    target = f"receive connector {state.name}\\{name}"
    if not wants_internet_connector(state, server):
        text = f"{state.name} can tie a certificate to a connector by its name, so {name!r} is not made"
        return (Finding("internet-connector-not-needed", Severity.INFO, text, "", target),)
    if internet_connector(state, server) is not None:
        return ()
    # The plan chooses by what the server reports; for this sentence its build is enough.
    (item,) = internet_items(state, server, Target(state.name, state.is_edge, state.version))
    command = " | ".join(render(one) for one in item.does) if isinstance(item.does, tuple) else ""
    text = f"the step activate makes the receive connector {name!r}, which will answer with {server.fqdn}: {command}"
    return (Finding("internet-connector-planned", Severity.INFO, text, "", target),)


def proposal(state: ServerState, server: Server) -> str:
    """Propose the separate Internet connector: the lines for the site file, and the command for doing it by hand."""
    example = Command.of(
        "New-ReceiveConnector",
        Name=f"From the Internet {state.name}",
        Usage="Internet",
        Bindings=Later("an address of this server, with :25, that no other connector takes"),
        Fqdn=server.fqdn,
    )
    return (
        "write [servers.internet_connector] with name and bindings in the site file, and the step activate makes a "
        f"separate Internet receive connector; by hand, in Exchange's shell, it is: {render(example)}"
    )


def can_be_proposed(state: ServerState, server: Server) -> bool:
    """Whether a separate Internet connector would help: this Exchange needs one, and the site file has none."""
    return server.internet_connector is None and not state.is_edge and names_by_fqdn(state)


def judge_one_smtp(state: ServerState, policy: str, names: Iterable[str]) -> tuple[Finding, ...]:
    """Say what Exchange 2007 does to the certificate that has SMTP now.

    Args:
        policy: ``keep`` or ``replace`` of the site file.
        names: Names on the certificate that gets SMTP.
    """
    return one_smtp_refusal(state) if policy == "keep" else smtp_moves(state, policy, names)


def one_smtp_refusal(state: ServerState) -> tuple[Finding, ...]:
    """Refuse to keep the default SMTP certificate where it cannot be kept (2007)."""
    if not keeps_one_smtp_certificate(state):
        return ()
    text = (
        f"{state.name} is Exchange 2007, which keeps one certificate for SMTP: enabling the new one takes SMTP from "
        f"the default SMTP certificate {state.internal_transport_thumbprint or '(there is none)'}, and putting that "
        "one back would take SMTP from the new one"
    )
    todo = 'write default_smtp_certificate = "replace" in the site file, when that is wanted'
    return (Finding("one-smtp-certificate", Severity.REFUSE, text, todo, f"server {state.name}"),)


def smtp_moves(state: ServerState, policy: str, names: Iterable[str]) -> tuple[Finding, ...]:
    """Warn of what the move of SMTP takes away from other connectors (2007, policy ``replace``)."""
    if policy != "replace" or not keeps_one_smtp_certificate(state):
        return ()
    own = tuple(names)
    left = [
        connector.name
        for connector in state.receive_connectors
        if "Tls" in connector.auth_mechanism and not names_cover(own, connector.fqdn or state.fqdn)
    ]
    without = f"; {', '.join(left)} will have no certificate for STARTTLS then (event 12014)" if left else ""
    text = f"{state.name} is Exchange 2007: SMTP moves to the certificate for {', '.join(own)}{without}"
    todo = "check that no client needs STARTTLS there; servers reach each other by X-ANONYMOUSTLS, which goes on"
    severity = Severity.WARNING if left else Severity.INFO
    return (Finding("smtp-moves", severity, text, todo if left else "", f"server {state.name}"),)


def judge_ignored_fqdn(state: ServerState, server: Server) -> tuple[Finding, ...]:
    """Say that a Hub Transport server of 2010 with the Mailbox role sends its own name in EHLO."""
    roles = {role.strip() for role in state.role.split(",")}
    if state.version.major != 14 or not {"Mailbox", "HubTransport"} <= roles or "send" not in server.roles:
        return ()
    text = (
        f"{state.name} has the roles Mailbox and HubTransport: Exchange 2010 then introduces itself as {state.fqdn}, "
        f"whatever Fqdn a send connector has ({server.fqdn})"
    )
    return (Finding("send-fqdn-ignored", Severity.INFO, text, "", f"server {state.name}"),)
