"""Which certificate a server should show: chosen from what it has, never from what somebody remembers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from tlsrunbook.certificates.facts import names_cover
from tlsrunbook.exchange.state import ExchangeCertificate, ServerState
from tlsrunbook.site import Server, Site

#: Statuses under which Exchange uses a certificate. A CRL that cannot be reached does not make it unusable.
USABLE = frozenset({"Valid", "RevocationCheckFailure", "Unknown"})


def covers(certificate: ExchangeCertificate, names: Iterable[str]) -> bool:
    """Whether every one of these names is on the certificate."""
    return all(names_cover(certificate.names, name) for name in names)


def adequate(certificate: ExchangeCertificate, site: Site, server: Server, at: datetime) -> bool:
    """Whether a certificate is a CA's, has its key here, is valid now and carries all the server's names."""
    return (
        not certificate.pending
        and certificate.status in USABLE
        and certificate.self_signed is False
        and certificate.has_private_key is not False
        and certificate.not_before <= at < certificate.not_after
        and (certificate.key_size == 0 or certificate.key_size >= site.certificate.key_size)
        and covers(certificate, server.all_names)
    )


def due(certificate: ExchangeCertificate, site: Site, at: datetime) -> bool:
    """Whether it expires within the site's renewal time."""
    return certificate.not_after - at <= timedelta(days=site.certificate.renew_before_days)


def chosen_certificate(state: ServerState, site: Site, server: Server, at: datetime) -> ExchangeCertificate | None:
    """Give the adequate certificate that was issued last, or None."""
    fitting = [certificate for certificate in state.certificates if adequate(certificate, site, server, at)]
    return max(fitting, key=lambda certificate: (certificate.not_before, certificate.thumbprint), default=None)
