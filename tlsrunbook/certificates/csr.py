"""A certificate request (CSR), in whatever shape it came."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from tlsrunbook.certificates.armour import as_text, is_binary, pieces
from tlsrunbook.certificates.facts import (
    common_name_of,
    dns_names_of,
    key_of,
    normal_name,
    spki_sha256_of,
)
from tlsrunbook.certificates.kinds import bad_file, elements, kind_of_der, kind_of_label, kind_of_text
from tlsrunbook.certificates.loading import UNREADABLE
from tlsrunbook.certificates.signatures import is_request_signed
from tlsrunbook.errors import BadCertificateFile

#: A CSR is about 2 KiB.
MAX_BYTES = 256 * 1024


@dataclass(frozen=True)
class Csr:
    r"""One certificate request.

    Args:
        pem: ASCII, ``\n`` line ends, header ``BEGIN CERTIFICATE REQUEST`` (Exchange writes ``NEW``, which some CAs do
            not take).
        der: The same bytes the server signed.
        subject: RFC 4514, for people.
        attributes: The subject as pairs such as ``("CN", "mail.example.com")``, in the order they are encoded;
            attributes without a short name as dotted OID.
        common_name: The first CN; may be empty.
        names: DNS names of the subjectAltName it asks for, lower case, in order.
        key_kind: As in :class:`~tlsrunbook.certificates.facts.CertificateFacts`.
        key_size: Bits.
        signature_hash: ``sha256`` and the like; empty when there is none or it is not known.
        spki_sha256: 64 lower-case hex digits: what the certificate is found by.
        signature_valid: Whether its own key signed it, SHA-1 included.
    """

    pem: str
    der: bytes
    subject: str
    attributes: tuple[tuple[str, str], ...]
    common_name: str
    names: tuple[str, ...]
    key_kind: str
    key_size: int
    signature_hash: str
    spki_sha256: str
    signature_valid: bool

    @property
    def asked_names(self) -> tuple[str, ...]:
        """Every DNS name it asks for: CN, when it is one, and subjectAltName, each once.

        Exchange leaves the subjectAltName out when the CN is the only name; a CA copies it there.
        """
        common_name = normal_name(self.common_name)
        first = (common_name,) if "." in common_name and " " not in common_name else ()
        return tuple(dict.fromkeys((*first, *self.names)))


def read_csr(data: bytes | str, *, where: str = "") -> Csr:
    """Read a CSR.

    Reads PEM with ``CERTIFICATE REQUEST`` or ``NEW CERTIFICATE REQUEST``, DER, bare base64, UTF-16 with or without byte
    order mark, any line ends, text around.

    Args:
        data: What the server or a file gave.
        where: The file's name or the server, for the error only.

    Raises:
        BadCertificateFile: It is not exactly one whole CSR; ``kind`` says what it is instead.
    """
    try:
        der = _only_request(data)
        return _describe(der, x509.load_der_x509_csr(der))
    except BadCertificateFile as error:
        error.where = error.where or where
        raise
    except UNREADABLE as error:
        raise bad_file("damaged", f"The request cannot be read: {error}", where=where) from error


def tlsa_3_1_1(csr: Csr) -> str:
    """Give the content of the TLSA record that will match the certificate of this CSR (DANE-EE, SPKI, SHA-256).

    The key is known before the CA answers, so the record can be published days ahead.
    """
    return f"3 1 1 {csr.spki_sha256}"


def _only_request(data: bytes | str) -> bytes:
    if len(data) > MAX_BYTES:
        raise bad_file("too-large", "It is far too large for a request", request=True)
    requests: list[bytes] = []
    instead = ""
    for piece in pieces(data):
        kind = kind_of_label(piece.label) or kind_of_der(piece.der)
        if kind == "csr":
            requests.append(_without_padding(piece.der))
        elif kind == "unknown" and "REQUEST" in piece.label:
            raise bad_file("damaged", request=True)
        else:
            instead = instead or ("certificate" if kind == "p7b" else kind)
    if len(set(requests)) > 1:
        raise bad_file("several", request=True)
    if requests:
        return requests[0]
    text = data if isinstance(data, str) else as_text(data)
    binary = isinstance(data, bytes) and is_binary(data)
    raise bad_file(instead or ("unknown" if binary else kind_of_text(text)), request=True)


def _without_padding(der: bytes) -> bytes:
    """Leave out line ends and the like behind binary DER."""
    _, start, end = next(elements(der))
    if der[end:].strip(b"\r\n\t \x00\x1a"):
        raise bad_file("damaged", "Something else stands behind the request", request=True)
    return der[start:end]


def _describe(der: bytes, request: x509.CertificateSigningRequest) -> Csr:
    kind, size = key_of(request)
    return Csr(
        pem=request.public_bytes(Encoding.PEM).decode("ascii"),
        der=der,
        subject=request.subject.rfc4514_string(),
        attributes=tuple((attribute.rfc4514_attribute_name, str(attribute.value)) for attribute in request.subject),
        common_name=common_name_of(request.subject),
        names=dns_names_of(request.extensions),
        key_kind=kind,
        key_size=size,
        signature_hash=_signature_hash(request),
        spki_sha256=spki_sha256_of(request),
        signature_valid=is_request_signed(request),
    )


def _signature_hash(request: x509.CertificateSigningRequest) -> str:
    try:
        algorithm = request.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return ""
    return algorithm.name if algorithm else ""
