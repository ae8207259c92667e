"""Which certificate Exchange shows for inbound STARTTLS, rule by rule."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509

from tlsrunbook.lab.exchange.directory import Connector
from tlsrunbook.lab.exchange.inbound import InboundTls
from tlsrunbook.lab.exchange.names import name_matches, same_identifier
from tlsrunbook.lab.exchange.stores import CertificateStores, ChainEnd, StoredCertificate, der_of


def ehlo_name(connector: Connector, server_fqdn: str) -> str:
    """Give the name a receive connector answers with."""
    return str(connector.get("Fqdn") or server_fqdn)


@dataclass
class _Choice:
    """A selection under way."""

    stores: CertificateStores
    now: datetime
    connector: Connector
    trace: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)

    def nothing(self, why: str) -> InboundTls:
        self.trace.append(f"{why}: STARTTLS is not offered")
        return self._result(None)

    def _result(self, entry: StoredCertificate | None, *, usable: bool = True) -> InboundTls:
        chain = self.stores.chain(entry.certificate).intermediates if entry else ()
        return InboundTls(
            certificate=entry.certificate if entry else None,
            key=entry.key if entry else None,
            chain_der=tuple(der_of(one) for one in chain),
            usable=usable,
            events=tuple(self.events),
            trace=tuple(self.trace),
            connector=self.connector.identity,
        )

    def show(self, entry: StoredCertificate) -> InboundTls:
        """Offer this one, with what is wrong with it."""
        if self.stores.chain(entry.certificate).end is ChainEnd.UNTRUSTED_ROOT:
            return self.nothing(f"{entry.thumbprint} {ChainEnd.UNTRUSTED_ROOT.value}")
        if entry.expired(self.now):
            self.events.append("12016")
            self.trace.append(
                f"{entry.thumbprint} is outside its dates: event 12016, and STARTTLS is offered all the same"
            )
        if self.stores.chain(entry.certificate).end is ChainEnd.PARTIAL:
            self.trace.append(f"{entry.thumbprint}: {ChainEnd.PARTIAL.value}, so the chain is sent incomplete")
        usable = "SMTP" in entry.services or entry.network_service
        if not usable:
            self.trace.append(f"{entry.thumbprint} has no SMTP: the transport service cannot use its key, TLS fails")
        self.trace.append(f"{entry.thumbprint} is shown")
        return self._result(entry, usable=usable)


def choose(stores: CertificateStores, connector: Connector, server_fqdn: str, now: datetime) -> InboundTls:
    """Choose the certificate for one receive connector.

    Args:
        stores: The server's certificate stores.
        connector: The receive connector that took the connection.
        server_fqdn: Used when the connector has no Fqdn.
        now: UTC.
    """
    choice = _Choice(stores, now, connector)
    if not connector.has_auth("Tls"):
        return choice.nothing("AuthMechanism does not contain Tls")
    identifier = connector.get("TlsCertificateName")
    if identifier:
        return _by_identifier(choice, identifier)
    return _by_name(choice, ehlo_name(connector, server_fqdn))


def _by_identifier(choice: _Choice, identifier: str) -> InboundTls:
    """Take the newest of this issuer and subject, without a look at SMTP or at the dates."""
    choice.trace.append(f"TlsCertificateName is {identifier}")
    found = [
        entry
        for entry in choice.stores.my.values()
        if entry.key is not None and same_identifier(entry.tls_certificate_name, identifier)
    ]
    for entry in _newest_first(found):
        choice.trace.append(f"candidate {entry.thumbprint}, from {entry.certificate.not_valid_before_utc:%Y-%m-%d}")
    if not found:
        choice.events.append("12014")
        return choice.nothing("no certificate with a private key has this issuer and subject, event 12014")
    return choice.show(_newest_first(found)[0])


def _by_name(choice: _Choice, name: str) -> InboundTls:
    choice.trace.append(f"TlsCertificateName is not set; the name looked for is {name}")
    found = []
    for entry in _newest_first(choice.stores.my.values()):
        if not any(name_matches(own, name) for own in entry.names):
            continue
        lacks = _lacks(entry)
        choice.trace.append(f"{entry.thumbprint} has the name" + (f", but {lacks}" if lacks else ""))
        if not lacks:
            found.append(entry)
    if not found:
        choice.events.append("12014")
        return choice.nothing(f"no certificate for {name}, event 12014")
    return choice.show(preferred_first(choice.stores, found, choice.now)[0])


def _lacks(entry: StoredCertificate) -> str:
    """Say what keeps an entry from being a candidate, empty when nothing does."""
    if entry.key is None:
        return "its private key is not here"
    if entry.certificate.version is not x509.Version.v3:
        return "it is not X.509 version 3"
    return "" if "SMTP" in entry.services else "it has no SMTP"


def preferred_first(
    stores: CertificateStores, entries: Iterable[StoredCertificate], now: datetime
) -> list[StoredCertificate]:
    """Sort as Exchange prefers: valid ones of a CA, then self-signed, then the rest; the newest first in each."""

    def rank(entry: StoredCertificate) -> int:
        end = stores.chain(entry.certificate).end
        if end in (ChainEnd.TRUSTED, ChainEnd.PARTIAL) and not entry.expired(now):
            return 0
        return 1 if end is ChainEnd.SELF_SIGNED else 2

    return sorted(_newest_first(entries), key=rank)


def _newest_first(entries: Iterable[StoredCertificate]) -> list[StoredCertificate]:
    return sorted(entries, key=lambda entry: entry.certificate.not_valid_before_utc, reverse=True)
