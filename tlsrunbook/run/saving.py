"""What ``check --save-state`` writes down of a server: all that a lab is rebuilt from, and no secret."""

from __future__ import annotations

from datetime import datetime

from tlsrunbook.certificates.csr import read_csr
from tlsrunbook.certificates.facts import pem_of
from tlsrunbook.certificates.reply import read_reply
from tlsrunbook.errors import BadCertificateFile
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.exchange.state_data import Memory, SavedOrder, SavedServer
from tlsrunbook.ports import Authority, EvidenceStore
from tlsrunbook.site import Server, Site
from tlsrunbook.steps.model import Seen
from tlsrunbook.steps.verified import shows_activated


def saved_server(
    site: Site, server: Server, seen: Seen, authority: Authority, memory: Memory, at: datetime
) -> SavedServer:
    """Put together what was seen of a server, and what the authority and the evidence know besides.

    Args:
        seen: What :func:`~tlsrunbook.steps.observe.observe_server` gave.
        memory: From :func:`memory_of`.
        at: Now, UTC.

    Raises:
        AuthorityFailed: The authority could not be asked about a pending request.
    """
    return SavedServer(
        site=site.name,
        server=server.name,
        at=at.replace(microsecond=at.microsecond // 1000 * 1000),
        greeting=seen.greeting,
        state=seen.state,
        store=seen.store,
        orders=_orders(seen.state, authority, f"{site.name}-{server.name.lower()}"),
        files=seen.files,
        memory=memory,
    )


def _orders(state: ServerState, authority: Authority, label: str) -> tuple[SavedOrder, ...]:
    orders = []
    for entry in state.certificates:
        if not entry.pending or not entry.request:
            continue
        try:
            csr = read_csr(entry.request)
        except BadCertificateFile:
            continue
        held = authority.holds(csr.pem, label)
        reply = authority.collect(csr.pem, label) if held else None
        orders.append(SavedOrder(csr.pem, held, _certificates(reply or b"")))
    return tuple(orders)


def _certificates(reply: bytes) -> bytes:
    """Give the reply's certificates alone: a private key that stands beside them is not saved."""
    try:
        return pem_of(read_reply(reply))
    except BadCertificateFile:
        return b""


def memory_of(store: EvidenceStore, server: str) -> Memory:
    """Give what the evidence remembers of a server and decisions are made by."""
    change, earlier = store.open_change(server), store.remembered(server)
    first = store.first_before(change, server) if change else None
    return Memory(
        default=earlier.default or (str(first["state"]["internal_transport_thumbprint"]) if first else ""),
        names={**earlier.names, **store.certificate_names(server)},
        verified={**earlier.verified, **verified_on_wire(store, server)},
    )


def verified_on_wire(store: EvidenceStore, server: str) -> dict[str, str]:
    """Give the thumbprints that ``verify`` has seen on the wire of a server, with where its record is."""
    return {
        str(record.facts["activated"]): f"change {record.change}, verify, attempt {record.attempt}"
        for change in store.changes()
        for record in store.records(change, server)
        if shows_activated(record)
    }
