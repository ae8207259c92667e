r"""The bootstrap script's own commands over the ``LocalMachine`` certificate stores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cryptography import x509

from tlsrunbook.lab.exchange.call import Call
from tlsrunbook.lab.exchange.failure import CmdletError
from tlsrunbook.lab.exchange.names import dn_text, tls_certificate_name
from tlsrunbook.lab.exchange.psobject import PSObject
from tlsrunbook.lab.exchange.stores import StoredCertificate, der_of, thumbprint_of
from tlsrunbook.lab.exchange.table import Parameter

_SET = {"__AllParameterSets": True}
_STORE = Parameter("StoreName", "String", _SET)

#: Their parameters, which are not in the table, because they are not Exchange's.
STORE_PARAMETERS: Mapping[str, Mapping[str, Parameter]] = {
    "Get-StoreCertificate": {"StoreName": _STORE},
    "Add-StoreCertificate": {"StoreName": _STORE, "RawData": Parameter("RawData", "Byte[]", _SET)},
    "Remove-StoreCertificate": {"StoreName": _STORE, "Thumbprint": Parameter("Thumbprint", "String", _SET)},
}

_CRYPTOGRAPHIC = "System.Security.Cryptography.CryptographicException"


def get_store(call: Call) -> Iterable[PSObject]:
    """List a store as X509Certificate2 objects."""
    return [_object(certificate, has_key=has_key) for certificate, has_key in _content(call)]


def add_store(call: Call) -> Iterable[PSObject]:
    """Put a certificate into a store; one that is there already stays."""
    _content(call)
    stores = call.server.stores
    try:
        certificate = x509.load_der_x509_certificate(call.get("RawData"))
    except ValueError as error:
        inner = 'Exception calling ".ctor" with "1" argument(s): "Cannot find the requested object.\r\n"'
        raise CmdletError(inner, _CRYPTOGRAPHIC, "InvalidOperation", "ConstructorInvokedThrowException") from error
    thumbprint = thumbprint_of(certificate)
    name = _name(call)
    if name == "my":
        stores.my.setdefault(thumbprint, StoredCertificate(certificate, None))
    else:
        (stores.ca if name == "ca" else stores.root)[thumbprint] = certificate
    return []


def remove_store(call: Call) -> Iterable[PSObject]:
    """Take a certificate out of a store; one that is not there is no error."""
    _content(call)
    stores = call.server.stores
    thumbprint = "".join(str(call.get("Thumbprint")).split()).upper()
    if _name(call) == "my":
        stores.my.pop(thumbprint, None)
    else:
        (stores.ca if _name(call) == "ca" else stores.root).pop(thumbprint, None)
    return []


def _name(call: Call) -> str:
    return str(call.get("StoreName")).lower()


def _content(call: Call) -> list[tuple[x509.Certificate, bool]]:
    """Give a store's certificates and whether each has its key.

    Raises:
        CmdletError: There is no such store.
    """
    stores = call.server.stores
    if _name(call) == "my":
        return [(entry.certificate, entry.key is not None) for entry in stores.my.values()]
    found = {"ca": stores.ca, "root": stores.root}.get(_name(call))
    if found is None:
        message = 'Exception calling "Open" with "1" argument(s): "The system cannot find the file specified.\r\n"'
        raise CmdletError(message, _CRYPTOGRAPHIC, "NotSpecified", "CryptographicException")
    return [(certificate, False) for certificate in found.values()]


def _object(certificate: x509.Certificate, *, has_key: bool) -> PSObject:
    properties = {
        "Thumbprint": thumbprint_of(certificate),
        "Subject": dn_text(certificate.subject),
        "Issuer": dn_text(certificate.issuer),
        "TlsCertificateName": tls_certificate_name(certificate),
        "NotBefore": certificate.not_valid_before_utc,
        "NotAfter": certificate.not_valid_after_utc,
        "RawData": der_of(certificate),
        "HasPrivateKey": has_key,
    }
    return PSObject("X509Certificate2", properties, {"Thumbprint": properties["Thumbprint"]})
