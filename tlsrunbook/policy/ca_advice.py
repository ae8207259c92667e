"""What to tell the CA with a request: what is wanted, and what a public CA may give at this time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from tlsrunbook.policy.certificate_rules import LIFETIME_LIMITS, lifetime_limit


def ca_advice(
    names: Sequence[str], key: str, at: datetime, subject: Mapping[str, str] | None = None
) -> list[dict[str, str]]:
    """Give what to write into the CA's form.

    Args:
        names: Every FQDN the certificate must stand for, the connector's first.
        key: Kind and size, such as ``RSA 2048 bits``.
        at: Now, with time zone: the longest life depends on it.
        subject: Parts of the subject beside the common name, such as ``{"O": "Example"}``.

    Returns:
        Rows of ``what`` and ``tell the CA``.
    """
    parts = "".join(f", {part} “{value}”" for part, value in (subject or {}).items())
    told = {
        "product": "a publicly trusted TLS server certificate (often sold as “SSL”); its names are checked by DNS",
        "names": f"{', '.join(names)}: each as a DNS name in the subjectAltName; common name {names[0]}{parts}",
        "key": f"{key}, the one in the CSR: the CA must not make another key, and must not send a PFX",
        "validity": validity_advice(at),
        "use": "extended key usage serverAuth; clientAuth is not needed, and public CAs stop to issue it",
        "signature": "SHA-256 or better over the certificate and every intermediate; never SHA-1",
        "answer": "the certificate with every intermediate, as PEM or PKCS #7 (.p7b); the root is not needed",
    }
    return [{"what": what, "tell the CA": text} for what, text in told.items()]


def validity_advice(at: datetime) -> str:
    """Say how long a public certificate may live that begins now, and when that changes."""
    limit = lifetime_limit(at)
    coming = sorted((since, days) for since, days in LIFETIME_LIMITS if since > at)
    then = "".join(f"; from {since:%Y-%m-%d} {days} days" for since, days in coming)
    return (f"at most {limit} days" if limit else "as long as the CA offers") + then
