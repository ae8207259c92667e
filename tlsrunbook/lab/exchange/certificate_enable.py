"""``Enable-`` and ``Remove-ExchangeCertificate``: services add up, and the default SMTP certificate is guarded."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from tlsrunbook.lab.exchange.call import Call
from tlsrunbook.lab.exchange.certificate_object import no_such_certificate, wanted_thumbprint
from tlsrunbook.lab.exchange.given import Flags
from tlsrunbook.lab.exchange.names import same_identifier
from tlsrunbook.lab.exchange.psobject import PSObject
from tlsrunbook.lab.exchange.stores import StoredCertificate

_DNS_NAME = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\Z")
_INTERNAL = (
    "The internal transport certificate cannot be removed because that would cause the Microsoft Exchange Transport "
    "service to stop. To replace the internal transport certificate, create a new certificate. The new certificate "
    "will automatically become the internal transport certificate. You can then remove the existing certificate."
)
_TAGGED = (
    "These certificates are tagged with following Send Connectors : {names}. Removing and replacing certificates from "
    "Send Connector would break the mail flow. If you still want to proceed then replace or remove these certificates "
    "from Send Connector and then try this command."
)


def enable(call: Call) -> Iterable[PSObject]:
    """Give a certificate services, which it keeps for good."""
    call.check_server()
    thumbprint = wanted_thumbprint(call)
    entry = call.server.stores.my.get(thumbprint)
    if entry is None:
        raise no_such_certificate(call, thumbprint)
    reason = _unusable(call, entry)
    if reason:
        message = (
            f"The certificate with thumbprint {thumbprint} was found but is not valid for use with Exchange Server "
            f"(reason: {reason})."
        )
        raise call.rpc_error(message)
    call.confirm("Are you sure you want to perform this action?")
    if not call.bound.what_if:
        assign(call, entry, call.get("Services", Flags()))
        if call.bound.on("NetworkServiceAllowed"):
            _let_transport_read(call, entry)
    return []


def _unusable(call: Call, entry: StoredCertificate) -> str:
    """Give Exchange's word for why it cannot use a certificate, empty when it can."""
    if entry.key is None:
        return "PrivateKeyMissing"
    if not isinstance(entry.key, rsa.RSAPrivateKey) and not call.server.ecc_enabled:
        return "PrivateKeyUnsupportedAlgorithm"
    try:
        usages = entry.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return ""
    fit = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    return "" if fit.intersection(usages) else "PkixKpServerAuthNotFoundInEnhancedKeyUsage"


def assign(call: Call, entry: StoredCertificate, wanted: Flags) -> None:
    """Add services to a certificate; with SMTP it becomes the internal transport certificate too.

    Raises:
        CmdletError: A receive connector's Fqdn is no DNS name, or a person would have to be asked.
    """
    server = call.server
    if "SMTP" in wanted:
        _check_connector_names(call)
        _ask_about_default(call, entry)
        _let_transport_read(call, entry)
        if "SMTP" not in entry.services or not server.faults.hits("put-back-ignored", server.name):
            server.internal_thumbprint = entry.thumbprint
    # One certificate only is bound to the web site, and Exchange 2007 knows one for SMTP as well.
    single = {"IIS", "SMTP"} if server.build.product == "2007" else {"IIS"}
    for other in server.stores.my.values():
        other.services -= single.intersection(wanted)
    entry.services |= set(wanted) - {"None"}


def _check_connector_names(call: Call) -> None:
    for connector in call.server.own_receive_connectors():
        fqdn = connector.get("Fqdn")
        if fqdn and not _DNS_NAME.match(fqdn):
            raise call.error(
                "The Exchange Certificate operation has failed with an exception on server "
                f"{call.server.name}. The error message is: Unknown error (0xe0434352)",
                "NotSpecified",
            )


def _ask_about_default(call: Call, entry: StoredCertificate) -> None:
    server = call.server
    current = server.stores.my.get(server.internal_thumbprint)
    if current is None or current.thumbprint == entry.thumbprint or call.bound.on("Force"):
        return
    ends = [server.us_date(one.certificate.not_valid_after_utc) for one in (current, entry)]
    call.ask(
        "Overwrite the existing default SMTP certificate?\n\n"
        f"Current certificate: '{current.thumbprint}' (expires {ends[0]})\n"
        f"Replace it with certificate: '{entry.thumbprint}' (expires {ends[1]})"
    )


def _let_transport_read(call: Call, entry: StoredCertificate) -> None:
    locked = call.server.faults.hits("key-acl-locked", call.server.name) and not entry.network_service
    if entry.acl_locked or locked:
        message = "Insufficient rights to grant Network Service access to the certificate with thumbprint "
        raise call.rpc_error(f"{message}{entry.thumbprint}.")
    entry.network_service = True


def remove(call: Call) -> Iterable[PSObject]:
    """Remove a certificate or a pending request, and its key with it."""
    call.check_server()
    stores = call.server.stores
    thumbprint = wanted_thumbprint(call)
    entry = stores.my.get(thumbprint) or stores.pending.get(thumbprint)
    if entry is None:
        raise no_such_certificate(call, thumbprint)
    if thumbprint == call.server.internal_thumbprint:
        raise call.rpc_error(_INTERNAL, "InvalidArgument")
    tagged = [] if entry.pending else _tagging_connectors(call, entry)
    if tagged:
        raise call.rpc_error(_TAGGED.format(names=",".join(tagged)), "InvalidArgument")
    question = f"Remove certificate with thumbprint {thumbprint} from the computer's certificate store?"
    call.confirm(f"Are you sure you want to perform this action?\n{question}", always=True)
    if not call.bound.what_if:
        (stores.pending if entry.pending else stores.my).pop(thumbprint)
    return []


def _tagging_connectors(call: Call, entry: StoredCertificate) -> list[str]:
    directory = call.server.directory
    with directory.lock:
        return [
            connector.name
            for connector in directory.send.values()
            if (name := connector.get("TlsCertificateName")) and same_identifier(name, entry.tls_certificate_name)
        ]
