"""TLS contexts for the SMTP listeners, made from the keys and certificates that the simulated servers hold."""

from __future__ import annotations

import hashlib
import os
import secrets
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tlsrunbook.lab.exchange.inbound import InboundTls, PrivateKey
from tlsrunbook.lab.stand_in import fits, stand_in


class TlsContexts:
    """Gives the TLS context for what a server shows, each made once.

    Args:
        folder: A folder that this user alone can read. ``ssl`` takes keys from files only, so each key lies there for
            the moment in which it is loaded.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[tuple[bytes, ...], ssl.SSLContext] = {}

    def context(self, tls: InboundTls, *, leaf_only: bool = False) -> ssl.SSLContext:
        """Give the context for a server's choice of certificate.

        Args:
            tls: What it chose; without a usable key the context fails every handshake, as Exchange does.
            leaf_only: Leave the intermediates out.
        """
        if tls.certificate is None or tls.key is None or not tls.usable:
            return self._made.setdefault((), _new_context())
        chain = () if leaf_only else tls.chain_der
        identity = (_digest(tls.certificate), *(hashlib.sha256(der).digest() for der in chain))
        if identity not in self._made:
            self._made[identity] = self._load(tls.certificate, tls.key, chain)
        return self._made[identity]

    def _load(self, leaf: x509.Certificate, key: PrivateKey, chain: tuple[bytes, ...]) -> ssl.SSLContext:
        context = _new_context()
        if not fits(leaf, key):  # rebuilt from saved state: the certificate is there, its key stayed where it was made
            leaf = stand_in(leaf, key)
        path = self._folder / f"{secrets.token_hex(8)}.pem"
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
                stream.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
                stream.write(leaf.public_bytes(Encoding.PEM))
                stream.writelines(ssl.DER_cert_to_PEM_cert(der).encode("ascii") for der in chain)
            context.load_cert_chain(path)
        finally:
            path.unlink(missing_ok=True)
        return context


def _new_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Exchange's SMTP stays at TLS 1.2, whatever Windows can do.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def _digest(certificate: x509.Certificate) -> bytes:
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
