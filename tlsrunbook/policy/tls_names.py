"""TLS certificate names: ``<I>issuer<S>subject``, compared as Exchange compares them."""

from __future__ import annotations

import re

from tlsrunbook.exchange.state import ExchangeCertificate, ServerState

_NAME = re.compile(r"<i>(.*)<s>(.*)\Z", re.IGNORECASE | re.DOTALL)


def same_name(one: str, other: str) -> bool:
    """Whether two TLS certificate names mean the same; the case of the tags does not matter."""
    a, b = _NAME.match(one), _NAME.match(other)
    return a.groups() == b.groups() if a and b else one == other


def certificates_named(state: ServerState, name: str) -> tuple[ExchangeCertificate, ...]:
    """Give the certificates of that issuer and subject, the newest first."""
    found = (c for c in state.certificates if c.tls_certificate_name and same_name(c.tls_certificate_name, name))
    return tuple(sorted(found, key=lambda certificate: certificate.not_before, reverse=True))


def readable_names(state: ServerState) -> bool:
    """Whether the server told the name of every certificate: only then is a name that is not there missing."""
    return all(certificate.tls_certificate_name or certificate.pending for certificate in state.certificates)
