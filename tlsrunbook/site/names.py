"""Names in a site file: FQDNs, mail domains, addresses, endpoints.

Each check gives the name's normal form, or says what is wrong and what to write instead.
"""

from __future__ import annotations

import ipaddress
import re

import idna

from tlsrunbook.site.wrong import wrong

#: Top-level names that no public CA may sign (CA/Browser Forum baseline requirements, 7.1.2.7: internal names).
INTERNAL_TLDS = frozenset(
    {"local", "internal", "lan", "corp", "home", "localdomain", "localhost", "intranet", "private", "invalid"}
)
SMTP_PORT = 25
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
_NETBIOS = re.compile(r"[A-Z0-9_-]{1,15}\Z")
_KEBAB = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")
# A folder of this name cannot exist on Windows, and a site's evidence lies in a folder of its name.
_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))})
_COMMON_NAME_LIMIT = 64
_DNS_LIMIT = 253


def is_ip(text: str) -> bool:
    """Tell whether the text is an IPv4 or IPv6 address, without brackets."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def kebab(text: str, what: str) -> str:
    """Check a name of letters, digits and hyphens; ``what`` says whose name it is."""
    if _KEBAB.match(text) and text not in _DEVICES and len(text) <= 40:
        return text
    proposal = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].strip("-")
    if proposal in _DEVICES or not proposal:
        proposal = "london"
    raise wrong(
        f"is not {what}: at most 40 lower-case letters, digits and single hyphens, and no device name of Windows",
        f'write a name such as "{proposal}"',
    )


def netbios(text: str) -> str:
    """Check a server's short name and give it in upper case."""
    name = text.upper()
    if _NETBIOS.match(name) and not name.isdigit():
        return name
    short = name.split(".", 1)[0]
    if short != name and _NETBIOS.match(short):
        raise wrong(
            f'"{text}" is a DNS name', f'write the NetBIOS name: "{short}" (the DNS name goes to address or fqdn)'
        )
    raise wrong(
        f'"{text}" is not a NetBIOS name: 1 to 15 letters, digits and hyphens, not digits alone',
        "write the server's short name as Get-ExchangeServer lists it",
    )


def dns_name(text: str, *, underscore: bool = False) -> str:
    """Check a DNS name of any kind and give it in lower case without the final dot; ``underscore`` allows one."""
    name = text.lower().removesuffix(".")
    _refuse_other_things(text, name)
    if not name.isascii():
        raise wrong(f'"{text}" has letters outside ASCII', _a_label_hint(name))
    if "_" in name and not underscore:
        raise wrong(
            f'"{text}" has an underscore: no public CA signs it, and Exchange enables no certificate beside it',
            "write a name of letters, digits and hyphens",
        )
    labels = name.replace("_", "-").split(".") if underscore else name.split(".")
    bad = next((label for label in labels if not _LABEL.match(label)), None)
    if bad is not None or len(name) > _DNS_LIMIT:
        raise wrong(
            f'"{text}" is not a DNS name (in it: "{bad}")'
            if bad is not None
            else f'"{text}" has over {_DNS_LIMIT} characters',
            "write labels of 1 to 63 letters, digits and inner hyphens, joined by dots",
        )
    _refuse_bad_a_labels(text, name)
    return name


def _refuse_other_things(text: str, name: str) -> None:
    if not name:
        raise wrong("is empty", 'write a name such as "mx1.example.net"')
    if "://" in name or "/" in name:
        raise wrong(f'"{text}" is a URL', "write the name alone")
    if "@" in name:
        raise wrong(f'"{text}" has an @', f'write what follows it: "{name.rsplit("@", 1)[1]}"')
    if is_ip(name.strip("[]")):
        raise wrong(f'"{text}" is an IP address', "write a DNS name")
    host, colon, port = name.rpartition(":")
    if colon and port.isdigit():
        raise wrong(f'"{text}" has a port', f'write the name alone: "{host}"')


def _a_label_hint(name: str) -> str:
    try:
        return f'write the A-label: "{idna.encode(name, uts46=True).decode()}"'
    except idna.IDNAError:
        return "write the A-label (xn--...); this one is not valid in IDNA 2008"


def _refuse_bad_a_labels(text: str, name: str) -> None:
    for label in name.split("."):
        if label.startswith("xn--"):
            try:
                idna.decode(label)
            except idna.IDNAError:
                raise wrong(
                    f'"{text}": "{label}" is not a valid A-label', "check its spelling; no CA signs it"
                ) from None


def public_name(text: str) -> str:
    """Check a name that a public CA shall sign."""
    if text.startswith("*"):
        raise wrong(f'"{text}" is a wildcard', "write each name in full; a connector answers with one name")
    name = dns_name(text)
    labels = name.split(".")
    if len(labels) == 1:
        raise wrong(
            f'"{text}" is a single label, which public CAs refuse',
            f'write it with its public domain: "{name}.example.net"',
        )
    if labels[-1] in INTERNAL_TLDS:
        raise wrong(
            f'"{text}" ends in .{labels[-1]}, an internal name that public CAs refuse',
            "write the public name that other mail servers connect to",
        )
    if labels[-1].isdigit():
        raise wrong(f'"{text}" ends in a number', "write a DNS name under a public top-level domain")
    return name


def fqdn(text: str) -> str:
    """Check a server's public FQDN, which becomes the certificate's common name."""
    name = public_name(text)
    if len(name) > _COMMON_NAME_LIMIT:
        raise wrong(
            f'"{text}" has {len(name)} characters, and a certificate\'s common name holds {_COMMON_NAME_LIMIT}',
            "use a shorter FQDN, and put this one into names",
        )
    return name


def address_space(text: str) -> str:
    """Check a domain of a send connector: ``example.com`` or ``*.example.com`` (rule sc-addressspace)."""
    if text == "*":
        raise wrong(
            '"*" is the address space of the default connector alone (sc-addressspace)',
            "list the domains one by one; everybody else is served by send_connectors.default",
        )
    if text.startswith("*") and not text.startswith("*."):
        rest = text.lstrip("*.")
        raise wrong(
            f'"{text}" is not an address space: Exchange takes a domain or "*.domain", not "*domain" (sc-addressspace)',
            f'write "*.{rest}" for its subdomains, "{rest}" for the domain itself, or both',
        )
    star, name = ("*.", text[2:]) if text.startswith("*.") else ("", text)
    if ";" in name or name.lower().startswith("smtp:"):
        raise wrong(f'"{text}" is a whole address space', "write the domain alone; type SMTP and cost 1 are added")
    if "." not in name.removesuffix(".") and "@" not in name:
        raise wrong(f'"{text}" is a single label', 'write a mail domain such as "example.com"')
    return star + dns_name(name)


def host(text: str) -> str:
    """Check a DNS name or IP address that is connected to; single labels are fine."""
    bare = text.removeprefix("[").removesuffix("]")
    if is_ip(bare):
        return str(ipaddress.ip_address(bare))
    return dns_name(text, underscore=True)


def smart_host(text: str) -> str:
    """Check a smart host; an IP address gets the brackets Exchange prints it with."""
    name = host(text)
    return f"[{name}]" if is_ip(name) else name


def endpoint(text: str, *, port: int = SMTP_PORT) -> str:
    """Check ``host:port`` and give it with its port; an IPv6 address stands in brackets."""
    if is_ip(text):
        name, digits = text, ""
    else:
        match = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(?::([^:]*))?", text)
        if match is None:
            raise wrong(f'"{text}" is not host:port', 'write "mx1.example.net:25", or "[2001:db8::1]:25"')
        name, digits = match[1], match[2] if match[2] is not None else ""
        if text.endswith(":") or (digits and not (digits.isdecimal() and 1 <= int(digits) <= 65535)):
            raise wrong(f'"{text}" has no usable port', f'write a port from 1 to 65535: "{name}:{port}"')
    name = host(name)
    return f"[{name}]:{digits or port}" if ":" in name else f"{name}:{digits or port}"


def resolver(text: str) -> str:
    """Check a DNS server: an IP address, with ``:port`` when it is not 53. Empty means the system's own."""
    if not text or is_ip(text):
        return text
    bare, colon, port = text.rpartition(":")
    if colon and is_ip(bare.strip("[]")) and port.isdecimal() and 1 <= int(port) <= 65535:
        return text
    raise wrong(
        f'"{text}" is not the IP address of a DNS server', 'write "192.0.2.53", or "192.0.2.53:5353" with a port'
    )


def binding(text: str) -> str:
    """Check an address of a server with the port it listens on, ``192.0.2.25:25``; 25 when no port is given."""
    bare, colon, port = (text, "", "") if is_ip(text) else text.rpartition(":")
    address = bare.strip("[]")
    if not is_ip(address) or (colon and not (port.isdecimal() and 1 <= int(port) <= 65535)):
        raise wrong(f'"{text}" is not address:port', 'write an IP address of the server: "192.0.2.25:25"')
    shown = f"[{ipaddress.ip_address(address)}]" if ":" in address else address
    return f"{shown}:{port or SMTP_PORT}"


def ip_range(text: str) -> str:
    """Check the addresses that may connect: one, ``198.51.100.0/24``, or ``198.51.100.1-198.51.100.9``."""
    todo = 'write "198.51.100.0/24", or "198.51.100.1-198.51.100.9"'
    low, dash, high = text.replace(" ", "").partition("-")
    try:
        if not dash:
            return str(ipaddress.ip_network(low)) if "/" in low else str(ipaddress.ip_address(low))
        first, last = ipaddress.ip_address(low), ipaddress.ip_address(high)
    except ValueError:
        raise wrong(f'"{text}" is not a range of IP addresses', todo) from None
    if first.version != last.version or int(first) > int(last):
        raise wrong(f'"{text}" does not go upwards', todo)
    return f"{first}-{last}"
