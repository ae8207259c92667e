"""Who signed what, for old signatures too.

``cryptography`` calls a SHA-1 signature unsupported, or just not valid. Whether it is the right one still matters:
Exchange 2007 and 2010 sign their requests with SHA-1, and a finding shall say "SHA-1", not "somebody else signed it".
"""

from __future__ import annotations

from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from tlsrunbook.certificates.loading import UNREADABLE, load_certificate, quietly


@lru_cache(maxsize=4096)
def is_issued_by(der: bytes, issuer_der: bytes) -> bool:
    """Whether one certificate's issuer is the other by name, and the other's key signed it.

    Args:
        der: DER certificate.
        issuer_der: DER certificate that may be its issuer.
    """
    with quietly():
        certificate, issuer = load_certificate(der), load_certificate(issuer_der)
        if certificate.issuer != issuer.subject:
            return False
        try:
            certificate.verify_directly_issued_by(issuer)
        except InvalidSignature:
            return False
        except UNREADABLE:
            return _verified_by_hand(certificate, issuer, certificate.tbs_certificate_bytes)
        return True


def is_request_signed(request: x509.CertificateSigningRequest) -> bool:
    """Whether a request's own key signed it."""
    try:
        if request.is_signature_valid:
            return True
    except UNREADABLE:
        pass
    return _verified_by_hand(request, request, request.tbs_certrequest_bytes)


def _verified_by_hand(
    signed: x509.Certificate | x509.CertificateSigningRequest,
    signer: x509.Certificate | x509.CertificateSigningRequest,
    content: bytes,
) -> bool:
    """Try RSA PKCS #1 v1.5 and ECDSA signatures over any hash; False for all others."""
    try:
        key: CertificatePublicKeyTypes = signer.public_key()
        algorithm = signed.signature_hash_algorithm
        if algorithm is None:
            return False
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signed.signature, content, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signed.signature, content, ec.ECDSA(algorithm))
        else:
            return False
    except (InvalidSignature, *UNREADABLE):
        return False
    return True
