"""What the steps request and install share: the pending request, and the authority's answer to it."""

from __future__ import annotations

from dataclasses import dataclass

from tlsrunbook.certificates.csr import Csr, read_csr
from tlsrunbook.errors import BadCertificateFile
from tlsrunbook.exchange.state import ExchangeCertificate, ServerState
from tlsrunbook.site import Server, Site
from tlsrunbook.steps.model import StepContext


@dataclass(frozen=True)
class PendingRequest:
    """A request that waits on the server, and what the authority has for it.

    Args:
        entry: The server's entry.
        csr: Read from the entry.
        held: Whether the authority has the CSR already.
        reply: The authority's answer as it came; None while there is none.
    """

    entry: ExchangeCertificate
    csr: Csr
    held: bool
    reply: bytes | None


def fitting_request(state: ServerState, site: Site, server: Server) -> tuple[ExchangeCertificate, Csr] | None:
    """Give the newest pending request for exactly these names, this subject and this key size, or None."""
    wanted, subject = set(server.all_names), site.certificate.subject_parts.items()
    for entry in sorted(state.certificates, key=lambda c: (c.not_before, c.thumbprint), reverse=True):
        if not entry.pending or not entry.request:
            continue
        try:
            csr = read_csr(entry.request)
        except BadCertificateFile:
            continue
        same_names = set(csr.asked_names) == wanted and subject <= set(csr.attributes)
        if same_names and csr.key_size == site.certificate.key_size:
            return entry, csr
    return None


def pending_request(context: StepContext, state: ServerState) -> PendingRequest | None:
    """Find the pending request and ask the authority about it."""
    found = fitting_request(state, context.wanted.site, context.wanted.server)
    if found is None:
        return None
    entry, csr = found
    held = context.authority.holds(csr.pem, context.label)
    reply = context.authority.collect(csr.pem, context.label) if held else None
    context.workspace.note("asked the authority", {"key": csr.spki_sha256, "held": held, "answered": reply is not None})
    return PendingRequest(entry, csr, held, reply)
