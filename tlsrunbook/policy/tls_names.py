"""TLS certificate names: ``<I>issuer<S>subject``, compared as Exchange compares them."""

from __future__ import annotations

import re

from tlsrunbook.exchange.state import ExchangeCertificate, ServerState

_NAME = re.compile(r"<i>(.*)<s>(.*)\Z", re.IGNORECASE | re.DOTALL)
_COMMON_NAME = re.compile(r'(?:^|[,+]\s*)CN=("[^"]*"|[^,+]*)', re.IGNORECASE)


def same_name(one: str, other: str) -> bool:
    """Whether two TLS certificate names mean the same; case does not matter, nor do spaces around the parts."""
    return bool(one) and bool(other) and _parts(one) == _parts(other)


def _parts(name: str) -> tuple[str, ...]:
    match = _NAME.match(name)
    parts = match.groups() if match else (name,)
    return tuple(part.strip().casefold() for part in parts)


def common_name_in(name: str) -> str:
    """Give the common name in the subject of a TLS certificate name, lower case; empty when there is none."""
    match = _NAME.match(name)
    found = _COMMON_NAME.search(match.group(2)) if match else None
    return found.group(1).strip().strip('"').lower() if found else ""


def certificates_named(state: ServerState, name: str) -> tuple[ExchangeCertificate, ...]:
    """Give the certificates of that issuer and subject, the newest first."""
    found = (c for c in state.certificates if c.tls_certificate_name and same_name(c.tls_certificate_name, name))
    return tuple(sorted(found, key=lambda certificate: certificate.not_before, reverse=True))


def readable_names(state: ServerState) -> bool:
    """Whether the server told the name of every certificate: only then is a name that is not there missing."""
    return all(certificate.tls_certificate_name or certificate.pending for certificate in state.certificates)
