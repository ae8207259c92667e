"""Which private keys a server has, and which public keys a file to be imported holds."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, pkcs7

from tlsrunbook.exchange.state import ExchangeCertificate, ServerState

_PEM_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_ARMOUR = re.compile(r"-----[^-]+-----|\s")


def certificates_in(data: bytes) -> tuple[x509.Certificate, ...]:
    """Read the certificates of a CA's answer (DER, PEM, PKCS #7); empty when it is something else, such as a PFX."""
    readers: tuple[Callable[[], list[x509.Certificate]], ...] = (
        lambda: [x509.load_pem_x509_certificate(block) for block in _PEM_CERTIFICATE.findall(data)],
        lambda: [x509.load_der_x509_certificate(data)],
        lambda: pkcs7.load_der_pkcs7_certificates(data),
        lambda: pkcs7.load_pem_pkcs7_certificates(data),
    )
    for reader in readers:
        try:
            found = reader()
        except (ValueError, UnsupportedAlgorithm):
            continue
        if found:
            return tuple(found)
    return ()


def keys_held(state: ServerState) -> frozenset[bytes] | None:
    """Give the public halves (DER) of the private keys the server has; None when one of them cannot be told."""
    held = set()
    for certificate in state.certificates:
        if certificate.has_private_key is False:
            continue
        key = _key_of(certificate)
        if key is None:
            return None
        held.add(key)
    return frozenset(held)


def _key_of(certificate: ExchangeCertificate) -> bytes | None:
    try:
        if certificate.raw:
            return public_key_of(x509.load_der_x509_certificate(certificate.raw))
        if certificate.request:
            return public_key_of(x509.load_der_x509_csr(_der(certificate.request)))
    except (ValueError, UnsupportedAlgorithm):
        return None
    return None


def _der(request: str) -> bytes:
    try:
        return base64.b64decode(_ARMOUR.sub("", request), validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def is_key_held(certificate: x509.Certificate, held: frozenset[bytes]) -> bool:
    """Whether the private key of a certificate is among those the server has."""
    try:
        return public_key_of(certificate) in held
    except (ValueError, UnsupportedAlgorithm):  # a key that nobody can read is not one the server made
        return False


def public_key_of(holder: x509.Certificate | x509.CertificateSigningRequest) -> bytes:
    """Give a certificate's or CSR's public key as SubjectPublicKeyInfo, DER."""
    return holder.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
