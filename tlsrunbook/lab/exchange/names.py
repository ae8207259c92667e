"""Distinguished names as .NET reads and prints them, and the TLS certificate name built from two of them."""

from __future__ import annotations

import re

from cryptography import x509
from cryptography.x509.oid import NameOID

_KEYS = {
    "CN": NameOID.COMMON_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "L": NameOID.LOCALITY_NAME,
    "S": NameOID.STATE_OR_PROVINCE_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "C": NameOID.COUNTRY_NAME,
    "E": NameOID.EMAIL_ADDRESS,
    "STREET": NameOID.STREET_ADDRESS,
    "DC": NameOID.DOMAIN_COMPONENT,
    "T": NameOID.TITLE,
    "G": NameOID.GIVEN_NAME,
    "SN": NameOID.SURNAME,
    "SERIALNUMBER": NameOID.SERIAL_NUMBER,
}
_PRINTED = {oid: key for key, oid in reversed(_KEYS.items()) if key != "ST"}
_NEEDS_QUOTES = re.compile(r'[,+="\n<>#;]|^\s|\s$')
_PART = re.compile(r'\s*([A-Za-z]+|(?:OID\.)?\d+(?:\.\d+)+)\s*=\s*("(?:[^"]|"")*"|[^,;+"]*?)\s*([,;+]|\Z)')
_X509_IDENTIFIER = re.compile(r"\s*<I>(.+?)<S>(.*)\Z", re.IGNORECASE | re.DOTALL)


def dn_text(name: x509.Name) -> str:
    """Print a name as ``X509Certificate2.Subject`` does: most specific part first, ``S`` for the state."""
    return ", ".join(" + ".join(_pair(attribute) for attribute in rdn) for rdn in reversed(list(name.rdns)))


def _pair(attribute: x509.NameAttribute[str | bytes]) -> str:
    key = _PRINTED.get(attribute.oid, f"OID.{attribute.oid.dotted_string}")
    value = attribute.value if isinstance(attribute.value, str) else attribute.value.hex()
    if _NEEDS_QUOTES.search(value) or not value:
        value = '"' + value.replace('"', '""') + '"'
    return f"{key}={value}"


def parse_dn(text: str) -> x509.Name:
    """Read an X.500 name as ``X500DistinguishedName`` does; like .NET, encode it in the reverse of the written order.

    Raises:
        ValueError: It is no X.500 name.
    """
    rdns: list[list[x509.NameAttribute[str]]] = []
    position, joined = 0, False
    while position < len(text):
        match = _PART.match(text, position)
        if match is None:
            raise ValueError("an attribute or a delimiter is wrong")
        key, value, separator = match.groups()
        attribute = x509.NameAttribute(_oid(key), _unquoted(value))
        if joined:
            rdns[-1].append(attribute)
        else:
            rdns.append([attribute])
        position, joined = match.end(), separator == "+"
    if not rdns:
        raise ValueError("it is empty")
    return x509.Name([x509.RelativeDistinguishedName(rdn) for rdn in reversed(rdns)])


def _oid(key: str) -> x509.ObjectIdentifier:
    if key.upper() in _KEYS:
        return _KEYS[key.upper()]
    dotted = key.upper().removeprefix("OID.")
    if not dotted[0].isdigit():
        raise ValueError(f"there is no attribute {key}")
    return x509.ObjectIdentifier(dotted)


def _unquoted(value: str) -> str:
    if value.startswith('"'):
        value = value[1:-1].replace('""', '"')
    if not value:
        raise ValueError("an attribute has no value")
    return value


def common_name(name: x509.Name) -> str:
    """Give the most specific CN, empty when there is none."""
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[-1].value) if found else ""


def tls_certificate_name(certificate: x509.Certificate) -> str:
    """Give ``<I>issuer<S>subject``."""
    return f"<I>{dn_text(certificate.issuer)}<S>{dn_text(certificate.subject)}"


def parse_x509_identifier(text: str) -> tuple[str, str]:
    """Split ``<I>issuer<S>subject``; the tags are not case-sensitive.

    Raises:
        ValueError: It does not have this form.
    """
    match = _X509_IDENTIFIER.match(text)
    if match is None:
        raise ValueError("it is not <I>issuer<S>subject")
    return match.group(1).strip(), match.group(2).strip()


def same_identifier(one: str, other: str) -> bool:
    """Whether two TLS certificate names mean the same issuer and subject."""
    a, b = (tuple(part.casefold() for part in parse_x509_identifier(text)) for text in (one, other))
    return a == b


def dns_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Give ``CertificateDomains``: the subject's CN when it can be a name, then the SAN, each once."""
    try:
        san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        listed = san.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        listed = []
    cn = common_name(certificate.subject)
    first = [cn] if cn and " " not in cn else []
    return unique([*first, *listed])


def unique(names: list[str]) -> tuple[str, ...]:
    """Drop repetitions, whatever their case; the first spelling stays."""
    found: dict[str, str] = {}
    for name in names:
        found.setdefault(name.lower(), name)
    return tuple(found.values())


def name_matches(pattern: str, name: str) -> bool:
    """Whether a certificate's name covers a host name; ``*.`` stands for exactly one label."""
    one, other = pattern.lower(), name.lower()
    if one.startswith("*."):
        return "." in other and other.split(".", 1)[1] == one[2:]
    return one == other
