"""Rules about certificates and requests."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tlsrunbook.policy.imported_keys import certificates_in, is_key_held, keys_held
from tlsrunbook.policy.preflight_case import Case, Rule
from tlsrunbook.policy.tls_names import same_name

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*\Z", re.IGNORECASE)
_KEY_SIZES = (2048, 4096)
_NEW, _IMPORT = "New-ExchangeCertificate", "Import-ExchangeCertificate"
_ENABLE, _REMOVE = "Enable-ExchangeCertificate", "Remove-ExchangeCertificate"


def _request_services(case: Case) -> Iterator[str]:
    if case.on("GenerateRequest") and case.gives("Services"):
        yield "a certificate request takes no Services; they are given to the certificate later"


def _binaryencoded(case: Case) -> Iterator[str]:
    if case.on("BinaryEncoded") and not case.on("GenerateRequest"):
        yield "BinaryEncoded is about requests, and the command makes none"


def _friendlyname(case: Case) -> Iterator[str]:
    name = case.text("FriendlyName")
    if len(name) >= 64:
        yield f"the friendly name {name!r} has {len(name)} characters; Exchange takes 63"


def _domainname(case: Case) -> Iterator[str]:
    for name in case.texts("DomainName"):
        if len(name) > 255:
            yield f"the name {name[:40]}… has {len(name)} characters; Exchange takes 255"
        elif not _DOMAIN.match(name):
            yield f"{name!r} is not a DNS name: letters, digits and hyphens, dots between, '*' in front only"


def _keysize(case: Case) -> Iterator[str]:
    size = case.value("KeySize")
    if size is None or case.later("KeySize") or size in _KEY_SIZES:
        return
    reason = "no public CA signs RSA keys below 2048 bits" if size == 1024 else "Exchange makes 2048 or 4096 bits"
    yield f"the key size {size!r} is refused: {reason}"


def _identity_server(case: Case) -> Iterator[str]:
    if case.gives("Identity") and case.gives("Server"):
        yield "Identity and Server are given together; Identity names the server itself"


def _enable_privatekey(case: Case) -> Iterator[str]:
    thumbprint = case.thumbprint
    if not thumbprint:
        return
    certificate = case.state.certificate(thumbprint)
    if certificate is None:
        yield (
            f"{thumbprint} is not listed on {case.state.name}: it is not installed there, or its private key is "
            "missing (Exchange would say PrivateKeyMissing)"
        )
    elif certificate.pending:
        yield f"{thumbprint} is a pending request of {case.state.name}, not a certificate"
    elif certificate.has_private_key is False:
        yield f"{thumbprint} has no private key on {case.state.name} (Exchange would say PrivateKeyMissing)"


def _import_no_key(case: Case) -> Iterator[str]:
    data = case.value("FileData") or case.value("Data")  # on 2007 the bytes go into a file first
    if not isinstance(data, bytes) or case.gives("Password"):
        return
    found, held = certificates_in(data), keys_held(case.state)
    if found and held is not None and not any(is_key_held(certificate, held) for certificate in found):
        yield (
            f"{case.state.name} holds no private key for any certificate in the file: Exchange would import it without "
            "an error, not list it, and refuse to enable it"
        )


def _remove_internal(case: Case) -> Iterator[str]:
    if case.thumbprint and case.thumbprint == case.state.internal_transport_thumbprint:
        yield f"{case.thumbprint} is the default SMTP certificate of {case.state.name}; without it transport stops"


def _remove_tagged(case: Case) -> Iterator[str]:
    certificate = case.state.certificate(case.thumbprint)
    if certificate is None or not certificate.tls_certificate_name:
        return
    name = certificate.tls_certificate_name
    tagged = [c.name for c in case.state.send_connectors if same_name(c.tls_certificate_name or "", name)]
    if tagged:
        yield f"{case.thumbprint} is named by the send connectors {', '.join(tagged)}"


def _null_identity(case: Case) -> Iterator[str]:
    for name in ("Identity", "Thumbprint"):
        if case.gives(name) and not case.later(name) and not case.text(name).strip():
            yield f"{case.command.name} is given an empty {name}, which means every object there is"


CERTIFICATE_RULES = (
    Rule(
        "cert-request-services",
        "A certificate request takes no services.",
        "leave Services out and enable the certificate when it is installed",
        (_NEW,),
        _request_services,
    ),
    Rule(
        "cert-binaryencoded",
        "BinaryEncoded is for requests only.",
        "add GenerateRequest, or leave BinaryEncoded out",
        (_NEW,),
        _binaryencoded,
    ),
    Rule(
        "cert-friendlyname",
        "A friendly name is shorter than 64 characters.",
        "shorten the friendly name",
        (_NEW, _IMPORT),
        _friendlyname,
    ),
    Rule(
        "cert-domainname",
        "Each name of a request is a DNS name of at most 255 characters, with '*' in front only.",
        "correct the name in the site file",
        (_NEW,),
        _domainname,
    ),
    Rule(
        "cert-keysize",
        "A request's RSA key has 2048 or 4096 bits; no public CA signs 1024 any more.",
        "set the key size to 2048 or 4096",
        (_NEW,),
        _keysize,
    ),
    Rule(
        "cert-identity-server",
        "A certificate is named by Identity or by Thumbprint and Server, not by Identity and Server.",
        "use Thumbprint with Server",
        ("*-ExchangeCertificate",),
        _identity_server,
    ),
    Rule(
        "cert-enable-privatekey",
        "A certificate that is given a service is listed on the server and has its private key there.",
        "import it on the server that made the request, or as PFX",
        (_ENABLE,),
        _enable_privatekey,
    ),
    Rule(
        "cert-import-no-key",
        "A CA's answer is imported on the server that holds the key of its request.",
        "import it on the server that made the request; check which server that was",
        (_IMPORT, "Set-ServerFile"),
        _import_no_key,
    ),
    Rule(
        "cert-remove-internal",
        "The default SMTP certificate is not removed.",
        "make another certificate the default SMTP certificate first",
        (_REMOVE,),
        _remove_internal,
    ),
    Rule(
        "cert-remove-tagged",
        "A certificate that a send connector names is not removed, nor is one of the same issuer and subject.",
        "clear the TLS certificate name of these send connectors first, and set it again after the removal",
        (_REMOVE,),
        _remove_tagged,
    ),
    Rule(
        "cert-get-null-identity",
        "No command has an empty identity: Exchange takes it for all objects.",
        "find out why the identity is empty; nothing was sent",
        ("Get-*", "Set-*", "Remove-*", "*-ExchangeCertificate"),
        _null_identity,
    ),
)
