"""What a probe of one endpoint saw. Facts only; ``policy`` judges them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ProbeOutcome(StrEnum):
    """How far a probe got."""

    TLS = "tls"
    UNREACHABLE = "unreachable"
    REJECTED = "rejected"
    NOT_SMTP = "not-smtp"
    TIMEOUT = "timeout"
    STARTTLS_NOT_OFFERED = "starttls-not-offered"
    STARTTLS_REFUSED = "starttls-refused"
    HANDSHAKE_FAILED = "handshake-failed"
    RESPONSE_INJECTED = "response-injected"


@dataclass(frozen=True)
class ProbeFacts:
    """One STARTTLS dialogue with one address.

    Args:
        endpoint: ``name:port`` as the site file gives it.
        address: ``ip:port`` that was dialled, empty when the name did not resolve.
        outcome: How far it got.
        detail: The library's or server's own words for what went wrong; with ``tls`` that was SMTP inside TLS, and
            it is empty when all went well.
        banner: The 220 text, may be empty.
        ehlo_name: First word of the EHLO answer, lower case, may be empty.
        extensions: EHLO keywords before TLS, upper case.
        offered_starttls: Whether EHLO listed STARTTLS.
        protocol: ``TLSv1.2`` and the like, empty without TLS.
        cipher: Negotiated cipher name, empty without TLS.
        chain: Certificates as sent, DER, leaf first as the server ordered them.
        chain_complete_view: False when this Python can show the leaf only (then ``chain`` has at most one entry).
        seconds: How long it took, wall clock.
    """

    endpoint: str
    address: str
    outcome: ProbeOutcome
    detail: str = ""
    banner: str = ""
    ehlo_name: str = ""
    extensions: tuple[str, ...] = ()
    offered_starttls: bool = False
    protocol: str = ""
    cipher: str = ""
    chain: tuple[bytes, ...] = ()
    chain_complete_view: bool = True
    seconds: float = 0.0
