"""What the certificate cmdlets read from bytes: DER, PEM, PKCS #7 and PFX, each as Windows takes it."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs7, pkcs12

from tlsrunbook.lab.exchange.inbound import PrivateKey

_ARMOUR = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s(.*?)-----END \1-----", re.DOTALL)
_PFX = re.compile(rb"\x30(?:[\x00-\x7f]|\x81.|\x82..|\x83...|\x84....|\x80)\x02\x01\x03", re.DOTALL)


class UnreadableFile(Exception):
    """The bytes hold no certificate that Windows would find."""


class WrongPassword(Exception):
    """A PFX does not open with this password."""


@dataclass(frozen=True)
class Content:
    """What a file holds.

    Args:
        certificates: As they came; a PFX's own certificate is the first.
        key: The PFX's private key, None without one.
        bundle: Whether the format carries a chain on purpose (PKCS #7, PFX).
    """

    certificates: tuple[x509.Certificate, ...]
    key: PrivateKey | None = None
    bundle: bool = False


def read_content(data: bytes, password: str | None) -> Content:
    """Read the bytes of ``-FileData``.

    Of several PEM blocks Windows reads the first alone.

    Raises:
        UnreadableFile: There is no certificate.
        WrongPassword: It is a PFX that does not open.
    """
    block = _ARMOUR.search(data)
    if block is not None:
        return _der(_from_base64(block.group(2)), password)
    if data[:1] == b"\x30":
        return _der(data, password)
    return _der(_from_base64(data), password)


def _from_base64(text: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except binascii.Error as error:
        raise UnreadableFile from error


def _der(data: bytes, password: str | None) -> Content:
    if _PFX.match(data):
        return _pfx(data, password)
    try:
        return Content((x509.load_der_x509_certificate(data),))
    except ValueError:
        pass
    try:
        found = pkcs7.load_der_pkcs7_certificates(data)
    except ValueError as error:
        raise UnreadableFile from error
    if not found:
        raise UnreadableFile
    return Content(tuple(found), bundle=True)


def _pfx(data: bytes, password: str | None) -> Content:
    try:
        key, certificate, others = pkcs12.load_key_and_certificates(data, (password or "").encode() or None)
    except ValueError as error:
        raise WrongPassword from error
    if certificate is None:
        raise UnreadableFile
    if key is not None and not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise UnreadableFile
    return Content((certificate, *others), key, bundle=True)
