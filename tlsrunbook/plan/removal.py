"""Taking certificates and intermediates away again, where Exchange allows it and nothing depends on them."""

from __future__ import annotations

from dataclasses import dataclass

from tlsrunbook.certificates.facts import certificate_facts
from tlsrunbook.exchange import cmdlets
from tlsrunbook.exchange.state import ExchangeCertificate, ReceiveConnector, SendConnector, ServerState
from tlsrunbook.exchange.version import Target
from tlsrunbook.plan.goback import Ground, Part, Stays
from tlsrunbook.plan.journal import Entry
from tlsrunbook.plan.model import Change, Irreversible, PlanItem, Reverse
from tlsrunbook.plan.things import CERTIFICATE, INTERMEDIATE, RECEIVE, SEND, Thing
from tlsrunbook.policy.tls_names import certificates_named, same_name

_NAME = "TlsCertificateName"


@dataclass(frozen=True)
class Outlook:
    """The server as it will be when connectors and the default SMTP certificate are back.

    Args:
        names: TLS certificate name of each connector that stays, by thing.
        default: The default SMTP certificate.
    """

    names: dict[Thing, str]
    default: str


def outlook(ground: Ground, default: str) -> Outlook:
    """Give what connectors will name.

    Args:
        default: Thumbprint of the default SMTP certificate then.
    """
    touched: dict[Thing, Entry] = {entry.thing: entry for entry in ground.entries}
    names = {}
    connectors: list[tuple[Thing, SendConnector | ReceiveConnector]] = [
        *((Thing(SEND, one.name), one) for one in ground.present.send_connectors),
        *((Thing(RECEIVE, one.identity), one) for one in ground.present.receive_connectors),
    ]
    for thing, connector in connectors:
        entry = touched.get(thing)
        if entry is None or entry.existed:
            now = connector.tls_certificate_name or ""
            names[thing] = str(entry.back.get(_NAME, now) or "") if entry else now
    return Outlook(names, default)


def certificates_back(ground: Ground, future: Outlook) -> Part:
    """Give the removal of the certificates that the change imported, each after what names it has let go of it."""
    items: list[PlanItem] = []
    stays: list[Stays] = []
    removed: set[str] = set()
    for thumbprint in ground.made(CERTIFICATE):
        certificate = ground.present.certificate(thumbprint)
        if certificate is None:
            continue
        kept = tuple(c for c in ground.present.certificates if c.thumbprint not in {*removed, thumbprint})
        reason = _needed(ground, future, certificate, kept)
        if reason:
            stays.append(Stays(f"{CERTIFICATE} {thumbprint}", Irreversible(reason)))
            continue
        removed.add(thumbprint)
        items += _removal(ground, future, certificate)
    return items, stays


def _needed(
    ground: Ground, future: Outlook, certificate: ExchangeCertificate, kept: tuple[ExchangeCertificate, ...]
) -> str:
    """Say why a certificate has to stay; empty when it can go."""
    if certificate.thumbprint == future.default:
        return "it stays the default SMTP certificate, which Exchange does not remove"
    named = [thing for thing, name in future.names.items() if _is(name, certificate)]
    if not any(_is(certificate.tls_certificate_name, one) for one in kept if not one.pending):
        dangling = [thing for thing in named if not _dangled_before(ground.first, thing, certificate)]
        if dangling:
            return f"{', '.join(map(str, dangling))} names it and would offer no TLS without it"
    foreign = [thing for thing in named if thing.kind == SEND and not _ours_to_clear(ground, thing)]
    if foreign:
        return f"{', '.join(map(str, foreign))} names it, and Exchange removes no certificate that one names"
    return ""


def _is(name: str, certificate: ExchangeCertificate) -> bool:
    return bool(name and certificate.tls_certificate_name) and same_name(name, certificate.tls_certificate_name)


def _dangled_before(first: ServerState, thing: Thing, certificate: ExchangeCertificate) -> bool:
    """Whether the connector named this issuer and subject before the change when no certificate had them."""
    former = {Thing(SEND, c.name): c.tls_certificate_name for c in first.send_connectors}
    former |= {Thing(RECEIVE, c.identity): c.tls_certificate_name for c in first.receive_connectors}
    named = _is(former.get(thing) or "", certificate)
    return named and not certificates_named(first, certificate.tls_certificate_name)


def _ours_to_clear(ground: Ground, thing: Thing) -> bool:
    if ground.present.is_edge:
        return not ground.present.edge_subscribed
    connector = next(c for c in ground.present.send_connectors if Thing(SEND, c.name) == thing)
    return ground.present.name in connector.source_transport_servers


def _removal(ground: Ground, future: Outlook, certificate: ExchangeCertificate) -> list[PlanItem]:
    named = [(thing, name) for thing, name in future.names.items() if thing.kind == SEND and _is(name, certificate)]
    target = f"{CERTIFICATE} {certificate.thumbprint}"
    remove = PlanItem(
        "The change brought this certificate; what was used before it is used again",
        (cmdlets.remove_certificate(ground.target, certificate.thumbprint),),
        (Change(target, "installed", True, False),),
        Irreversible("its private key goes with it: going forward again takes a new request to the CA"),
    )
    clear = [_named(ground.target, thing, name, None) for thing, name in named]
    return [*clear, remove, *(_named(ground.target, thing, None, name) for thing, name in reversed(named))]


def _named(target: Target, thing: Thing, have: str | None, want: str | None) -> PlanItem:
    why = "Exchange removes no certificate whose issuer and subject a send connector names; the name is set again after"
    if want:
        why = "Set the TLS certificate name again, which now means the certificate used before"
    return PlanItem(
        why,
        (cmdlets.set_send_connector(target, thing.name, tls_certificate_name=want),),
        (Change(str(thing), _NAME, have, want),),
        Reverse(((cmdlets.set_send_connector(target, thing.name, tls_certificate_name=have),),)),
    )


def intermediates_back(ground: Ground, removed: frozenset[str]) -> Part:
    """Give the removal of the intermediates that the change added, except for those a new certificate needs.

    Args:
        removed: Thumbprints of the certificates that go.
    """
    before = {certificate.thumbprint for certificate in ground.first.certificates}
    issuers = {
        certificate_facts(c.raw).issuer: c.thumbprint
        for c in ground.present.certificates
        if c.raw and not c.pending and c.thumbprint not in {*removed, *before}
    }
    items: list[PlanItem] = []
    stays: list[Stays] = []
    for thumbprint in ground.made(INTERMEDIATE):
        der = ground.store.get(thumbprint, b"")
        subject = certificate_facts(der).subject if der else thumbprint
        if subject in issuers:
            why = f"the certificate {issuers[subject]} was issued by it and stays"
            stays.append(Stays(f"{INTERMEDIATE} {thumbprint}", Irreversible(why)))
            continue
        items.append(
            PlanItem(
                "The change added this intermediate",
                (cmdlets.remove_store_certificate(ground.target, thumbprint),),
                (Change(f"{INTERMEDIATE} {thumbprint}", "installed", True, False),),
                Reverse(((cmdlets.add_store_certificate(ground.target, der),),)) if der else _LOST,
            )
        )
    return items, stays


_LOST = Irreversible("its bytes are in the transcript of the step install")
