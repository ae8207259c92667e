"""What the steps request and install share: the pending request, and the authority's answer to it."""

from __future__ import annotations

from dataclasses import dataclass

from tlsrunbook.certificates.csr import Csr, read_csr
from tlsrunbook.certificates.facts import pem_of
from tlsrunbook.certificates.reply import holds_private_key, read_reply
from tlsrunbook.errors import BadCertificateFile
from tlsrunbook.exchange.state import ExchangeCertificate, ServerState
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.ports import Note
from tlsrunbook.site import Server, Site
from tlsrunbook.steps.model import StepContext

RULES = {
    "passed-over": "The inbox has something else than the reply to this request: each file is told by name.",
    "private-key-beside": "The reply holds a private key beside the certificate: it is not kept, and not sent.",
}


@dataclass(frozen=True)
class PendingRequest:
    """A request that waits on the server, and what the authority has for it.

    Args:
        entry: The server's entry.
        csr: Read from the entry.
        held: Whether the authority has the CSR already.
        reply: The authority's answer as it came; None while there is none.
        notes: What the authority passed over when it looked for the answer.
    """

    entry: ExchangeCertificate
    csr: Csr
    held: bool
    reply: bytes | None
    notes: tuple[Note, ...] = ()

    @property
    def passed_over(self) -> tuple[Finding, ...]:
        """What lies where the answer should be: a warning for each file that may have been meant as it."""
        return tuple(
            Finding(
                "passed-over",
                Severity.WARNING if note.concerns else Severity.INFO,
                note.text,
                note.todo,
                "the CA's reply",
            )
            for note in self.notes
        )


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
    return PendingRequest(entry, csr, held, reply, context.authority.notes if held else ())


def kept_reply(reply: bytes) -> tuple[str, bytes] | None:
    """Give file name and content of what is kept of a reply: as it came, unless a private key is in it.

    Then the certificates alone are kept; nothing when there are none.
    """
    if not holds_private_key(reply):
        return "reply.bin", reply
    try:
        return "reply.pem", pem_of(read_reply(reply))
    except BadCertificateFile:
        return None


def private_key_beside(reply: bytes) -> tuple[Finding, ...]:
    """Warn of a private key that came along with the certificate."""
    if not holds_private_key(reply):
        return ()
    text = "A private key came with the certificate; it is not kept in the evidence and not sent to the server"
    todo = "delete it from the inbox; if it is this server's own, others have seen it: have the certificate revoked"
    return (Finding("private-key-beside", Severity.WARNING, text, todo, "the CA's reply"),)
