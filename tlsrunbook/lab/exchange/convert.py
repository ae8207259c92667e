"""Turns a frame's typed value into what a parameter's .NET type holds, or refuses it in PowerShell's words."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Callable
from typing import Any

from tlsrunbook.lab.exchange.failure import null_argument, transformation, validation
from tlsrunbook.lab.exchange.given import Flags, Given, SecureText, flag_order
from tlsrunbook.lab.exchange.names import parse_dn, parse_x509_identifier
from tlsrunbook.lab.exchange.table import Parameter
from tlsrunbook.lab.exchange.values import is_fqdn, size_bytes, size_text, span_seconds, span_text

_X500 = "System.Security.Cryptography.X509Certificates.X500DistinguishedName"


def convert(cmdlet: str, parameter: Parameter, kind: str, raw: Any) -> Any:
    """Convert a frame's value.

    Args:
        cmdlet: The cmdlet's name, for error ids.
        parameter: What it is bound to.
        kind: ``string``, ``bool``, ``int``, ``bytes`` (base64), ``strings``, ``null`` or ``secure``.
        raw: The value as it is in the frame.

    Returns:
        Text for enumerations, sizes and time spans in Exchange's spelling; :class:`Flags`; tuples for lists.

    Raises:
        CmdletError: It does not fit, in PowerShell's words.
    """
    given = Given(cmdlet, parameter, kind, raw)
    if kind == "null":
        return _null(given)
    converter = _converter(parameter)
    return converter(given)


def _null(given: Given) -> None:
    parameter = given.parameter
    if any(parameter.sets.values()):
        raise null_argument(given.cmdlet, parameter.name, empty=False)
    if parameter.type in ("Boolean", "System.Boolean", "Int32", "UInt32", "SwitchParameter"):
        raise given.refuse(f"System.{parameter.type}", "A null value cannot be converted.", shown="")


def _converter(parameter: Parameter) -> Callable[[Given], Any]:
    if parameter.type in _CONVERTERS:
        return _CONVERTERS[parameter.type]
    if parameter.name == "TlsDomainCapabilities":
        return _multi
    if parameter.values and (parameter.type == "AllowedServices" or "Tls" in parameter.values):
        return _flags
    if parameter.type == "PermissionGroups":
        return _flags
    if parameter.values:
        return _enum
    return _string


def _switch(given: Given) -> bool:
    if given.kind in ("bool", "int"):
        return bool(given.raw)
    raise transformation(
        given.cmdlet,
        given.parameter.name,
        'Cannot convert value "System.String" to type "System.Management.Automation.SwitchParameter". '
        "Boolean parameters accept only Boolean values and numbers, such as $True, $False, 1 or 0.",
    )


def _boolean(given: Given) -> bool:
    if given.kind in ("bool", "int"):
        return bool(given.raw)
    raise transformation(
        given.cmdlet,
        given.parameter.name,
        'Cannot convert value "System.String" to type "System.Boolean". '
        "Boolean parameters accept only Boolean values and numbers, such as $True, $False, 1 or 0.",
    )


def _integer(given: Given) -> int:
    try:
        number = int(given.text())
    except ValueError as error:
        raise given.refuse(f"System.{given.parameter.type}", "Input string was not in a correct format.") from error
    if not -(2**31) <= number < 2**31:
        raise given.refuse("System.Int32", "Value was either too large or too small for an Int32.")
    if given.parameter.values and str(number) not in given.parameter.values:
        allowed = ",".join(given.parameter.values)
        reason = (
            f'The argument "{number}" does not belong to the set "{allowed}" specified by the ValidateSet attribute. '
            "Supply an argument that is in the set and then try the command again."
        )
        raise validation(given.cmdlet, given.parameter.name, reason)
    given.in_range(number, number)
    return number


def _string(given: Given) -> str:
    text = given.text()
    if not text and any(given.parameter.sets.values()):
        raise null_argument(given.cmdlet, given.parameter.name, empty=True)
    return text


def _multi(given: Given) -> tuple[str, ...]:
    found = tuple(given.texts())
    if any(given.parameter.sets.values()) and not all(found):
        raise null_argument(given.cmdlet, given.parameter.name, empty=True)
    return found


def _bytes(given: Given) -> bytes:
    if given.kind != "bytes":
        raise given.refuse("System.Byte[]", "Input string was not in a correct format.", shown="")
    try:
        return base64.b64decode(given.raw, validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise given.refuse("System.Byte[]", "The bytes of the frame cannot be read.", shown="") from error


def _secure(given: Given) -> SecureText:
    if given.kind != "secure":
        raise given.refuse("System.Security.SecureString", "Invalid cast.", shown="")
    return SecureText(str(given.raw))


def _never(given: Given) -> Any:
    raise given.refuse(given.parameter.type, "Invalid cast.", shown="")


def _enum(given: Given) -> str:
    return _enum_name(given, given.text())


def _enum_name(given: Given, text: str) -> str:
    for name in given.parameter.values:
        if name.lower() == text.strip().lower():
            return name
    allowed = ", ".join(given.parameter.values)
    error = (
        f"Unable to match the identifier name {text} to a valid enumerator name. "
        f"Specify one of the following enumerator names and try again: {allowed}"
    )
    raise given.refuse(given.parameter.type, error, shown=text)


def _flags(given: Given) -> Flags:
    words = [word for text in given.texts() for word in text.split(",")]
    names = {_enum_name(given, word) for word in words}
    if "None" in names and len(names) > 1:
        raise given.refuse(given.parameter.type, "None cannot be combined with other values.", shown=", ".join(words))
    return Flags(name for name in flag_order(given.parameter.type) if name in names)


def _fqdn(given: Given) -> str | None:
    text = given.text()
    if not text:
        return None
    if not is_fqdn(text):
        raise given.refuse("Microsoft.Exchange.Data.Fqdn", f'"{text}" isn\'t a valid SMTP domain.')
    return text


def _tls_domain(given: Given) -> str:
    text = given.text()
    if not is_fqdn(text.removeprefix("*.")) or "_" in text:
        raise given.refuse("Microsoft.Exchange.Data.SmtpDomainWithSubdomains", f'"{text}" isn\'t a valid SMTP domain.')
    return text


def _x509_identifier(given: Given) -> str:
    text = given.text()
    try:
        issuer, subject = parse_x509_identifier(text)
    except ValueError as error:
        raise given.refuse("Microsoft.Exchange.Data.SmtpX509Identifier", f"The value isn't valid: {error}.") from error
    return f"<I>{issuer}<S>{subject}"


def _x500(given: Given) -> Any:
    try:
        return parse_dn(given.text())
    except ValueError as error:
        text = "The string contains an invalid X500 name attribute key, oid, value or delimiter."
        raise given.refuse(_X500, text) from error


def _size(given: Given) -> str:
    return _sized(given, given.text())


def _sized(given: Given, text: str) -> str:
    try:
        count = size_bytes(text)
    except ValueError as error:
        raise given.refuse("Microsoft.Exchange.Data.ByteQuantifiedSize", "The value isn't a valid size.") from error
    given.in_range(count, size_text(count))
    return size_text(count)


def _unlimited(given: Given) -> str:
    text = given.text()
    if text.lower() == "unlimited":
        return "Unlimited"
    if "Size" in given.parameter.name and given.parameter.name != "ResultSize":
        return _sized(given, text)
    return str(_integer(given))


def _span(given: Given) -> str:
    try:
        seconds = span_seconds(given.text())
    except ValueError as error:
        raise given.refuse("System.TimeSpan", "String was not recognized as a valid TimeSpan.") from error
    given.in_range(seconds, given.text(), span_seconds)
    return span_text(seconds)


def _address(given: Given) -> str:
    try:
        return str(ipaddress.ip_address(given.text()))
    except ValueError as error:
        raise given.refuse("System.Net.IPAddress", "An invalid IP address was specified.") from error


_CONVERTERS: dict[str, Callable[[Given], Any]] = {
    "SwitchParameter": _switch,
    "Boolean": _boolean,
    "System.Boolean": _boolean,
    "Int32": _integer,
    "UInt32": _integer,
    "Byte[]": _bytes,
    "SecureString": _secure,
    "PSCredential": _never,
    "X509Certificate2": _never,
    "Fqdn": _fqdn,
    "SmtpDomainWithSubdomains": _tls_domain,
    "SmtpX509Identifier": _x509_identifier,
    "X500DistinguishedName": _x500,
    "ByteQuantifiedSize": _size,
    "Unlimited": _unlimited,
    "EnhancedTimeSpan": _span,
    "TimeSpan": _span,
    "IPAddress": _address,
    "MultiValuedProperty": _multi,
    "String[]": _multi,
}
