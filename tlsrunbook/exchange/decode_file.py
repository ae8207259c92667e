"""The runbook's files on an Exchange 2007 server, and the pending requests that their CSRs belong to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tlsrunbook.exchange.command import Reply
from tlsrunbook.exchange.projected import items
from tlsrunbook.exchange.state import ExchangeCertificate


@dataclass(frozen=True)
class ServerFile:
    """One file of the runbook on a server.

    Args:
        path: Full path, as Windows writes it.
        data: Its bytes.
    """

    path: str
    data: bytes


def decode_files(reply: Reply) -> tuple[ServerFile, ...]:
    """Read ``Get-ServerFile``.

    Raises:
        DecodeError: The reply holds errors or a shape that is not known.
    """
    found = items(reply, "Get-ServerFile")
    return tuple(ServerFile(item.text("Path"), item.data("Data")) for item in found)


def with_requests(
    certificates: Iterable[ExchangeCertificate], files: Iterable[ServerFile]
) -> tuple[ExchangeCertificate, ...]:
    """Give pending requests the CSR from the file that has the same public key.

    Exchange 2007 does not keep a CSR's text; the entry's own bytes hold the public key, which is what identifies it.
    """
    known = {key: file for file in files if (key := _key_of_request(file.data))}
    return tuple(
        replace(one, request=known[key].data.decode("ascii", "replace"))
        if one.pending and not one.request and one.raw and (key := _key_of_entry(one.raw)) in known
        else one
        for one in certificates
    )


def serves_pending(file: ServerFile, certificates: Iterable[ExchangeCertificate]) -> bool:
    """Whether a pending request still needs this file: it is the only place where its CSR is."""
    key = _key_of_request(file.data)
    return bool(key) and any(one.pending and one.raw and _key_of_entry(one.raw) == key for one in certificates)


def _key_of_request(data: bytes) -> bytes:
    try:
        return _spki(x509.load_pem_x509_csr(data))
    except ValueError:
        return b""


def _key_of_entry(der: bytes) -> bytes:
    try:
        return _spki(x509.load_der_x509_certificate(der))
    except ValueError:
        return b""


def _spki(holder: x509.CertificateSigningRequest | x509.Certificate) -> bytes:
    return holder.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
