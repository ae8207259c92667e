"""``New-ExchangeCertificate``: a CSR with its key, or a self-signed certificate."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cryptography import x509

from tlsrunbook.lab.exchange.call import Call
from tlsrunbook.lab.exchange.certificate_enable import assign
from tlsrunbook.lab.exchange.certificate_object import certificate_object
from tlsrunbook.lab.exchange.given import services
from tlsrunbook.lab.exchange.issuing import request_der, request_pem, self_signed, server_subject
from tlsrunbook.lab.exchange.names import common_name, unique
from tlsrunbook.lab.exchange.psobject import PSObject
from tlsrunbook.lab.exchange.stores import StoredCertificate

_NAME = re.compile(r"(?:\*\.)?[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\Z")
_INCLUDES = ("IncludeAcceptedDomains", "IncludeAutoDiscover", "IncludeServerFQDN", "IncludeServerNetBIOSName")


def new_certificate(call: Call) -> Iterable[PSObject]:
    """Make what was asked for; the private key stays on the server."""
    call.check_server()
    request = call.bound.on("GenerateRequest")
    if call.bound.on("BinaryEncoded") and not request:
        raise call.error("The BinaryEncoded parameter can only be used with the GenerateRequest parameter.")
    old: StoredCertificate | None = call.get("Instance")
    subject = call.get("SubjectName") or (old.certificate.subject if old else server_subject(call.server.name))
    names = _names(call, subject, old)
    friendly = call.get("FriendlyName") or (old.friendly_name if old else "") or "Microsoft Exchange"
    if len(friendly) >= 64:
        raise call.error("The friendly name must be shorter than 64 characters.", "InvalidArgument")
    path = _target_file(call) if request else ""
    call.confirm("Are you sure you want to perform this action?")
    if call.bound.what_if:
        return []
    if request:
        return _request(call, subject, names, friendly, path)
    return _certificate(call, subject, names, friendly)


def _names(call: Call, subject: x509.Name, old: StoredCertificate | None) -> tuple[str, ...]:
    """Give the subject's CN and the SAN's names; a CN that can be no host name stays out."""
    cn = common_name(subject)
    found = [cn] if _NAME.match(cn) else []
    given = list(call.get("DomainName") or ()) or (list(old.names) if old else [])
    for name in given:
        if len(name) > 255 or not _NAME.match(name):
            message = f"The domain name '{name}' isn't valid. It can contain only letters, digits and hyphens."
            raise call.error(message, "InvalidArgument", target=name)
    included = _included(call)
    if not given and not any(call.bound.on(switch) for switch in _INCLUDES):
        included = [call.server.name, call.server.fqdn]
    return unique([*found, *given, *included])


def _included(call: Call) -> list[str]:
    server = call.server
    domains = [domain.name for domain in server.accepted_domains() if not domain.name.startswith("*")]
    return [
        *(domains if call.bound.on("IncludeAcceptedDomains") else []),
        *([f"autodiscover.{domain}" for domain in domains] if call.bound.on("IncludeAutoDiscover") else []),
        *([server.fqdn] if call.bound.on("IncludeServerFQDN") else []),
        *([server.name] if call.bound.on("IncludeServerNetBIOSName") else []),
    ]


def _target_file(call: Call) -> str:
    """Give the file the CSR goes to, empty when it comes back as text."""
    path = str(call.get("Path") or call.get("RequestFile") or "")
    if not path and call.server.build.product == "2007":
        raise call.error(
            "A file name for the certificate request must be given with the Path parameter.", "InvalidArgument"
        )
    if path and call.server.has_file(path) and not call.bound.on("Force"):
        raise call.error(f"The file '{path}' already exists.", "ResourceExists", kind="System.IO.IOException")
    return path


def _request(call: Call, subject: x509.Name, names: tuple[str, ...], friendly: str, path: str) -> Iterable[PSObject]:
    server = call.server
    key = server.new_key(call.get("KeySize", 2048))
    der = request_der(key, subject, names, server.fqdn, sha1=server.build.product in ("2007", "2010"))
    entry = StoredCertificate(
        certificate=self_signed(key, subject, names, server.now()),
        key=key,
        friendly_name=friendly,
        exportable=call.bound.on("PrivateKeyExportable"),
        request=der,
        names=names,
    )
    server.stores.add(entry)
    binary = call.bound.on("BinaryEncoded")
    content = der if binary else request_pem(der).encode("ascii")
    if path:
        server.write_file(path, content)
        return [certificate_object(server, entry)] if server.build.product == "2007" else []
    if binary:
        return [PSObject("BinaryFileDataObject", {"FileData": content}, {})]
    return [PSObject.text(content.decode("ascii"))]


def _certificate(call: Call, subject: x509.Name, names: tuple[str, ...], friendly: str) -> Iterable[PSObject]:
    server = call.server
    key = server.new_key(call.get("KeySize", 2048))
    wanted = call.get("Services", services(("IMAP", "POP", "SMTP")))
    entry = StoredCertificate(
        certificate=self_signed(key, subject, names, server.now()),
        key=key,
        friendly_name=friendly,
        exportable=call.bound.on("PrivateKeyExportable"),
    )
    assign(call, entry, wanted)
    server.stores.add(entry)
    return [certificate_object(server, entry)]
