"""How an entry of the certificate stores looks as an ExchangeCertificate object, and how cmdlets find one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tlsrunbook.exchange.state import ExchangeCertificate
from tlsrunbook.lab.exchange.call import Call
from tlsrunbook.lab.exchange.failure import CmdletError
from tlsrunbook.lab.exchange.given import services
from tlsrunbook.lab.exchange.issuing import request_base64
from tlsrunbook.lab.exchange.psobject import PSObject
from tlsrunbook.lab.exchange.stores import ChainEnd, StoredCertificate, der_of

if TYPE_CHECKING:
    from tlsrunbook.lab.exchange.world import LabServer

_LETTERS = (("IMAP", "I"), ("POP", "P"), ("UM", "U"), ("IIS", "W"), ("SMTP", "S"), ("Federation", "F"))
_ROOT_TYPES = {ChainEnd.SELF_SIGNED: "None", ChainEnd.TRUSTED: "ThirdParty"}


def certificate_object(server: LabServer, entry: StoredCertificate) -> PSObject:
    """Show an entry as Exchange does. ``TlsCertificateName`` is what the bootstrap script adds on the server."""
    certificate = entry.certificate
    end = server.stores.chain(certificate).end
    properties: dict[str, object] = {
        "Archived": False,
        "CertificateDomains": entry.names,
        "CertificateRequest": request_base64(entry.request) if entry.pending else None,
        "DnsNameList": entry.names,
        "FriendlyName": entry.friendly_name,
        "HasPrivateKey": entry.key is not None,
        "IsSelfSigned": entry.self_signed,
        "Issuer": entry.issuer,
        "NotAfter": certificate.not_valid_after_utc,
        "NotBefore": certificate.not_valid_before_utc,
        "PrivateKeyExportable": entry.exportable and entry.key is not None,
        "PublicKeySize": _key_size(certificate),
        "RawData": der_of(certificate),
        "RootCAType": "Unknown" if entry.pending else _ROOT_TYPES.get(end, "Unknown"),
        "SerialNumber": _serial(certificate),
        "Services": services(entry.services),
        "ServicesStringForm": "".join(letter if name in entry.services else "." for name, letter in _LETTERS),
        "Status": server.stores.status(entry, server.now()),
        "Subject": entry.subject,
        "Thumbprint": entry.thumbprint,
        "TlsCertificateName": entry.tls_certificate_name,
        "Version": 3,
    }
    if entry.saved:
        properties |= _as_saved(entry.saved, entry)
    if server.build.product == "2007":
        # General knowledge, as the facts list one shape for all: the CSR is in its file and nowhere else.
        del properties["CertificateRequest"]
    if server.build.product not in ("2007", "2010"):
        properties["Identity"] = f"{server.fqdn}\\{entry.thumbprint}"
    pipeline = {"Thumbprint": entry.thumbprint, "Instance": entry}
    return PSObject("ExchangeCertificate", properties, pipeline)


def _as_saved(saved: ExchangeCertificate, entry: StoredCertificate) -> dict[str, object]:
    """Show what the server that it was read from showed, unknown things included."""
    return {
        "CertificateDomains": saved.names,
        "HasPrivateKey": saved.has_private_key,
        "IsSelfSigned": saved.self_signed,
        "Issuer": saved.issuer,
        "PublicKeySize": saved.key_size or None,
        "RawData": saved.raw or None,
        "Services": None if saved.services is None and not entry.services else services(entry.services),
        "Subject": saved.subject,
        "TlsCertificateName": saved.tls_certificate_name or None,
    }


def _serial(certificate: x509.Certificate) -> str:
    text = f"{certificate.serial_number:X}"
    return text if len(text) % 2 == 0 else f"0{text}"


def _key_size(certificate: x509.Certificate) -> int:
    key = certificate.public_key()
    return key.key_size if isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) else 0


def wanted_thumbprint(call: Call) -> str:
    """Give the thumbprint that ``-Thumbprint`` or ``-Identity`` names, empty when neither does.

    Raises:
        CmdletError: ``-Identity`` names another server.
    """
    text = str(call.get("Thumbprint") or call.get("Identity") or "")
    server, backslash, thumbprint = text.rpartition("\\")
    if backslash and not call.server.is_called(server):
        raise call.other_server(server)
    return "".join(thumbprint.split()).upper()


def no_such_certificate(call: Call, thumbprint: str) -> CmdletError:
    """There is no certificate of this thumbprint."""
    return call.rpc_error(f"The certificate with thumbprint {thumbprint} was not found.", "InvalidArgument")
