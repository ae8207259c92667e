"""A CA's reply, in whatever shape it came, as DER certificates."""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator

from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from tlsrunbook.certificates.armour import as_text, is_binary, pieces
from tlsrunbook.certificates.facts import certificate_facts
from tlsrunbook.certificates.kinds import bad_file, elements, kind_of_der, kind_of_label, kind_of_text
from tlsrunbook.certificates.loading import UNREADABLE, quietly
from tlsrunbook.errors import BadCertificateFile

#: Limits: a real reply has under ten certificates of about 2 KiB each.
MAX_BYTES = 4 * 1024 * 1024
MAX_ZIP_ENTRIES = 64
MAX_CERTIFICATES = 200

_ZIP_FAULTS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
)
_TELLING = (
    "zip-encrypted",
    "pfx",
    "private-key",
    "csr",
    "cut-off",
    "damaged",
    "html",
    "crl",
    "p7b-empty",
    "public-key",
)


def read_reply(data: bytes, *, where: str = "") -> tuple[bytes, ...]:
    """Take the certificates out of a CA's reply.

    Reads PEM, DER, PKCS #7 (DER, BER, PEM, bare base64, or inside ``CERTIFICATE`` armour), UTF-8 and UTF-16, with text
    around, any line ends, several certificates in any order, and a ZIP file with any of those in it.

    Args:
        data: The reply as it came.
        where: The file's name, for the error only.

    Returns:
        DER certificates in the order they stand there, each once. At least one; each can be read by
        :func:`~tlsrunbook.certificates.facts.certificate_facts`.

    Raises:
        BadCertificateFile: It holds no certificate, or not whole ones; ``kind`` says what it is instead, one of
            :data:`~tlsrunbook.certificates.kinds.KINDS`.
    """
    try:
        if len(data) > MAX_BYTES:
            raise bad_file("too-large")
        found = _from_zip(data) if data.startswith(b"PK\x03\x04") else _from_file(data)
        ders = tuple(dict.fromkeys(found))
        if len(ders) > MAX_CERTIFICATES:
            raise bad_file("too-large", f"It holds {len(ders)} certificates")
        for der in ders:
            certificate_facts(der)
    except BadCertificateFile as error:
        error.where = error.where or where
        raise
    return ders


def holds_private_key(data: bytes) -> bool:
    """Whether a private key is in a reply, also beside certificates: then the reply must not be kept as it came."""
    try:
        contents = list(_unpacked(data)) if data.startswith(b"PK\x03\x04") else [data]
    except BadCertificateFile:
        return False
    return any(_key_inside(content) for content in contents)


def _key_inside(content: bytes) -> bool:
    try:
        kinds = {kind_of_label(piece.label) or kind_of_der(piece.der) for piece in pieces(content)}
    except BadCertificateFile:  # cut off or broken somewhere: the label alone tells
        return "PRIVATE KEY-" in as_text(content)
    return not kinds.isdisjoint({"private-key", "pfx"})


def _from_file(data: bytes) -> list[bytes]:
    """Give the certificates of one file that is not a ZIP; raises when it has none."""
    ders: list[bytes] = []
    instead = ""
    for piece in pieces(data):
        kind = kind_of_label(piece.label) or kind_of_der(piece.der)
        if kind == "certificate":
            ders.extend(_side_by_side(piece.der, trusted=piece.label == "TRUSTED CERTIFICATE"))
        elif kind == "p7b":
            ders.extend(_from_pkcs7(piece.der))
        elif kind == "cut-off" or (kind == "unknown" and "CERTIFICATE" in piece.label):
            # Never use half of a reply: what is missing may be the leaf or an intermediate.
            raise bad_file("cut-off" if kind == "cut-off" else "damaged")
        else:
            instead = instead or kind
    if not ders:
        raise bad_file(instead or ("damaged" if is_binary(data) else kind_of_text(as_text(data))))
    return ders


def _side_by_side(der: bytes, *, trusted: bool) -> Iterator[bytes]:
    """Split certificates that stand one behind the other; OpenSSL's trust settings behind one are left out."""
    end = 0
    for _, start, end in elements(der):
        if kind_of_der(der[start:end]) == "certificate":
            yield der[start:end]
        elif not trusted:
            raise bad_file("damaged", "Something that is no certificate stands behind a certificate")
    if not trusted and der[end:].strip(b"\r\n\t \x00\x1a"):
        raise bad_file("cut-off", "What stands behind the certificate is cut off")


def _from_pkcs7(der: bytes) -> list[bytes]:
    try:
        with quietly():
            certificates = pkcs7.load_der_pkcs7_certificates(der)
    except UNREADABLE as error:
        raise bad_file("damaged", f"It is a PKCS #7 file that cannot be read: {error}") from error
    if not certificates:
        raise bad_file("p7b-empty")
    return [certificate.public_bytes(Encoding.DER) for certificate in certificates]


def _from_zip(data: bytes) -> list[bytes]:
    ders: list[bytes] = []
    seen: list[str] = []
    for content in _unpacked(data):
        try:
            ders.extend(_from_file(content))
        except BadCertificateFile as error:
            if error.kind in {"cut-off", "damaged"}:
                raise
            seen.append(error.kind)
    if not ders:
        instead = next((kind for kind in _TELLING if kind in seen), "")
        what = f"The ZIP file holds no certificate, but something else ({instead})" if instead else ""
        raise bad_file(instead or "zip-empty", what)
    return ders


def _unpacked(data: bytes) -> Iterator[bytes]:
    """Give the content of each file in a ZIP, within the limits; sizes that the ZIP itself states are not believed."""
    left = MAX_BYTES
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [entry for entry in archive.infolist() if not _is_clutter(entry.filename)]
            if len(entries) > MAX_ZIP_ENTRIES:
                raise bad_file("too-large", f"The ZIP file holds {len(entries)} files")
            for entry in entries:
                if entry.flag_bits & 0x1:
                    raise bad_file("zip-encrypted")
                with archive.open(entry) as stream:
                    content = stream.read(left + 1)
                left -= len(content)
                if left < 0:
                    raise bad_file("too-large", "The ZIP file unpacks to far more than a CA's reply")
                yield content
    except _ZIP_FAULTS as error:
        raise bad_file("zip-damaged") from error


def _is_clutter(name: str) -> bool:
    """Whether a ZIP's entry is a folder, or what a Mac adds."""
    return name.endswith("/") or name.startswith("__MACOSX/") or name.rsplit("/", 1)[-1].startswith(".")
