"""TLSA records of mail servers (DANE, RFC 6698 and RFC 7672): where they stand, what they hold, what they match."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tlsrunbook.certificates.loading import UNREADABLE, load_certificate

_PORT = 25
_DANE_TA, _DANE_EE = 2, 3
_HASHES = {1: hashlib.sha256, 2: hashlib.sha512}


def tlsa_owner(endpoint: str, name: str) -> str:
    """Give the name under which the TLSA record of an endpoint stands.

    Args:
        endpoint: ``host:port``, or a host alone.
        name: The FQDN that is used where the endpoint's host is an IP address: those have no TLSA record, and the
            record stands under the name that MX records lead to, with SMTP's own port.

    Returns:
        ``_25._tcp.mx1.example.com``, without a final dot.
    """
    host, port = _split(endpoint)
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return f"_{port}._tcp.{host.lower().removesuffix('.')}"
    return f"_{_PORT}._tcp.{name}"


def tlsa_owners(names: Iterable[str], endpoints: Iterable[str]) -> tuple[str, ...]:
    """Give every name under which a record is to be published, each once: certificate names, then endpoints.

    Args:
        names: Of the certificate, the FQDN first.
        endpoints: ``host:port``.
    """
    known = tuple(names)
    owners = [tlsa_owner(name, name) for name in known] + [tlsa_owner(one, known[0]) for one in endpoints]
    return tuple(dict.fromkeys(owners))


def tlsa_lines(owners: Iterable[str], spki_sha256: str) -> tuple[str, ...]:
    """Give the records for one key as lines of a zone file."""
    return tuple(f"{owner}. IN TLSA 3 1 1 {spki_sha256}" for owner in owners)


def tlsa_matches(record: str, chain: Sequence[bytes]) -> bool | None:
    """Tell whether a published record matches what a server shows.

    Args:
        record: Usage, selector, matching type and data, as in a zone file: ``3 1 1 aabb…``.
        chain: DER, leaf first.

    Returns:
        None for a record that mail servers do not use: a usage for web browsers (0 and 1), or an unknown shape.
    """
    parts = record.split()
    if len(parts) < 4 or not all(part.isdigit() for part in parts[:3]) or not chain:
        return None
    usage, selector, matching = (int(part) for part in parts[:3])
    if usage not in (_DANE_TA, _DANE_EE) or selector not in (0, 1) or matching not in (0, 1, 2):
        return None
    data = "".join(parts[3:]).lower()
    looked_at = chain[:1] if usage == _DANE_EE else chain[1:]
    return any(_content(der, selector, matching) == data for der in looked_at)


def _content(der: bytes, selector: int, matching: int) -> str:
    data = der
    if selector == 1:
        try:
            key = load_certificate(der).public_key()
        except UNREADABLE:
            return ""
        data = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    digest = _HASHES.get(matching)
    return digest(data).hexdigest() if digest else data.hex()


def _split(endpoint: str) -> tuple[str, int]:
    host, colon, port = endpoint.rpartition(":")
    if colon and port.isdigit() and (":" not in host or host.startswith("[")):
        return host, int(port)
    return endpoint, _PORT
