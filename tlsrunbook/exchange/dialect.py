"""Which form of a cmdlet a server understands: what it reports first, its build second."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from tlsrunbook.errors import UsageError
from tlsrunbook.exchange.command import Command, Later, Value
from tlsrunbook.exchange.version import Target

_THUMBPRINT = re.compile(r"[0-9A-F]{40}\Z")

_2010, _2013 = 14, 15

#: First major version with a parameter or cmdlet that Exchange 2007 lacks. Only asked when a server reports nothing.
_SINCE: Mapping[tuple[str, str], int] = {
    ("Get-ExchangeCertificate", "Server"): _2010,
    ("New-ExchangeCertificate", "Server"): _2010,
    ("Import-ExchangeCertificate", "Server"): _2010,
    ("Import-ExchangeCertificate", "FileData"): _2010,
    ("Import-ExchangeCertificate", "PrivateKeyExportable"): _2010,
    ("Export-ExchangeCertificate", "Server"): _2010,
    ("Enable-ExchangeCertificate", "Server"): _2010,
    ("Enable-ExchangeCertificate", "Force"): _2010,
    ("Remove-ExchangeCertificate", "Server"): _2010,
    ("Get-TransportService", ""): _2013,
    ("New-ReceiveConnector", "TlsCertificateName"): _2013,
    ("Set-ReceiveConnector", "TlsCertificateName"): _2013,
    ("New-ReceiveConnector", "TransportRole"): _2013,
    ("Set-ReceiveConnector", "TransportRole"): _2013,
    ("New-SendConnector", "TlsCertificateName"): _2013,
    ("Set-SendConnector", "TlsCertificateName"): _2013,
    ("New-SendConnector", "TlsAuthLevel"): _2010,
    ("Set-SendConnector", "TlsAuthLevel"): _2010,
    ("New-SendConnector", "TlsDomain"): _2010,
    ("Set-SendConnector", "TlsDomain"): _2010,
    ("New-SendConnector", "FrontendProxyEnabled"): _2013,
    ("Set-SendConnector", "FrontendProxyEnabled"): _2013,
    ("New-SendConnector", "CloudServicesMailEnabled"): _2013,
    ("Set-SendConnector", "CloudServicesMailEnabled"): _2013,
}


def knows(target: Target, cmdlet: str, parameter: str = "") -> bool:
    """Whether the server has this cmdlet, and the parameter when one is named.

    A server that reports parameters of the cmdlet is believed (a role of the account may hide some); for a cmdlet it
    does not report, its version decides.
    """
    if cmdlet in target.parameters:
        return target.knows(cmdlet, parameter)
    return version_has(target, cmdlet, parameter)


def version_has(target: Target, cmdlet: str, parameter: str = "") -> bool:
    """Whether this version of Exchange has the cmdlet and parameter, whoever asks."""
    return target.version.major >= _SINCE.get((cmdlet, parameter), 0)


def settings_for(target: Target, cmdlet: str, settings: Mapping[str, Value]) -> dict[str, Value]:
    """Keep what the server understands.

    A setting that this version lacks is left out when it would only switch off what is not there.

    Raises:
        UsageError: A setting that means something is unknown to the server.
    """
    kept: dict[str, Value] = {}
    for parameter, value in settings.items():
        if knows(target, cmdlet, parameter):
            kept[parameter] = value
        elif version_has(target, cmdlet, parameter) or value not in (None, False, ""):
            raise unknown_parameter(target, cmdlet, parameter)
    return kept


def unknown_parameter(target: Target, cmdlet: str, parameter: str) -> UsageError:
    """Make the error for a parameter the server does not have."""
    product = target.version.product or str(target.version)
    if version_has(target, cmdlet, parameter):
        why = "the account's management role hides it"
        todo = "give the account a role that includes it, such as Organization Management"
    else:
        why = f"Exchange {product} does not have it"
        todo = "leave the setting out of the site file for this server"
    return UsageError(f"{cmdlet} has no -{parameter} here: {why}", where=target.name, todo=todo)


def on_server(target: Target, cmdlet: str) -> dict[str, Value]:
    """Give ``-Server NAME`` where the cmdlet takes it: a remote session may have landed on another server."""
    return {"Server": target.name} if knows(target, cmdlet, "Server") else {}


def make(name: str, parameters: Mapping[str, Value], select: Iterable[str] = ()) -> Command:
    """Make a command from parameters in the order they are shown."""
    return Command(name, tuple(parameters.items()), tuple(select))


def checked_thumbprint(value: str | Later) -> str | Later:
    """Give the thumbprint back.

    Raises:
        ValueError: It is not 40 upper-case hex digits. An empty one would make ``Get-*`` list everything.
    """
    if isinstance(value, Later) or _THUMBPRINT.match(value):
        return value
    raise ValueError(f"{value!r} is not a thumbprint (40 upper-case hex digits)")


def checked_identity(value: str, what: str) -> str:
    """Give the identity back.

    Raises:
        ValueError: It is empty: ``Get-*`` would list everything, ``Set-*`` and ``Remove-*`` would then take it all.
    """
    if not value.strip():
        raise ValueError(f"{what} needs an identity, and it is empty")
    return value
