"""Stand-ins: what the lab shows on the wire for a certificate whose private key it does not have.

A rehearsal from saved state lists the real certificates, and their keys stay on the real servers. To do a handshake all
the same, the lab signs a certificate for a key of its own and puts the real one into it; who looks from outside in a
rehearsal unwraps it again. Outside of a rehearsal nobody does.
"""

from __future__ import annotations

from cryptography import x509

from tlsrunbook.certificates.loading import UNREADABLE, load_certificate, quietly

#: Extension that holds the DER of the certificate that is stood in for. A UUID's OID (X.667), made for this.
STAND_IN_FOR = x509.ObjectIdentifier("2.25.303928436862034613984719271873098712345")


def original_of(der: bytes) -> bytes | None:
    """Give the DER of the certificate that this one stands in for; None when it stands for itself."""
    try:
        with quietly():
            extensions = load_certificate(der).extensions
    except UNREADABLE:
        return None
    found = [extension.value for extension in extensions if extension.oid == STAND_IN_FOR]
    return found[0].value if found and isinstance(found[0], x509.UnrecognizedExtension) else None
