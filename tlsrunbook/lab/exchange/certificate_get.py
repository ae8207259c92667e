"""``Get-`` and ``Export-ExchangeCertificate``."""

from __future__ import annotations

import base64
from collections.abc import Iterable

from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from tlsrunbook.lab.exchange.call import Call
from tlsrunbook.lab.exchange.certificate_object import certificate_object, no_such_certificate, wanted_thumbprint
from tlsrunbook.lab.exchange.given import SecureText
from tlsrunbook.lab.exchange.issuing import request_pem
from tlsrunbook.lab.exchange.names import name_matches
from tlsrunbook.lab.exchange.psobject import PSObject
from tlsrunbook.lab.exchange.selection import preferred_first
from tlsrunbook.lab.exchange.stores import StoredCertificate


def get_certificates(call: Call) -> Iterable[PSObject]:
    """List certificates with a private key and pending requests.

    ``-Thumbprint $null`` and an ``-Identity`` that is null or unknown list everything.
    """
    call.check_server()
    server = call.server
    entries = list(server.stores.listed())
    thumbprint = wanted_thumbprint(call)
    if "Instance" in call.bound:
        thumbprint = call.get("Instance").thumbprint
    if thumbprint:
        found = [entry for entry in entries if entry.thumbprint == thumbprint]
        if not found and not call.get("Identity"):
            raise no_such_certificate(call, thumbprint)
        entries = found or entries
    wanted = call.get("DomainName")
    if wanted:
        entries = [e for e in entries if any(name_matches(own, name) for own in e.names for name in wanted)]
        entries = preferred_first(server.stores, entries, server.now())
    shown = [certificate_object(server, entry) for entry in entries]
    return [_raw_only(item) for item in shown] if server.faults.hits("certificates-raw-only", server.name) else shown


def _raw_only(item: PSObject) -> PSObject:
    """Give what crosses PowerShell remoting where Exchange's types are not loaded."""
    return PSObject(item.kind, {"RawData": item.properties["RawData"]}, item.pipeline)


def export_certificate(call: Call) -> Iterable[PSObject]:
    """Export a certificate with its key as PFX, or a pending request as its CSR."""
    call.check_server()
    stores = call.server.stores
    thumbprint = wanted_thumbprint(call)
    entry = stores.my.get(thumbprint) or stores.pending.get(thumbprint)
    if entry is None:
        raise no_such_certificate(call, thumbprint)
    call.confirm("Are you sure you want to perform this action?")
    if call.bound.what_if:
        return []
    content = request_pem(entry.request).encode("ascii") if entry.pending else _pfx(call, entry)
    path = call.get("FileName") or call.get("Path")
    if path:
        call.server.write_file(str(path), content)
        return []
    if call.bound.on("BinaryEncoded"):
        return [PSObject("BinaryFileDataObject", {"FileData": content}, {})]
    return [PSObject.text(content.decode() if entry.pending else base64.b64encode(content).decode("ascii"))]


def _pfx(call: Call, entry: StoredCertificate) -> bytes:
    if entry.key is None or not entry.exportable:
        message = f"The private key of the certificate with thumbprint {entry.thumbprint} can't be exported."
        raise call.rpc_error(message, "InvalidOperation")
    password = call.get("Password")
    if not isinstance(password, SecureText) or not password.value:
        raise call.error("A password is needed to export a certificate with its private key.", "InvalidArgument")
    chain = call.server.stores.chain(entry.certificate).intermediates
    return pkcs12.serialize_key_and_certificates(
        (entry.friendly_name or entry.thumbprint).encode(),
        entry.key,
        entry.certificate,
        chain,
        BestAvailableEncryption(password.value.encode()),
    )
