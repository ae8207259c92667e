"""``Import-ExchangeCertificate``: completes a pending request, takes a PFX, and swallows what has no key."""

from __future__ import annotations

from collections.abc import Iterable

from cryptography import x509

from tlsrunbook.lab.exchange.call import Call
from tlsrunbook.lab.exchange.certificate_files import Content, UnreadableFile, WrongPassword, read_content
from tlsrunbook.lab.exchange.certificate_object import certificate_object
from tlsrunbook.lab.exchange.failure import not_simulated
from tlsrunbook.lab.exchange.given import SecureText
from tlsrunbook.lab.exchange.psobject import PSObject
from tlsrunbook.lab.exchange.stores import StoredCertificate, is_self_signed, thumbprint_of

_CRYPTOGRAPHIC = "System.Security.Cryptography.CryptographicException"


def import_certificate(call: Call) -> Iterable[PSObject]:
    """Install a CA's answer or a PFX.

    A certificate whose key is not here imports without a word, is not listed, and cannot be enabled.
    """
    call.check_server()
    content = _content(call)
    leaf, pending = _leaf(call, content)
    thumbprint = thumbprint_of(leaf)
    if thumbprint in call.server.stores.my:
        message = f"Cannot import certificate. A certificate with the thumbprint {thumbprint} already exists."
        raise call.rpc_error(message, "InvalidOperation")
    call.confirm("Are you sure you want to perform this action?")
    if call.bound.what_if:
        return []
    entry = _entry(call, content, leaf, pending)
    stores = call.server.stores
    stores.add(entry)
    if pending is not None:
        stores.pending.pop(pending.thumbprint)
    if content.bundle:
        _keep_intermediates(call, content, leaf)
    return [certificate_object(call.server, entry)]


def _content(call: Call) -> Content:
    if "Instance" in call.bound:
        raise not_simulated(f"{call.cmdlet} -Instance, which is deprecated")
    path = call.get("Path") or call.get("FileName")
    data = call.server.read_file(str(path)) if path else call.get("FileData")
    if data is None:
        message = f"Could not find file '{path}'."
        raise call.error(message, "ObjectNotFound", kind="System.IO.FileNotFoundException", target=str(path))
    password = call.get("Password")
    try:
        return read_content(data, password.value if isinstance(password, SecureText) else None)
    except UnreadableFile as error:
        raise call.rpc_error("The source data is corrupted or not properly Base64 encoded.", "ReadError") from error
    except WrongPassword as error:
        message = "The specified network password is not correct."
        raise call.error(message, "SecurityError", kind=_CRYPTOGRAPHIC) from error


def _leaf(call: Call, content: Content) -> tuple[x509.Certificate, StoredCertificate | None]:
    """Give the certificate that is meant, and the pending request it answers."""
    if content.key is not None:
        return content.certificates[0], None
    for certificate in content.certificates:
        pending = call.server.stores.pending_for(certificate)
        if pending is not None:
            return certificate, pending
    # PKCS #7 keeps its certificates in no order: the leaf is the one that names no other as its child.
    issuers = {certificate.issuer for certificate in content.certificates if not is_self_signed(certificate)}
    leaves = [certificate for certificate in content.certificates if certificate.subject not in issuers]
    return (leaves or content.certificates)[0], None


def _entry(
    call: Call, content: Content, leaf: x509.Certificate, pending: StoredCertificate | None
) -> StoredCertificate:
    friendly = call.get("FriendlyName")
    if pending is not None:
        return StoredCertificate(leaf, pending.key, friendly or pending.friendly_name, pending.exportable)
    return StoredCertificate(leaf, content.key, friendly or "", call.bound.on("PrivateKeyExportable"))


def _keep_intermediates(call: Call, content: Content, leaf: x509.Certificate) -> None:
    """Put a bundle's other certificates where Windows puts them; a root is not trusted by being imported."""
    for certificate in content.certificates:
        if certificate != leaf and not is_self_signed(certificate):
            call.server.stores.ca[thumbprint_of(certificate)] = certificate
