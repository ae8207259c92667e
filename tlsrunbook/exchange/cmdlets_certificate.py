"""Builders for the certificate cmdlets, and for the three store commands that the bootstrap script implements."""

from __future__ import annotations

from dataclasses import replace

from tlsrunbook.errors import UsageError
from tlsrunbook.exchange.command import Command, Later, Value
from tlsrunbook.exchange.dialect import checked_thumbprint, knows, make, on_server, settings_for, unknown_parameter
from tlsrunbook.exchange.version import Target
from tlsrunbook.secret import Secret, SecretBytes

#: What ``decode_certificates`` needs.
CERTIFICATE_PROPERTIES = (
    "Thumbprint",
    "Subject",
    "Issuer",
    "TlsCertificateName",
    "NotBefore",
    "NotAfter",
    "CertificateDomains",
    "Services",
    "Status",
    "IsSelfSigned",
    "HasPrivateKey",
    "PublicKeySize",
    "FriendlyName",
    "RawData",
    "CertificateRequest",
)

_STORE = "CA"


def get_certificates(target: Target) -> Command:
    """List all certificates and pending requests of the server."""
    name = "Get-ExchangeCertificate"
    return make(name, on_server(target, name), CERTIFICATE_PROPERTIES)


def get_certificate(target: Target, thumbprint: str | Later) -> Command:
    """Get one certificate or pending request.

    Raises:
        ValueError: The thumbprint is not one. An empty one would list everything.
    """
    name = "Get-ExchangeCertificate"
    parameters: dict[str, Value] = {**on_server(target, name), "Thumbprint": checked_thumbprint(thumbprint)}
    return make(name, parameters, CERTIFICATE_PROPERTIES)


def get_exportable(target: Target, thumbprint: str) -> Command:
    """Ask whether the private key of a certificate may leave the server."""
    name = "Get-ExchangeCertificate"
    parameters: dict[str, Value] = {**on_server(target, name), "Thumbprint": checked_thumbprint(thumbprint)}
    return make(name, parameters, ("Thumbprint", "PrivateKeyExportable"))


def new_certificate_request(
    target: Target,
    subject: str,
    names: tuple[str, ...],
    *,
    key_size: int = 2048,
    exportable: bool = False,
    friendly_name: str = "",
    path: str = "",
) -> Command:
    """Make a key and a CSR on the server; the CSR comes back as text (2007: in the file at ``path``).

    Args:
        target: The server.
        subject: X.500 name such as ``C=DE, O=Example, CN=mail.example.com``.
        names: DNS names for the SAN.
        key_size: RSA bits.
        exportable: Whether the private key may leave the server later.
        friendly_name: Shown in lists; Exchange's own default when empty.
        path: File on the server, for Exchange 2007, which gives no text.

    Raises:
        ValueError: There is no subject or no name, or ``path`` does not fit the version.
    """
    name = "New-ExchangeCertificate"
    if not subject.strip() or not all(names) or not names:
        raise ValueError("a certificate request needs a subject and at least one DNS name")
    to_file = not gives_csr_as_text(target)
    if to_file != bool(path):
        raise ValueError(
            f"{target.name}: " + ("2007 writes the CSR to a file" if to_file else "only 2007 takes a path")
        )
    parameters: dict[str, Value] = {
        **on_server(target, name),
        "GenerateRequest": True,
        "SubjectName": subject,
        "DomainName": names,
        "KeySize": key_size,
        "PrivateKeyExportable": exportable,
        **({"FriendlyName": friendly_name} if friendly_name else {}),
        **({"Path": path} if to_file else {}),
        "Force": True,
    }
    return make(name, parameters, ("Thumbprint",) if to_file else ("Value",))


def gives_csr_as_text(target: Target) -> bool:
    """Whether ``New-ExchangeCertificate -GenerateRequest`` answers with the CSR's text (all but 2007)."""
    name = "New-ExchangeCertificate"
    if name in target.parameters:
        return not target.knows(name, "Path")
    return target.version.major > 8


def import_certificate(
    target: Target,
    data: bytes | SecretBytes | Later,
    *,
    exportable: bool | None = None,
    friendly_name: str = "",
    password: Secret | Later | None = None,
    path: str = "",
) -> Command:
    """Install a CA's answer, or a PFX when a password is given.

    Args:
        target: The server; for a CA's answer the one that made the request.
        data: The file's bytes.
        exportable: Whether the key may leave later; None leaves it to Exchange.
        friendly_name: Exchange's own default when empty.
        password: The PFX's password.
        path: Where the file lies on the server, for Exchange 2007, which takes no bytes.

    Raises:
        ValueError: There are no bytes, or a path where the server takes bytes.
        UsageError: Exchange 2007 and no path.
    """
    name = "Import-ExchangeCertificate"
    if data == b"":
        raise ValueError("there is nothing to import: the file is empty")
    content: dict[str, Value]
    if takes_certificate_as_bytes(target):
        content = settings_for(target, name, {"FileData": data})
    else:
        content = {"Path": _path_of_2007(target, name, path)}
    if path and "Path" not in content:
        raise ValueError(f"{target.name}: only Exchange 2007 takes a path")
    options: dict[str, Value] = {
        **({"FriendlyName": friendly_name} if friendly_name else {}),
        **({"PrivateKeyExportable": exportable} if exportable is not None else {}),
        **({"Password": password} if password is not None else {}),
    }
    parameters = {**on_server(target, name), **content, **settings_for(target, name, options)}
    return make(name, parameters, ("Thumbprint",))


def takes_certificate_as_bytes(target: Target) -> bool:
    """Whether ``Import-ExchangeCertificate`` takes the file's bytes (all but 2007).

    Where an account's role hides that parameter there is no path either, and the builder says so.
    """
    name = "Import-ExchangeCertificate"
    return knows(target, name, "FileData") or not knows(target, name, "Path")


def _path_of_2007(target: Target, name: str, path: str) -> str:
    if path:
        return path
    raise UsageError(
        f"{name} takes no bytes on Exchange 2007",
        where=target.name,
        todo="copy the certificate file to the server and give its path there",
    )


def export_certificate(target: Target, thumbprint: str | Later, password: Secret | Later) -> Command:
    """Export a certificate with its key as PFX bytes; what comes out is a secret."""
    name = "Export-ExchangeCertificate"
    parameters: dict[str, Value] = {
        **on_server(target, name),
        "Thumbprint": checked_thumbprint(thumbprint),
        "BinaryEncoded": True,
        "Password": password,
    }
    return replace(make(name, parameters, ("FileData",)), secret=True)


def enable_smtp(target: Target, thumbprint: str | Later) -> Command:
    """Give the certificate the SMTP service. It becomes the default SMTP certificate too: ``-Force`` answers Yes."""
    name = "Enable-ExchangeCertificate"
    parameters: dict[str, Value] = {
        **on_server(target, name),
        "Thumbprint": checked_thumbprint(thumbprint),
        "Services": "SMTP",
        **_force(target, name),
    }
    return make(name, parameters)


def enable_smtp_piped(target: Target) -> Command:
    """Give the SMTP service to the certificate that comes down the pipeline; second of two commands only."""
    name = "Enable-ExchangeCertificate"
    parameters: dict[str, Value] = {"Services": "SMTP", **_force(target, name)}
    return make(name, parameters)


def _force(target: Target, name: str) -> dict[str, Value]:
    if knows(target, name, "Force"):
        return {"Force": True}
    if target.version.major == 8:
        return {}
    # Without it the question about the default SMTP certificate would wait for a person.
    raise unknown_parameter(target, name, "Force")


def remove_certificate(target: Target, thumbprint: str | Later) -> Command:
    """Remove a certificate with its key, or a pending request with its key."""
    name = "Remove-ExchangeCertificate"
    parameters: dict[str, Value] = {
        **on_server(target, name),
        "Thumbprint": checked_thumbprint(thumbprint),
        "Confirm": False,
    }
    return make(name, parameters)


def get_store_certificates(target: Target) -> Command:  # noqa: ARG001 - builders share one shape
    r"""List the intermediates in ``LocalMachine\\CA``; the bootstrap script's own command, not Exchange's."""
    return Command.of("Get-StoreCertificate", select=("Thumbprint", "RawData"), StoreName=_STORE)


def add_store_certificate(target: Target, der: bytes | Later) -> Command:  # noqa: ARG001
    r"""Put one intermediate into ``LocalMachine\\CA``; the bootstrap script's own command, not Exchange's.

    Raises:
        ValueError: There are no bytes.
    """
    if der == b"":
        raise ValueError("there is no certificate to add: it is empty")
    return Command.of("Add-StoreCertificate", StoreName=_STORE, RawData=der)


def remove_store_certificate(target: Target, thumbprint: str | Later) -> Command:  # noqa: ARG001
    r"""Take one intermediate out of ``LocalMachine\\CA``; the bootstrap script's own command, not Exchange's."""
    return Command.of("Remove-StoreCertificate", StoreName=_STORE, Thumbprint=checked_thumbprint(thumbprint))
