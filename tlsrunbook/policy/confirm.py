"""Does the name on the certificate match what the connectors answer with?"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tlsrunbook.certificates.facts import names_cover
from tlsrunbook.exchange.state import ReceiveConnector, SendConnector, ServerState
from tlsrunbook.plan.internet_connector import internet_connector, wants_internet_connector
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.policy.old_exchange import can_be_proposed, judge_ignored_fqdn, judge_internet_connector, proposal
from tlsrunbook.policy.tls_names import certificates_named, readable_names
from tlsrunbook.site import Server

_DNS_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\Z")

RULES = {
    "another-server": "The server that answers is the one the site file means",
    "no-receive-connector": "A server that receives from the Internet has a receive connector that does",
    "unknown-receive-connector": "Every receive connector the site file names exists on the server",
    "no-tls-on-connector": "An Internet-facing receive connector has Tls among its authentication mechanisms",
    "fqdn-differs": "The name a receive connector answers with is on the certificate",
    "fqdn-fixed": "ExchangeServer authentication fixes a receive connector's Fqdn; the TLS certificate name is used",
    "fqdn-fixed-no-certificate-name": "On 2007 and 2010 a connector whose Fqdn is fixed cannot show a public name",
    "rc-fqdn-chars": "No receive connector's Fqdn has a character that DNS does not allow",
    "stale-certificate-name": "A TLS certificate name names a certificate that the server has",
    "sender-fqdn-differs": "The name a send connector introduces itself with is on the certificate",
    "dns-no-address": "The FQDN has an address in DNS",
    "dns-other-address": "The FQDN's addresses are those of the endpoints",
    "dns-silent": "DNS answers",
}


def confirm_connectors(state: ServerState, server: Server, has_certificate_name: bool) -> tuple[Finding, ...]:
    """Compare the site file's names with the connectors.

    Args:
        has_certificate_name: Whether this Exchange knows ``TlsCertificateName`` (2013 and later).
    """
    findings = [finding for connector in state.receive_connectors for finding in _characters(connector)]
    if "receive" in server.roles:
        findings += _receive(state, server, has_certificate_name)
        findings += judge_internet_connector(state, server)
    if "send" in server.roles:
        own = [connector for connector in state.send_connectors if _sends_from(connector, state)]
        findings += [f for connector in own for f in _send(connector, server)]
        findings += judge_ignored_fqdn(state, server)
    return tuple(findings)


def confirm_server(state: ServerState, server: Server) -> tuple[Finding, ...]:
    """Refuse when another server answers at the site file's address; every step asks this."""
    if state.name.upper() == server.name.upper():
        return ()
    return (
        Finding(
            "another-server",
            Severity.REFUSE,
            f"the server at {server.address} calls itself {state.name}, and the site file means {server.name}",
            "correct name or address in the site file",
            f"server {server.name}",
        ),
    )


def concerned(state: ServerState, server: Server) -> tuple[ReceiveConnector, ...]:
    """Give the receive connectors the site file is about: those it names, else those that face the Internet.

    Where the site file asks for a separate Internet connector (2007 and 2010), that one is the one that faces it.
    """
    own = internet_connector(state, server) if wants_internet_connector(state, server) else None
    if not server.receive_connectors and wants_internet_connector(state, server):
        return (own,) if own else ()
    if not server.receive_connectors:
        return tuple(connector for connector in state.receive_connectors if connector.internet_facing)
    wanted = {name.lower() for name in server.receive_connectors}
    return tuple(
        connector
        for connector in state.receive_connectors
        if connector.name.lower() in wanted or connector.identity.lower() in wanted or connector == own
    )


def answering_names(state: ServerState, server: Server) -> tuple[str, ...]:
    """Give the names that may answer at the endpoints now.

    While the separate Internet connector is not there yet, some other connector takes its mail.
    """
    waits = wants_internet_connector(state, server) and internet_connector(state, server) is None
    connectors = state.receive_connectors if waits else concerned(state, server)
    return tuple(connector.fqdn or state.fqdn for connector in connectors)


def _receive(state: ServerState, server: Server, has_certificate_name: bool) -> Iterable[Finding]:
    connectors = concerned(state, server)
    known = {text.lower() for c in state.receive_connectors for text in (c.name, c.identity)}
    for name in server.receive_connectors:
        if name.lower() not in known:
            names = ", ".join(connector.name for connector in state.receive_connectors)
            yield Finding(
                "unknown-receive-connector",
                Severity.REFUSE,
                f"{state.name} has no receive connector {name!r}; it has {names}",
                "correct receive_connectors in the site file",
                f"receive connector {name}",
            )
    if not connectors and not server.receive_connectors and not wants_internet_connector(state, server):
        todo = "name the connector with receive_connectors in the site file, or take 'receive' out of its roles"
        yield Finding(
            "no-receive-connector",
            Severity.REFUSE,
            f"{state.name} has no receive connector that takes anonymous mail on port 25 with TLS",
            f"{todo}; or {proposal(state, server)}" if can_be_proposed(state, server) else todo,
            f"server {state.name}",
        )
    for connector in connectors:
        yield from _answers_with(connector, state, server, has_certificate_name)
        yield from _names_certificate(connector, state)


def _answers_with(
    connector: ReceiveConnector, state: ServerState, server: Server, has_certificate_name: bool
) -> Iterable[Finding]:
    target = f"receive connector {connector.identity}"
    answer = connector.fqdn or state.fqdn
    if "Tls" not in connector.auth_mechanism:
        yield Finding(
            "no-tls-on-connector",
            Severity.REFUSE,
            f"{connector.identity} has no Tls in its AuthMechanism, so it never offers STARTTLS",
            "add Tls to its authentication mechanisms",
            target,
        )
    if names_cover(server.all_names, answer):
        return
    if "ExchangeServer" in connector.auth_mechanism and not state.is_edge:
        yield _fixed(connector, answer, state, server, has_certificate_name)
        return
    yield Finding(
        "fqdn-differs",
        Severity.REFUSE,
        f"{connector.identity} answers with {answer}, and the certificate will carry {', '.join(server.all_names)}",
        f"set the connector's Fqdn to {server.fqdn}, or correct fqdn or names in the site file",
        target,
    )


def _fixed(
    connector: ReceiveConnector, answer: str, state: ServerState, server: Server, has_certificate_name: bool
) -> Finding:
    because = (
        f"{connector.identity} answers with {answer}; rule rc-fqdn-exchangeserver: a connector with ExchangeServer "
        "authentication may only answer with the server's own name"
    )
    target = f"receive connector {connector.identity}"
    if has_certificate_name:
        text = f"{because}. Its Fqdn stays; its TLS certificate name will name the certificate for {server.fqdn}"
        return Finding("fqdn-fixed", Severity.INFO, text, "", target)
    return Finding(
        "fqdn-fixed-no-certificate-name",
        Severity.REFUSE,
        f"{because}, and this Exchange has no TlsCertificateName",
        proposal(state, server),
        target,
    )


def _names_certificate(connector: ReceiveConnector, state: ServerState) -> Iterable[Finding]:
    name = connector.tls_certificate_name
    if name and readable_names(state) and not certificates_named(state, name):
        yield Finding(
            "stale-certificate-name",
            Severity.WARNING,
            f"{connector.identity} names {name}, and {state.name} has no such certificate (event 12014)",
            "the step activate sets it anew",
            f"receive connector {connector.identity}",
        )


def _characters(connector: ReceiveConnector) -> Iterable[Finding]:
    if connector.fqdn and not _DNS_NAME.match(connector.fqdn):
        yield Finding(
            "rc-fqdn-chars",
            Severity.REFUSE,
            f"{connector.identity} answers with {connector.fqdn!r}, which DNS does not allow: enabling SMTP would fail "
            "with 0xe0434352",
            "correct the connector's Fqdn (letters, digits, hyphens and dots)",
            f"receive connector {connector.identity}",
        )


def _sends_from(connector: SendConnector, state: ServerState) -> bool:
    """Whether a send connector uses this server: the others of the organisation are no matter of its certificate."""
    # An Edge Transport server tells no source servers: all its connectors are its own.
    sources = connector.source_transport_servers
    return not sources or state.name.upper() in (name.upper() for name in sources)


def _send(connector: SendConnector, server: Server) -> Iterable[Finding]:
    internet = any(space.domain == "*" for space in connector.address_spaces)
    if connector.enabled and internet and connector.fqdn and not names_cover(server.all_names, connector.fqdn):
        yield Finding(
            "sender-fqdn-differs",
            Severity.WARNING,
            f"send connector {connector.name} introduces itself as {connector.fqdn}, which is not on the certificate",
            "the step connectors makes its own three; decide whether this one is still wanted",
            f"send connector {connector.name}",
        )


def confirm_dns(
    server: Server, addresses: tuple[str, ...] | None, endpoints: dict[str, tuple[str, ...]]
) -> tuple[Finding, ...]:
    """Compare the FQDN's addresses with those of the endpoints; never a refusal, as DNS looks different from inside.

    Args:
        addresses: Of the FQDN; None when DNS did not answer.
        endpoints: Addresses of each endpoint's host; empty when it has none or DNS did not answer.
    """
    target = f"FQDN {server.fqdn}"
    if addresses is None:
        return (Finding("dns-silent", Severity.INFO, f"DNS did not answer for {server.fqdn}", "", target),)
    if not addresses:
        text = f"{server.fqdn} has no address in the DNS seen from here"
        return (Finding("dns-no-address", Severity.WARNING, text, "publish it before partners look it up", target),)
    elsewhere = [name for name, found in endpoints.items() if found and not set(found) & set(addresses)]
    if not elsewhere:
        return ()
    text = f"{server.fqdn} is {', '.join(addresses)}, which is none of {', '.join(elsewhere)}"
    return (Finding("dns-other-address", Severity.WARNING, text, "check endpoints in the site file", target),)
