"""Certificates that the server did not say enough of: what is unknown is not taken for empty."""

from __future__ import annotations

from tlsrunbook.certificates.facts import names_cover
from tlsrunbook.exchange.state import ExchangeCertificate, ServerState
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.site import Server

RULES = {"certificate-untold": "The server tells the services and the TLS certificate name of every certificate"}

#: The first version whose connectors hold a TLS certificate name (2013).
_NAMES_SINCE = 15


def untold(state: ServerState, server: Server) -> tuple[ExchangeCertificate, ...]:
    """Give the certificates for the server's FQDN of which the server told too little to decide anything."""
    return tuple(
        certificate
        for certificate in state.certificates
        if not certificate.pending
        and names_cover(certificate.names, server.fqdn)
        and (
            certificate.services is None
            or (state.version.major >= _NAMES_SINCE and not certificate.tls_certificate_name)
        )
    )


def untold_findings(state: ServerState, server: Server, severity: Severity) -> tuple[Finding, ...]:
    """Say so.

    Args:
        severity: ``refuse`` where a change would have to assume something.
    """
    return tuple(
        Finding(
            "certificate-untold",
            severity,
            f"{state.name} gave {certificate.thumbprint} as raw data: whether it has SMTP, or is a pending request, is "
            "unknown, and unknown is not taken for no",
            "the server's Exchange types did not load it; see that the Auth certificate is valid "
            "(Get-AuthConfig, serialised data signing), then run the step again",
            f"certificate {certificate.thumbprint}",
        )
        for certificate in untold(state, server)
    )
