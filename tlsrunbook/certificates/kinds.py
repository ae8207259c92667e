"""What a file is instead of what it should be, by name, and what to do then."""

from __future__ import annotations

from collections.abc import Iterator

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_public_key

from tlsrunbook.certificates.loading import UNREADABLE, load_certificate, quietly
from tlsrunbook.errors import BadCertificateFile

_AGAIN = "take it again from where it came, and keep it as it is, without opening it in an editor"
_SHAPES = "give the issued certificate as PEM, DER or PKCS #7 (.p7b)"

#: kind -> (what it is, what to do when a certificate was wanted; empty: the general advice).
KINDS: dict[str, tuple[str, str]] = {
    "empty": ("It is empty", _AGAIN),
    "cut-off": ("It is cut off", _AGAIN),
    "damaged": ("It is damaged", _AGAIN),
    "html": ("It is a web page, perhaps an error or a log-on page", "download the file itself, not its page"),
    "csr": ("It is a certificate request (CSR), not a certificate", f"send it to the authority; then {_SHAPES}"),
    "certificate": ("It is a certificate, not a request (CSR)", ""),
    "private-key": (
        "It holds a private key",
        "send it nowhere: the private key of an Exchange request stays on its server",
    ),
    "pfx": (
        "It is a PFX (PKCS #12) file, a certificate with a private key of its own",
        "the private key of an Exchange request is on its server: ask for the certificate alone",
    ),
    "public-key": ("It is a public key alone", ""),
    "crl": ("It is a revocation list", ""),
    "p7b-empty": ("It is a PKCS #7 file without a certificate in it", ""),
    "pgp": ("It is encrypted or signed with PGP", "decrypt it first"),
    "zip-empty": ("It is a ZIP file without a certificate in it", ""),
    "zip-encrypted": ("It is a ZIP file with a password", "unpack it, and give the files in it"),
    "zip-damaged": ("It is a ZIP file that cannot be unpacked", _AGAIN),
    "too-large": ("It is far too large", ""),
    "several": ("It holds several different requests", "give one request"),
    "unknown": ("Nothing of a certificate or request is in it", ""),
}

_OID_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
_OID_DATA = bytes.fromhex("06092a864886f70d010701")
# PBES1/PBES2 and the PKCS #12 schemes, which an encrypted PKCS #8 key begins with.
_OIDS_ENCRYPTED = (bytes.fromhex("06092a864886f70d0105"), bytes.fromhex("060a2a864886f70d010c01"))


def bad_file(kind: str, what: str = "", *, where: str = "", request: bool = False) -> BadCertificateFile:
    """Make the error for this kind of file.

    Args:
        kind: One of :data:`KINDS`.
        what: What was seen in particular; the kind's own sentence when empty.
        where: Which file, if known.
        request: Whether a CSR was wanted and not a certificate.
    """
    sentence, todo = KINDS[kind]
    general = "give the certificate request (CSR) the server made" if request else _SHAPES
    return BadCertificateFile(what or sentence, kind=kind, where=where, todo=todo or general)


def kind_of_text(text: str) -> str:
    """Name what a text is in which no DER was found."""
    start = text.lstrip("\ufeff \t\r\n\x00").lower()
    if not start:
        return "empty"
    if start.startswith(("<!doctype", "<html", "<?xml", "<head", "<body")) or "<html" in start[:2000]:
        return "html"
    return "unknown"


def kind_of_label(label: str) -> str:
    """Name what a PEM label promises that is no certificate; empty when only the content can tell."""
    if "PRIVATE KEY" in label:
        return "private-key"
    return "pgp" if "PGP" in label else ""


def kind_of_der(der: bytes) -> str:
    """Name what DER bytes are.

    Returns:
        ``certificate``, ``p7b``, ``csr``, ``private-key``, ``pfx``, ``crl``, ``public-key``, ``cut-off``, ``empty`` or
        ``unknown``. A private key is told by its outline and never loaded.
    """
    if not der:
        return "empty"
    if is_cut_off(der):
        return "cut-off"
    if _OID_SIGNED_DATA in der[:30]:
        return "p7b"
    return _kind_by_outline(der) or _kind_by_loading(der)


def is_cut_off(der: bytes) -> bool:
    """Whether the outermost element says that it is longer than what is there (not for BER's indefinite form)."""
    if len(der) < 2:
        return True
    if der[1] == 0x80:
        return False
    element = read_element(der, 0)
    return element is None or element[2] > len(der)


def read_element(der: bytes, at: int) -> tuple[int, int, int] | None:
    """Read one DER header.

    Returns:
        Tag, where the content starts, where it ends (which may lie behind the data); None when there is no header.
    """
    if at + 2 > len(der):
        return None
    tag, length, start = der[at], der[at + 1], at + 2
    if length >= 0x80:
        count = length & 0x7F
        if count == 0 or count > 4 or start + count > len(der):
            return None
        length = int.from_bytes(der[start : start + count], "big")
        start += count
    return tag, start, start + length


def elements(der: bytes, at: int = 0, end: int | None = None) -> Iterator[tuple[int, int, int]]:
    """Walk over elements that stand side by side; stops at the first that is none.

    Yields:
        Tag, where the element itself starts, where it ends.
    """
    stop = len(der) if end is None else end
    while at < stop:
        element = read_element(der, at)
        if element is None or element[2] > stop:
            return
        yield element[0], at, element[2]
        at = element[2]


def _kind_by_outline(der: bytes) -> str:
    outer = read_element(der, 0)
    if outer is None or outer[0] != 0x30:
        return "unknown"
    inner = [(tag, der[start:end]) for tag, start, end in elements(der, outer[1], outer[2])]
    tags = tuple(tag for tag, _ in inner[:3])
    if tags[:2] == (0x02, 0x30) and inner[0][1] == b"\x02\x01\x03" and (_OID_DATA in inner[1][1][:24]):
        return "pfx"
    # In this order: PKCS #8, PKCS #1, SEC 1.
    if tags in {(0x02, 0x30, 0x04), (0x02, 0x02, 0x02)} or tags[:2] == (0x02, 0x04):
        return "private-key"
    encrypted = tags == (0x30, 0x04) and any(oid in inner[0][1][:24] for oid in _OIDS_ENCRYPTED)
    return "private-key" if encrypted else ""


def _kind_by_loading(der: bytes) -> str:
    loaders = (
        ("certificate", load_certificate),
        ("csr", x509.load_der_x509_csr),
        ("crl", x509.load_der_x509_crl),
        ("public-key", load_der_public_key),
    )
    outer = read_element(der, 0)
    whole = der[: outer[2]] if outer else der
    for kind, load in loaders:
        try:
            with quietly():
                load(whole)
        except UNREADABLE:
            continue
        return kind
    return "unknown"
