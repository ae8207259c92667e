"""Connectors that name a certificate which is replaced or gone: what that means, and which are left behind."""

from __future__ import annotations

from collections.abc import Iterable

from tlsrunbook.exchange.state import ReceiveConnector, SendConnector, ServerState
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.policy.tls_names import certificates_named

RULES = {
    "certificate-name-outdated": "A connector names the certificate that is in use, by its present issuer and subject",
    "certificate-name-dangling": "A TLS certificate name of a connector is borne by a certificate of the server",
    "connector-left-behind": "No connector names a certificate that was replaced",
    "sends-from-others-too": "A send connector's certificate is on every server it sends from",
}


def label_of(connector: ReceiveConnector | SendConnector) -> str:
    """Name a connector with its kind."""
    if isinstance(connector, SendConnector):
        return f"send connector {connector.name}"
    return f"receive connector {connector.identity}"


def outdated_findings(
    state: ServerState, connectors: Iterable[ReceiveConnector | SendConnector]
) -> tuple[Finding, ...]:
    """Say why connectors are set anew: the name they hold is not the certificate's any more."""
    return tuple(finding for connector in connectors for finding in _outdated(state, connector))


def _outdated(state: ServerState, connector: ReceiveConnector | SendConnector) -> Iterable[Finding]:
    name, label = connector.tls_certificate_name or "", label_of(connector)
    if certificates_named(state, name):
        text = f"{label} names {name}, the certificate before; once that is gone, {_effect(connector)}"
    else:
        text = f"{label} names {name}, which no certificate of {state.name} bears any more: {_effect(connector)}"
    yield Finding("certificate-name-outdated", Severity.INFO, text, "", label)
    if isinstance(connector, SendConnector):
        others = [name for name in connector.source_transport_servers if name.upper() != state.name.upper()]
        if others:
            yield Finding(
                "sends-from-others-too",
                Severity.WARNING,
                f"{label} sends from {', '.join(others)} too, where mail queues (454 4.7.5) until a certificate of the "
                "new issuer and subject is installed",
                f"run the change on {', '.join(others)} as well, or give each server a send connector of its own",
                label,
            )


def _effect(connector: ReceiveConnector | SendConnector) -> str:
    if isinstance(connector, SendConnector):
        return "mail queues with 454 4.7.5, as Exchange falls back to no other certificate"
    return "Exchange finds no certificate (event 12014) and offers no STARTTLS"


def left_behind(state: ServerState, connectors: Iterable[ReceiveConnector | SendConnector]) -> tuple[Finding, ...]:
    """Name the connectors that still hold an outdated name when all should be done."""
    return tuple(
        Finding(
            "connector-left-behind",
            Severity.ERROR,
            finding.message,
            "run the step connectors" if isinstance(connector, SendConnector) else "run the step activate",
            finding.target,
        )
        for connector in connectors
        for finding in _outdated(state, connector)
        if finding.rule == "certificate-name-outdated"
    )


def dangling_findings(
    state: ServerState, connectors: Iterable[ReceiveConnector | SendConnector], names: Iterable[str]
) -> tuple[Finding, ...]:
    """Name the connectors whose certificate is gone and was for other names: they are left alone."""
    gone = set(names)
    return tuple(
        Finding(
            "certificate-name-dangling",
            Severity.WARNING,
            f"{label_of(connector)} names {connector.tls_certificate_name}, which no certificate of {state.name} bears "
            f"and which was not for these names: {_effect(connector)}",
            "install the certificate it means, or correct its TlsCertificateName; it is left alone here",
            label_of(connector),
        )
        for connector in connectors
        if connector.tls_certificate_name in gone
    )
