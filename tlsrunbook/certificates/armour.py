"""From whatever a file holds to DER: text encodings, PEM in any state, bare base64, binary.

Nothing here knows what the DER is; ``kinds`` names it.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tlsrunbook.certificates.kinds import bad_file

# Mail programs turn "--" into a dash and put ">" before lines, so markers are read generously.
_DASHES = r"[-\u2010-\u2015]{2,}"
_MARKER = re.compile(rf"{_DASHES}\s*(BEGIN|END) ([A-Z0-9#][A-Z0-9# ]*?)\s*{_DASHES}")
_HEADER = re.compile(r"^[A-Za-z][A-Za-z0-9-]*:.*(?:\n[ \t].*)*$", re.MULTILINE)
_NOISE = re.compile(r"\\[nr]|[\s>\ufeff\u200b-\u200d\u2060\x00\x1a]")
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}\Z")
_BASE64_LINES = re.compile(
    r"^[ \t>]*(MI[A-Za-z0-9+/]{30,}={0,2})[ \t]*\n((?:[ \t>]*[A-Za-z0-9+/]+={0,2}[ \t]*(?:\n|\Z))*)", re.MULTILINE
)
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


@dataclass(frozen=True)
class Piece:
    """One object found in a file.

    Args:
        label: The PEM label such as ``CERTIFICATE``; empty for DER and bare base64.
        der: Its bytes; empty where they were not taken out (private keys never are).
    """

    label: str
    der: bytes


def is_binary(data: bytes) -> bool:
    """Whether it begins as DER or BER does: a SEQUENCE of the long or the indefinite form, or a short one that fits."""
    return len(data) >= 2 and data[0] == 0x30 and (data[1] >= 0x80 or data[1] == len(data) - 2)


def as_text(data: bytes) -> str:
    """Decode text of any usual encoding: with or without byte order mark, UTF-16 included. Never fails."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, errors="replace")
    half = len(data) // 2
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        # Text of CSRs and certificates is ASCII: in UTF-16 every second byte is zero.
        if half and data[first::2].count(0) > 0.9 * half and data[1 - first :: 2].count(0) < 0.1 * half:
            return data.decode(encoding, errors="replace")
    return data.decode("utf-8", errors="replace")


def pieces(data: bytes | str) -> tuple[Piece, ...]:
    """Take every DER object out of a file's content.

    Args:
        data: The content as bytes, or as text.

    Returns:
        The pieces in the order they stand there; none when nothing looks like one.

    Raises:
        BadCertificateFile: A piece begins and does not end, or its base64 is broken.
    """
    if isinstance(data, bytes) and is_binary(data):
        return (Piece("", data),)
    text = (data if isinstance(data, str) else as_text(data)).replace("\r\n", "\n").replace("\r", "\n")
    armoured = tuple(_armoured(text))
    return armoured or _bare(text)


def _armoured(text: str) -> Iterator[Piece]:
    markers = list(_MARKER.finditer(text))
    for place, begin in enumerate(markers):
        if begin[1] != "BEGIN":
            continue
        label = begin[2]
        if "PRIVATE KEY" in label or "PGP" in label:
            yield Piece(label, b"")
            continue
        end = markers[place + 1] if place + 1 < len(markers) else None
        if end is None or end[1] != "END":
            raise bad_file("cut-off", f"The block “BEGIN {label}” has no end")
        yield Piece(label, _decode(_NOISE.sub("", _HEADER.sub("", text[begin.end() : end.start()])), label))


def _bare(text: str) -> tuple[Piece, ...]:
    whole = _NOISE.sub("", text)
    if whole.startswith("MI") and _BASE64.match(whole):
        return (Piece("", _decode(whole, "")),)
    found = _BASE64_LINES.finditer(text + "\n")
    return tuple(Piece("", _decode(_NOISE.sub("", match[1] + match[2]), "")) for match in found)


def _decode(body: str, label: str) -> bytes:
    what = f"The block “{label}”" if label else "The base64 text"
    if not body:
        raise bad_file("empty", f"{what} is empty")
    if not _BASE64.match(body):
        raise bad_file("damaged", f"{what} holds characters that are not base64")
    if len(body) % 4:
        raise bad_file("cut-off", f"{what} ends too early")
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise bad_file("damaged", f"{what} is not valid base64") from error
