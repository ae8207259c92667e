"""What a server makes itself: self-signed certificates and CSRs in Exchange's shape."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_FIVE_YEARS = timedelta(days=5 * 365)
_KEY_USAGE = x509.KeyUsage(
    digital_signature=True,
    key_encipherment=True,
    content_commitment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
_SHA1_WITH_RSA = bytes.fromhex("300d06092a864886f70d0101050500")
_SHA256_WITH_RSA = bytes.fromhex("300d06092a864886f70d01010b0500")
_CSP = "Microsoft RSA SChannel Cryptographic Provider"


def self_signed(
    key: rsa.RSAPrivateKey,
    subject: x509.Name,
    names: tuple[str, ...],
    now: datetime,
    lifetime: timedelta = _FIVE_YEARS,
    *,
    sha1: bool = False,
) -> x509.Certificate:
    """Make a self-signed server certificate.

    Args:
        key: Its key.
        subject: Subject and issuer.
        names: DNS names of the SAN.
        now: Its first moment.
        lifetime: How long it lasts; Exchange's own last five years.
        sha1: Whether it is signed as older builds do.
    """
    start = now.replace(microsecond=0)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + lifetime)
        .add_extension(_KEY_USAGE, critical=True)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if names:
        san = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = builder.add_extension(san, critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    return _signed_with_sha1(certificate, key) if sha1 else certificate


def _signed_with_sha1(certificate: x509.Certificate, key: rsa.RSAPrivateKey) -> x509.Certificate:
    """Sign again as older builds do; ``cryptography`` writes no such certificates any more."""
    content = certificate.tbs_certificate_bytes.replace(_SHA256_WITH_RSA, _SHA1_WITH_RSA, 1)
    signature = key.sign(content, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303
    return x509.load_der_x509_certificate(_tlv(0x30, content, _SHA1_WITH_RSA, _tlv(0x03, b"\0" + signature)))


def server_subject(name: str) -> x509.Name:
    """Give ``CN=<server>``, the subject of the certificate that setup makes."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def request_der(
    key: rsa.RSAPrivateKey, subject: x509.Name, names: tuple[str, ...], server_fqdn: str, *, sha1: bool = False
) -> bytes:
    """Make a CSR with the attributes and extensions that Exchange's have.

    ``cryptography`` writes no attributes that are sequences, so the outer layers are put together here.

    Args:
        key: The new key.
        subject: As it shall be encoded.
        names: All names; the SAN is there only when there are several.
        server_fqdn: Goes into the client information, as Windows does it.
        sha1: Whether it is signed as Exchange 2007 and 2010 do.
    """
    spki = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    attributes = (
        _attribute("1.3.6.1.4.1.311.13.2.3", _tlv(0x16, b"10.0.20348.2")),
        _attribute("1.3.6.1.4.1.311.21.20", _client_info(server_fqdn)),
        _attribute("1.3.6.1.4.1.311.13.2.2", _tlv(0x30, _tlv(0x02, b"\1"), _bmp(_CSP), _tlv(0x03, b"\0"))),
        _attribute("1.2.840.113549.1.9.14", _extensions(key, names)),
    )
    # DER sorts a SET OF by its elements' bytes; strict readers refuse another order.
    in_order = b"".join(sorted(attributes))
    info = _tlv(0x30, _tlv(0x02, b"\0"), subject.public_bytes(), spki, _tlv(0xA0, in_order))
    signature = key.sign(info, padding.PKCS1v15(), hashes.SHA1() if sha1 else hashes.SHA256())  # noqa: S303
    algorithm = _SHA1_WITH_RSA if sha1 else _SHA256_WITH_RSA
    return _tlv(0x30, info, algorithm, _tlv(0x03, b"\0" + signature))


def request_pem(der: bytes) -> str:
    """Wrap a CSR as Exchange does: ``NEW CERTIFICATE REQUEST``, lines of 64, CR LF."""
    body = request_base64(der)
    return f"-----BEGIN NEW CERTIFICATE REQUEST-----\r\n{body}-----END NEW CERTIFICATE REQUEST-----\r\n"


def request_base64(der: bytes) -> str:
    """Give a CSR as base64 in lines of 64, CR LF."""
    text = base64.b64encode(der).decode("ascii")
    return "".join(f"{text[at : at + 64]}\r\n" for at in range(0, len(text), 64))


def _client_info(server_fqdn: str) -> bytes:
    computer = server_fqdn.split(".", 1)[0].upper()
    return _tlv(
        0x30,
        _tlv(0x02, b"\5"),
        _tlv(0x0C, server_fqdn.encode()),
        _tlv(0x0C, f"{computer}\\{computer}$".encode()),
        _tlv(0x0C, b"Microsoft.Exchange.ServiceHost.exe"),
    )


def _extensions(key: rsa.RSAPrivateKey, names: tuple[str, ...]) -> bytes:
    wanted: list[tuple[x509.ExtensionType, bool]] = [(_KEY_USAGE, True)]
    if len(names) > 1:
        wanted.append((x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False))
    wanted.append((x509.BasicConstraints(ca=False, path_length=None), True))
    wanted.append((x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False))
    return _tlv(0x30, *(_extension(value, critical) for value, critical in wanted))


def _extension(value: x509.ExtensionType, critical: bool) -> bytes:
    flag = _tlv(0x01, b"\xff") if critical else b""
    return _tlv(0x30, _oid(value.oid.dotted_string), flag, _tlv(0x04, value.public_bytes()))


def _attribute(oid: str, value: bytes) -> bytes:
    return _tlv(0x30, _oid(oid), _tlv(0x31, value))


def _bmp(text: str) -> bytes:
    return _tlv(0x1E, text.encode("utf-16-be"))


def _tlv(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    if len(content) < 0x80:
        return bytes((tag, len(content))) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def _oid(dotted: str) -> bytes:
    first, second, *rest = (int(part) for part in dotted.split("."))
    return _tlv(0x06, bytes((first * 40 + second,)), *(_base128(part) for part in rest))


def _base128(number: int) -> bytes:
    digits = [number & 0x7F]
    while number := number >> 7:
        digits.append(0x80 | (number & 0x7F))
    return bytes(reversed(digits))
