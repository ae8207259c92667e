"""Replies about certificates, decoded.

An ExchangeCertificate crosses PowerShell remoting as ``RawData`` alone unless Exchange's types are loaded where it
arrives. What is missing then is rebuilt from the bytes where they can tell, and stays unknown where they cannot.
Without the bytes, a missing property raises.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from tlsrunbook.errors import DecodeError
from tlsrunbook.exchange.cmdlets_certificate import CERTIFICATE_PROPERTIES
from tlsrunbook.exchange.command import Reply
from tlsrunbook.exchange.projected import Item, items, only_item
from tlsrunbook.exchange.state import ExchangeCertificate
from tlsrunbook.secret import SecretBytes

SERVICES = ("IMAP", "POP", "UM", "IIS", "SMTP", "Federation", "UMCallRouter")
STATUSES = (
    "Valid",
    "DateInvalid",
    "Invalid",
    "PendingRequest",
    "RevocationCheckFailure",
    "Revoked",
    "Unknown",
    "Untrusted",
)

#: What Exchange may legitimately lack by version, or what the bootstrap script could not spell.
_NEWER = ("TlsCertificateName", "CertificateRequest", "PublicKeySize")

_THUMBPRINT = re.compile(r"[0-9A-F]{40}\Z")
_TLS_NAME = re.compile(r"<I>(.+?)<S>(.*)\Z", re.DOTALL)
_GET = "Get-ExchangeCertificate"


def decode_certificates(reply: Reply) -> tuple[ExchangeCertificate, ...]:
    """Read ``Get-ExchangeCertificate``.

    Raises:
        DecodeError: The reply holds errors, or an object of an unknown shape, or a thumbprint comes twice.
    """
    found = tuple(_certificate(item) for item in items(reply, _GET))
    if len({certificate.thumbprint for certificate in found}) != len(found):
        raise DecodeError("a thumbprint is listed twice", where=_GET)
    return found


def _certificate(item: Item) -> ExchangeCertificate:
    raw = item.data("RawData") if item.has("RawData") else b""
    # Without the bytes to rebuild from, nothing may be missing but what old versions do not have.
    tolerated = CERTIFICATE_PROPERTIES if raw else _NEWER
    item = Item(item.command, {**dict.fromkeys(tolerated), **item.properties})
    spare = _Rebuilt(item, raw) if raw else None
    issuer, subject, name = _names(item)
    not_before, not_after = _dates(item, spare)
    names = tuple(name.lower() for name in item.maybe_texts("CertificateDomains"))
    return ExchangeCertificate(
        thumbprint=_thumbprint_of(item, raw),
        subject=subject,
        issuer=issuer,
        tls_certificate_name=name,
        not_before=not_before,
        not_after=not_after,
        names=names or (spare.names() if spare else ()),
        services=item.maybe_flags("Services", SERVICES),
        status=item.enum("Status", STATUSES) or "Unknown",
        self_signed=_self_signed(item, spare),
        has_private_key=item.maybe_flag("HasPrivateKey"),
        key_size=item.maybe_number("PublicKeySize") or (spare.key_size() if spare else 0),
        friendly_name=item.maybe_text("FriendlyName") or "",
        raw=raw,
        request=item.maybe_text("CertificateRequest") or "",
    )


def _self_signed(item: Item, spare: _Rebuilt | None) -> bool | None:
    told = item.maybe_flag("IsSelfSigned")
    return spare.self_signed() if told is None and spare else told


def _names(item: Item) -> tuple[str, str, str]:
    """Give issuer, subject and TLS certificate name, as the server spells them.

    The bootstrap script spells the name even where issuer and subject themselves did not cross the wire.
    """
    issuer, subject = item.maybe_text("Issuer") or "", item.maybe_text("Subject") or ""
    match = _TLS_NAME.match(item.maybe_text("TlsCertificateName") or "")
    if not match:  # an empty issuer means that there was nothing to spell it from
        return issuer, subject, ""
    return issuer or match[1], subject or match[2], match[0]


def _dates(item: Item, spare: _Rebuilt | None) -> tuple[datetime, datetime]:
    not_before, not_after = item.maybe_date("NotBefore"), item.maybe_date("NotAfter")
    if spare:
        not_before = not_before or spare.certificate.not_valid_before_utc
        not_after = not_after or spare.certificate.not_valid_after_utc
    if not_before is None or not_after is None:
        raise item.error("NotBefore" if not_before is None else "NotAfter", "is empty, and there is no RawData")
    return not_before, not_after


def _thumbprint_of(item: Item, raw: bytes) -> str:
    computed = thumbprint_of(raw) if raw else ""
    given = item.maybe_text("Thumbprint") or computed
    if not _THUMBPRINT.match(given):
        raise item.error("Thumbprint", "is not 40 upper-case hex digits, and there is no RawData to compute it from")
    if computed and computed != given:
        raise item.error("Thumbprint", "does not belong to RawData")
    return given


def thumbprint_of(der: bytes) -> str:
    """Give the thumbprint: SHA-1 of the DER, 40 upper-case hex digits. It names, it protects nothing."""
    return hashlib.sha1(der, usedforsecurity=False).hexdigest().upper()


class _Rebuilt:
    """What a certificate's own bytes tell, for the properties that did not cross the wire."""

    def __init__(self, item: Item, raw: bytes) -> None:
        try:
            self.certificate = x509.load_der_x509_certificate(raw)
        except ValueError as error:
            raise item.error("RawData", "is not a certificate") from error

    def key_size(self) -> int:
        try:
            key = self.certificate.public_key()
        except ValueError:  # a key of a kind nobody can name: 0 says so
            return 0
        return key.key_size if isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) else 0

    def self_signed(self) -> bool | None:
        """Whether its own key signed it; None for a signature that nobody here can check."""
        if self.certificate.issuer != self.certificate.subject:
            return False
        try:
            self.certificate.verify_directly_issued_by(self.certificate)
        except InvalidSignature:
            return False
        except (ValueError, TypeError, UnsupportedAlgorithm):
            return None
        return True

    def names(self) -> tuple[str, ...]:
        """DNS names: the SAN's, and the common name as Exchange counts it in."""
        try:
            san = self.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            listed = san.get_values_for_type(x509.DNSName)
        except (x509.ExtensionNotFound, ValueError):
            listed = []
        common = (a.value for a in self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME))
        found = [*(name for name in common if isinstance(name, str)), *listed]
        return tuple(dict.fromkeys(name.lower() for name in found))


def decode_request(reply: Reply) -> str:
    """Read the CSR that ``New-ExchangeCertificate -GenerateRequest`` gave as text.

    Raises:
        DecodeError: It did not give one text in PEM armour.
    """
    item = only_item(reply, "New-ExchangeCertificate")
    text = item.text("Value")
    if not re.match(r"\s*-----BEGIN (NEW )?CERTIFICATE REQUEST-----\s", text):
        raise item.error("Value", "does not begin as a certificate request")
    return text


def decode_import(reply: Reply) -> str:
    """Read the thumbprint that ``Import-ExchangeCertificate`` reports; empty when it reports none.

    Exchange does not always fill it in, so compute it from the certificate and use this for comparison only.

    Raises:
        DecodeError: The reply holds errors or something that is not a thumbprint.
    """
    found = {item.maybe_text("Thumbprint") or "" for item in items(reply, "Import-ExchangeCertificate")} - {""}
    if len(found) > 1 or not all(_THUMBPRINT.match(thumbprint) for thumbprint in found):
        raise DecodeError(f"not one thumbprint came: {sorted(found)!r}", where="Import-ExchangeCertificate")
    return next(iter(found), "")


def decode_exportable(reply: Reply, thumbprint: str) -> bool | None:
    """Read whether a private key may leave the server; None when the server does not tell.

    Raises:
        DecodeError: The reply holds errors or is about another certificate.
    """
    item = only_item(reply, "Get-ExchangeCertificate")
    if item.has("Thumbprint") and item.maybe_text("Thumbprint") != thumbprint:
        raise item.error("Thumbprint", f"is not {thumbprint}")
    return item.maybe_flag("PrivateKeyExportable") if item.has("PrivateKeyExportable") else None


def decode_export(reply: Reply) -> SecretBytes:
    """Read the PFX that ``Export-ExchangeCertificate`` gave, which arrived as a secret.

    Raises:
        DecodeError: It gave none.
    """
    return only_item(reply, "Export-ExchangeCertificate").secret_data("FileData")


def decode_store(reply: Reply) -> tuple[tuple[str, bytes], ...]:
    """Read the intermediates of the server's store.

    Returns:
        Pairs of thumbprint and DER.

    Raises:
        DecodeError: The reply holds errors, an entry is empty, or a thumbprint does not belong to its bytes.
    """
    return tuple(_store_entry(item) for item in items(reply, "Get-StoreCertificate"))


def _store_entry(item: Item) -> tuple[str, bytes]:
    raw = item.data("RawData")
    if not raw:
        raise item.error("RawData", "is empty")
    return _thumbprint_of(item, raw), raw
