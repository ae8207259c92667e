"""Which certificate Exchange takes for inbound STARTTLS on a receive connector, rule by rule, from what was read.

Source: Microsoft's page on the selection of inbound STARTTLS certificates, and its note on ``TlsCertificateName``. What
the server did not tell stays unknown: where it could change the choice, the choice is unknown too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tlsrunbook.certificates.facts import names_cover
from tlsrunbook.exchange.state import ExchangeCertificate, ReceiveConnector, ServerState
from tlsrunbook.plan.chain_end import ChainEnd, chain_end, is_version_3
from tlsrunbook.policy.tls_names import same_name


@dataclass(frozen=True)
class Look:
    """One line of the trace: what Exchange asks, and what there is to see.

    Args:
        rule: ``AuthMechanism``, ``name``, ``candidate``, ``order``, ``choice``.
        seen: A sentence.
        thumbprint: Of the certificate it is about; empty when it is about none.
    """

    rule: str
    seen: str
    thumbprint: str = ""


@dataclass(frozen=True)
class Choice:
    r"""What a receive connector shows by Exchange's rules.

    Args:
        connector: ``SERVER\\Name``.
        answers: The name it answers with.
        looked_for: A TLS certificate name, or a DNS name; empty when nothing is looked for.
        picked: The certificate that is taken; None when there is none, or it cannot be told.
        offered: Whether EHLO lists STARTTLS; None when it cannot be told.
        usable: Whether the handshake can work; None when it cannot be told.
        events: What Exchange writes into the event log.
        candidates: In the order of preference.
        without_smtp: Match, and have no SMTP.
        self_signed: Whether the one that is taken signed itself.
        expired: Whether the one that is taken is outside its dates.
        trace: How it came about.
    """

    connector: str
    answers: str
    looked_for: str
    picked: ExchangeCertificate | None
    offered: bool | None
    usable: bool | None
    events: tuple[str, ...]
    candidates: tuple[ExchangeCertificate, ...]
    without_smtp: tuple[ExchangeCertificate, ...]
    trace: tuple[Look, ...]
    self_signed: bool = False
    expired: bool = False

    @property
    def thumbprint(self) -> str:
        """Of the certificate that is taken; empty when there is none."""
        return self.picked.thumbprint if self.picked else ""


def choose(state: ServerState, connector: ReceiveConnector, at: datetime, store: Sequence[bytes] = ()) -> Choice:
    r"""Choose the certificate for one receive connector.

    Args:
        state: The server.
        connector: One of its receive connectors.
        at: UTC.
        store: The certificates in ``LocalMachine\\CA``, DER: they tell a missing issuer from an untrusted root.
    """
    search = _Search(state, connector, at, tuple(store))
    if not connector.enabled:
        return search.nothing("Enabled", "the connector is disabled and takes no connection")
    if "Tls" not in connector.auth_mechanism:
        return search.nothing("AuthMechanism", "does not contain Tls: STARTTLS is not offered")
    search.note("AuthMechanism", "contains Tls")
    return search.by_certificate_name() if connector.tls_certificate_name else search.by_name()


def choices(state: ServerState, at: datetime, store: Sequence[bytes] = ()) -> tuple[Choice, ...]:
    """Choose for every receive connector of the server."""
    return tuple(choose(state, connector, at, store) for connector in state.receive_connectors)


@dataclass
class _Search:
    """A selection under way."""

    state: ServerState
    connector: ReceiveConnector
    at: datetime
    store: tuple[bytes, ...]
    trace: list[Look] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    without_smtp: list[ExchangeCertificate] = field(default_factory=list)
    looked_for: str = ""

    def note(self, rule: str, seen: str, thumbprint: str = "") -> None:
        self.trace.append(Look(rule, seen, thumbprint))

    def nothing(self, rule: str, why: str) -> Choice:
        self.note(rule, why)
        return self._choice(None, offered=False, usable=False, candidates=())

    def _installed(self) -> list[ExchangeCertificate]:
        """Newest first; Exchange sorts by the day they begin."""
        own = [c for c in self.state.certificates if not c.pending and c.has_private_key is not False]
        return sorted(own, key=lambda c: c.not_before, reverse=True)

    def by_certificate_name(self) -> Choice:
        """Take the newest of this issuer and subject, without a look at SMTP or at the dates."""
        self.looked_for = self.connector.tls_certificate_name or ""
        self.note("name", f"TlsCertificateName is set: {self.looked_for}; SMTP is not asked for")
        named = [c for c in self._installed() if same_name(c.tls_certificate_name, self.looked_for)]
        unnamed = [c for c in self._installed() if not c.tls_certificate_name]
        for one in named:
            self.note("candidate", f"has this issuer and subject, begins {one.not_before:%Y-%m-%d}", one.thumbprint)
        for one in unnamed:
            self.note("candidate", "its issuer and subject were not told", one.thumbprint)
        if len(named) > 1:
            self.note("order", "the newest first, whether it has SMTP or not")
        return self._take(_newest_first([*named, *unnamed]), unnamed, "of this issuer and subject")

    def by_name(self) -> Choice:
        """Take the best one with the name and SMTP."""
        self.looked_for = self.connector.fqdn or self.state.fqdn
        source = "the connector's Fqdn" if self.connector.fqdn else "the server's own FQDN"
        self.note("name", f"TlsCertificateName is not set; the name looked for is {source}, {self.looked_for}")
        sure, maybe = [], []
        for one in self._installed():
            if not names_cover(one.names, self.looked_for):
                continue
            if not is_version_3(one):
                self.note("candidate", "has the name, but is not X.509 version 3", one.thumbprint)
            elif one.services is None:
                maybe.append(one)
                self.note("candidate", "has the name; whether it has SMTP was not told", one.thumbprint)
            elif not one.serves_smtp:
                self.without_smtp.append(one)
                self.note("candidate", "has the name, but no SMTP: passed over", one.thumbprint)
            else:
                sure.append(one)
                self.note("candidate", f"has the name and SMTP, begins {one.not_before:%Y-%m-%d}", one.thumbprint)
        if len(sure) + len(maybe) > 1:
            self.note("order", "valid ones of a CA, then self-signed, then the rest; in each the newest first")
        return self._take(self._preferred([*sure, *maybe]), maybe, f"with SMTP for {self.looked_for}")

    def _preferred(self, found: Sequence[ExchangeCertificate]) -> list[ExchangeCertificate]:
        """Valid ones of a CA, then self-signed, then the rest; the newest first in each."""
        return sorted(_newest_first(found), key=self._rank)

    def _rank(self, certificate: ExchangeCertificate) -> int:
        end = chain_end(certificate, self.store)
        if end is ChainEnd.SELF_SIGNED:
            return 1
        return 0 if end is not ChainEnd.UNTRUSTED_ROOT and not self._expired(certificate) else 2

    def _expired(self, certificate: ExchangeCertificate) -> bool:
        return not certificate.not_before <= self.at <= certificate.not_after

    def _take(self, ordered: list[ExchangeCertificate], maybe: list[ExchangeCertificate], what: str) -> Choice:
        if not ordered:
            self.events.append("12014")
            return self.nothing(
                "choice", f"no certificate {what}: event 12014, STARTTLS is not offered, mail comes in the clear"
            )
        if ordered[0] in maybe:
            self.note("choice", "cannot be told: the server did not say enough of this one", ordered[0].thumbprint)
            return self._choice(None, offered=None, usable=None, candidates=tuple(ordered))
        return self._show(ordered[0], tuple(ordered))

    def _show(self, one: ExchangeCertificate, ordered: tuple[ExchangeCertificate, ...]) -> Choice:
        end = chain_end(one, self.store)
        if end is ChainEnd.UNTRUSTED_ROOT:
            self.note("choice", f"{end.value}: STARTTLS is not offered", one.thumbprint)
            return self._choice(None, offered=False, usable=False, candidates=ordered)
        if self._expired(one):
            self.events.append("12016")
            text = "is outside its dates: event 12016, and STARTTLS is offered all the same"
            self.note("choice", text, one.thumbprint)
        if end is ChainEnd.PARTIAL:
            self.note("choice", f"{end.value}: the chain is sent incomplete", one.thumbprint)
        if one.services is None:
            self.note("choice", "whether it has SMTP was not told; without it TLS fails", one.thumbprint)
        elif not one.serves_smtp:
            self.without_smtp.append(one)
            self.note("choice", "has no SMTP: transport cannot use its key, and TLS fails", one.thumbprint)
        self.note("choice", "is shown", one.thumbprint)
        usable = None if one.services is None else one.serves_smtp
        offered = None if end is ChainEnd.UNTOLD else True
        return self._choice(one, offered=offered, usable=usable, candidates=ordered)

    def _choice(
        self,
        picked: ExchangeCertificate | None,
        *,
        offered: bool | None,
        usable: bool | None,
        candidates: tuple[ExchangeCertificate, ...],
    ) -> Choice:
        return Choice(
            connector=self.connector.identity,
            answers=self.connector.fqdn or self.state.fqdn,
            looked_for=self.looked_for,
            picked=picked,
            offered=offered,
            usable=usable,
            events=tuple(self.events),
            candidates=candidates,
            without_smtp=tuple(self.without_smtp),
            trace=tuple(self.trace),
            self_signed=picked is not None and chain_end(picked, self.store) is ChainEnd.SELF_SIGNED,
            expired=picked is not None and self._expired(picked),
        )


def _newest_first(found: Iterable[ExchangeCertificate]) -> list[ExchangeCertificate]:
    return sorted(found, key=lambda certificate: certificate.not_before, reverse=True)


def trace_rows(found: Iterable[Choice]) -> list[dict[str, str]]:
    """Give the traces as rows of one table; the connector stands in its first row only."""
    rows = []
    for choice in found:
        name = choice.connector
        for look in choice.trace:
            row = {"receive connector": name, "asked": look.rule, "certificate": look.thumbprint, "seen": look.seen}
            rows.append(row)
            name = ""
    return rows
