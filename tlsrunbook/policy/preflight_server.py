"""Rules about Edge Transport servers."""

from __future__ import annotations

from collections.abc import Iterator

from tlsrunbook.policy.preflight_case import Case, Rule

_BLOCKED = tuple(
    f"{verb}-{noun}"
    for noun in ("SendConnector", "AcceptedDomain", "RemoteDomain")
    for verb in ("New", "Set", "Remove")
)


def _subscribed_blocked(case: Case) -> Iterator[str]:
    if case.state.is_edge and case.state.edge_subscribed:
        yield f"{case.command.name} does not run on {case.state.name}: it is subscribed and gets these by EdgeSync"


def _no_domaincontroller(case: Case) -> Iterator[str]:
    if case.state.is_edge and case.gives("DomainController"):
        yield f"{case.state.name} is an Edge server, which has no domain controller to ask"


def _no_transportrole(case: Case) -> Iterator[str]:
    if case.state.is_edge and case.gives("TransportRole"):
        yield f"{case.state.name} is an Edge server, whose receive connectors have no transport role"


def _sourceservers(case: Case) -> Iterator[str]:
    if case.state.is_edge and case.gives("SourceTransportServers"):
        yield f"{case.state.name} is an Edge server and its own only source"


SERVER_RULES = (
    Rule(
        "edge-subscribed-blocked",
        "On a subscribed Edge server send connectors, accepted and remote domains are not changed.",
        "change them on a Mailbox server and start EdgeSync; the site file's send_through names the one that does it",
        _BLOCKED,
        _subscribed_blocked,
    ),
    Rule(
        "edge-no-domaincontroller",
        "No command on an Edge server names a domain controller.",
        "leave DomainController out",
        ("*",),
        _no_domaincontroller,
    ),
    Rule(
        "edge-no-transportrole",
        "A receive connector on an Edge server has no transport role.",
        "leave TransportRole out",
        ("New-ReceiveConnector", "Set-ReceiveConnector"),
        _no_transportrole,
    ),
    Rule(
        "sc-sourceservers-edge",
        "A send connector made on an Edge server names no source servers.",
        "leave SourceTransportServers out",
        ("New-SendConnector", "Set-SendConnector"),
        _sourceservers,
    ),
)
