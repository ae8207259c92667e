"""All certificates a server is known to have, what uses them, and the requests that wait for an answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tlsrunbook.certificates.csr import Csr, read_csr
from tlsrunbook.errors import BadCertificateFile
from tlsrunbook.evidence.fleet_connectors import naming_connectors
from tlsrunbook.evidence.fleet_model import Held, OnRecord, OpenRequest, Where
from tlsrunbook.evidence.record import Record
from tlsrunbook.exchange.state import ExchangeCertificate
from tlsrunbook.plan.target import chosen_certificate
from tlsrunbook.policy.certificate_rules import lifetime_limit
from tlsrunbook.policy.followers import label_of
from tlsrunbook.policy.tls_names import certificates_named
from tlsrunbook.site import FolderAuthoritySettings, Server, Site

_COMMON_NAME = re.compile(r'(?:^|[,+]\s*)CN=("[^"]*"|[^,+]*)', re.IGNORECASE)


def held_certificates(site: Site, server: Server, found: OnRecord, at: datetime) -> tuple[Held, ...]:
    """Give all certificates that are known of a server: those in use for its FQDN first, then by their end.

    What is on the wire and what is chosen by what is installed may differ: until it is verified, both are in use.
    """
    rows = shown_rows(found.verify)
    uses = _uses(site, server, found, at)
    listed = found.state.certificates if found.state else ()
    held = [_listed(one, rows, uses) for one in listed]
    known = {one.thumbprint for one in listed}
    strange = {thumbprint: row for thumbprint, row in rows.items() if thumbprint not in known}
    held += [_presented(found, thumbprint, row, uses) for thumbprint, row in strange.items()]
    return tuple(sorted(held, key=_order))


def _order(one: Held) -> tuple[bool, bool, str, str]:
    return not one.for_fqdn, not one.uses, str(one.ends or "~"), one.thumbprint


def shown_rows(verify: Record | None) -> dict[str, Mapping[str, Any]]:
    """Give by thumbprint what a verification was shown."""
    rows = verify.facts.get("endpoints", ()) if verify else ()
    return {str(row["thumbprint"]): row for row in rows if row.get("thumbprint")}


def _uses(site: Site, server: Server, found: OnRecord, at: datetime) -> dict[str, list[tuple[str, bool]]]:
    """Give by thumbprint what a certificate is used for, and whether that is the server's FQDN."""
    uses: dict[str, list[tuple[str, bool]]] = {}

    def note(thumbprint: str, text: str, *, for_fqdn: bool = False) -> None:
        uses.setdefault(thumbprint, []).append((text, for_fqdn))

    rows = found.verify.facts.get("endpoints", ()) if found.verify else ()
    for row in rows:
        if row.get("thumbprint"):
            note(str(row["thumbprint"]), f"on the wire at {row.get('endpoint', '')}", for_fqdn=True)
    state = found.state
    if state is None:
        return uses
    chosen = chosen_certificate(state, site, server, at)
    if chosen:
        note(chosen.thumbprint, f"the newest for {server.fqdn}", for_fqdn=True)
    if state.internal_transport_thumbprint:
        note(state.internal_transport_thumbprint, "default SMTP certificate")
    for connector in naming_connectors(state):
        for one in certificates_named(state, connector.tls_certificate_name or "")[:1]:
            note(one.thumbprint, f"named by {label_of(connector)}")
    return uses


def _listed(
    one: ExchangeCertificate, rows: Mapping[str, Mapping[str, Any]], uses: Mapping[str, list[tuple[str, bool]]]
) -> Held:
    own = uses.get(one.thumbprint, [])
    where = Where.PENDING if one.pending else Where.ON_WIRE if one.thumbprint in rows else Where.INSTALLED
    return Held(
        where=where,
        thumbprint=one.thumbprint,
        title=next(iter(one.names), "") or one.subject or one.thumbprint,
        issuer="" if one.pending else common_name(one.issuer),
        begins=one.not_before,
        ends=None if one.pending else one.not_after,
        self_signed=one.self_signed,
        uses=tuple(dict.fromkeys(text for text, _ in own)),
        for_fqdn=any(for_fqdn for _, for_fqdn in own),
        limit=None if one.pending or one.self_signed else lifetime_limit(one.not_before),
    )


def _presented(
    found: OnRecord, thumbprint: str, row: Mapping[str, Any], uses: Mapping[str, list[tuple[str, bool]]]
) -> Held:
    """Give a certificate that was on the wire and is not listed by the server: gone since, or another device's."""
    facts = next((one for one in found.presented if one.thumbprint == thumbprint), None)
    return Held(
        where=Where.ON_WIRE,
        thumbprint=thumbprint,
        title=facts.title if facts else thumbprint,
        issuer=common_name(str(row.get("issuer", ""))),
        begins=facts.not_before if facts else None,
        ends=moment(row.get("valid until")),
        self_signed=facts.self_signed if facts else None,
        uses=tuple(dict.fromkeys(text for text, _ in uses.get(thumbprint, ()))),
        for_fqdn=True,
        limit=lifetime_limit(facts.not_before) if facts and not facts.self_signed else None,
    )


def common_name(subject: str) -> str:
    """Give the common name of a subject or issuer, as it is spelled there; all of it when it has none."""
    found = _COMMON_NAME.search(subject)
    return found.group(1).strip().strip('"') if found else subject


def open_requests(site: Site, found: OnRecord) -> tuple[OpenRequest, ...]:
    """Give the requests that waited on a server when it was read last, the one that waits longest first."""
    pending = [one for one in found.state.certificates if one.pending] if found.state else []
    return tuple(sorted((_request(site, found, one) for one in pending), key=lambda request: request.since))


def _request(site: Site, found: OnRecord, one: ExchangeCertificate) -> OpenRequest:
    csr = csr_of(one)
    key = csr.spki_sha256 if csr else ""
    # A server that gives no CSR has one request of ours at a time: what was handed over last is meant.
    mine = [sent for sent in found.submissions if not key or sent.key == key]
    sent = min(mine, key=lambda sent: sent.at) if key and mine else next(iter(mine[-1:]), None)
    return OpenRequest(
        names=(csr.asked_names if csr else one.names) or (one.subject,),
        key=key or (sent.key if sent else ""),
        made=one.not_before,
        submitted=sent.at if sent else None,
        authority=authority_name(site),
        receipt=sent.receipt if sent else "",
        change=sent.change if sent else found.change,
    )


def csr_of(one: ExchangeCertificate) -> Csr | None:
    """Read the CSR of a pending request; None when the server does not give one that can be read."""
    try:
        return read_csr(one.request) if one.request else None
    except BadCertificateFile:
        return None


def authority_name(site: Site) -> str:
    """Give what people call the site's authority."""
    settings = site.authority
    if isinstance(settings, FolderAuthoritySettings):
        return f"folder {settings.outbox.name}"
    return "the lab's CA"


def moment(text: object) -> datetime | None:
    """Read a time of a record; None when it is none."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else None
