"""Rules about receive connectors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import NamedTuple

from tlsrunbook.exchange.state import ReceiveConnector
from tlsrunbook.policy.preflight_case import Case, Rule
from tlsrunbook.policy.tls_names import certificates_named, readable_names

_ON = ("New-ReceiveConnector", "Set-ReceiveConnector")
_DNS = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\Z")


def _fqdn_exchangeserver(case: Case) -> Iterator[str]:
    connector = case.receive
    if connector is None or case.state.is_edge or "ExchangeServer" not in connector.auth_mechanism:
        return
    allowed = ("", case.state.fqdn, case.state.name.lower())
    if connector.fqdn not in allowed:
        yield (
            f"{connector.identity} authenticates Exchange servers, so its Fqdn stays {case.state.fqdn}, "
            f"{case.state.name} or empty, and {connector.fqdn} is refused"
        )


def _requiretls_needs_tls(case: Case) -> Iterator[str]:
    connector = case.receive
    if connector and connector.require_tls and "Tls" not in connector.auth_mechanism:
        yield f"{connector.identity} would demand TLS and not offer it: its AuthMechanism lacks Tls"


def _basicauthrequiretls(case: Case) -> Iterator[str]:
    connector = case.receive
    if connector and "BasicAuthRequireTLS" in connector.auth_mechanism:
        missing = {"BasicAuth", "Tls"} - connector.auth_mechanism
        if missing:
            yield f"{connector.identity} has BasicAuthRequireTLS without {' and '.join(sorted(missing))}"


def _external(case: Case) -> Iterator[str]:
    connector = case.receive
    if connector is None or "ExternalAuthoritative" not in connector.auth_mechanism:
        return
    others = connector.auth_mechanism - {"ExternalAuthoritative", "Tls"}
    if others:
        yield f"{connector.identity} joins ExternalAuthoritative with {', '.join(sorted(others))}; only Tls may join it"
    if "ExchangeServers" not in connector.permission_groups:
        yield f"{connector.identity} has ExternalAuthoritative without the permission group ExchangeServers"


def _none_alone(case: Case) -> Iterator[str]:
    given = case.flags("AuthMechanism")
    if "None" in given and len(given) > 1:
        yield f"AuthMechanism None is joined with {', '.join(sorted(given - {'None'}))}"


def _domainsecure(case: Case) -> Iterator[str]:
    connector = case.receive
    if connector is None or not connector.domain_secure_enabled:
        return
    if "Tls" not in connector.auth_mechanism:
        yield f"{connector.identity} would have Domain Security without Tls in its AuthMechanism"
    if "ExternalAuthoritative" in connector.auth_mechanism:
        yield f"{connector.identity} would have Domain Security together with ExternalAuthoritative"


class _Span(NamedTuple):
    version: int
    first: int
    last: int

    def within(self, other: _Span) -> bool:
        """Whether this one lies inside the other and is narrower."""
        return self != other and other.first <= self.first and self.last <= other.last

    def meets(self, other: _Span) -> bool:
        """Whether the two share an address."""
        return self.version == other.version and self.first <= other.last and other.first <= self.last


def _span(text: str) -> _Span | None:
    """Read ``a``, ``a-b`` or ``a/bits``; None when it is something else."""
    first, dash, last = text.partition("-")
    try:
        if dash:
            low, high = ip_address(first.strip()), ip_address(last.strip())
        else:
            network = ip_network(text.strip(), strict=False)
            low, high = network[0], network[-1]
    except ValueError:
        return None
    return _between(low, high)


def _between(low: IPv4Address | IPv6Address, high: IPv4Address | IPv6Address) -> _Span | None:
    return _Span(low.version, int(low), int(high)) if low.version == high.version else None


def _binding_range_unique(case: Case) -> Iterator[str]:
    connector = case.receive
    if connector is None:
        return
    for other in case.state.receive_connectors:
        shared = sorted(set(connector.bindings) & set(other.bindings))
        if other.identity.lower() == connector.identity.lower() or not shared:
            continue
        clash = _clash(connector, other)
        if clash:
            yield f"{connector.identity} and {other.identity} would both listen on {shared[0]} for {clash}"


def _clash(one: ReceiveConnector, other: ReceiveConnector) -> str:
    """Name the first pair of ranges of which neither lies inside the other; empty when there is none."""
    for mine in one.remote_ip_ranges:
        for theirs in other.remote_ip_ranges:
            a, b = _span(mine), _span(theirs)
            if a and b and a.meets(b) and not (a.within(b) or b.within(a)):
                return mine if mine == theirs else f"{mine} and {theirs}"
    return ""


def _fqdn_chars(case: Case) -> Iterator[str]:
    if case.command.name != "Enable-ExchangeCertificate":
        given = case.text("Fqdn").lower()
        if given and not _DNS.match(given):
            yield f"{given!r} is not a DNS name; no certificate of {case.state.name} could be given SMTP afterwards"
        return
    if "SMTP" not in case.flags("Services"):
        return
    for connector in case.state.receive_connectors:
        if connector.fqdn and not _DNS.match(connector.fqdn):
            yield (
                f"{connector.identity} has the Fqdn {connector.fqdn}, which is not a DNS name, and no certificate can "
                "be given SMTP while it is so (Exchange says: Unknown error 0xe0434352)"
            )


#: Usage -> what it must have, what it must not have.
_USAGE: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Client": (("RemoteIPRanges",), ("Bindings",)),
    "Custom": (("Bindings", "RemoteIPRanges"), ()),
    "Internal": (("RemoteIPRanges",), ("Bindings",)),
    "Internet": (("Bindings",), ("RemoteIPRanges",)),
    "Partner": (("Bindings", "RemoteIPRanges"), ()),
}


def _usage(case: Case) -> Iterator[str]:
    usages = case.usages
    if len(usages) > 1:
        yield f"a new receive connector has one usage, not {' and '.join(usages)}"
        return
    usage = usages[0] if usages else "Custom"
    if usage not in _USAGE:
        yield f"{usage!r} is not a usage of a receive connector"
        return
    needs, forbids = _USAGE[usage]
    yield from (f"usage {usage} needs {name}" for name in needs if not case.texts(name))
    yield from (f"usage {usage} takes no {name}" for name in forbids if case.gives(name))
    if usage == "Client" and case.state.is_edge:
        yield f"{case.state.name} is an Edge server, which has no usage Client"


def _tlscertname_missing(case: Case) -> Iterator[str]:
    name = case.text("TlsCertificateName")
    if name and readable_names(case.state) and not certificates_named(case.state, name):
        yield f"no certificate of {case.state.name} is named {name}, so STARTTLS would not be offered"


def _known(case: Case) -> Iterator[str]:
    if case.text("Identity") and case.receive is None:
        yield f"{case.state.name} has no receive connector {case.text('Identity')}"


RECEIVE_RULES = (
    Rule(
        "rc-fqdn-exchangeserver",
        "A receive connector with ExchangeServer authentication keeps the server's FQDN, its NetBIOS name or nothing "
        "as its Fqdn (not on Edge).",
        "leave the Fqdn and set the TLS certificate name; before 2013 make a separate Internet receive connector",
        _ON,
        _fqdn_exchangeserver,
        ("Fqdn", "AuthMechanism"),
    ),
    Rule(
        "rc-requiretls-needs-tls",
        "A receive connector that requires TLS has Tls in its AuthMechanism.",
        "add Tls to the AuthMechanism, or do not require TLS",
        _ON,
        _requiretls_needs_tls,
        ("RequireTLS", "AuthMechanism"),
    ),
    Rule(
        "rc-basicauthrequiretls",
        "BasicAuthRequireTLS stands together with BasicAuth and Tls.",
        "add what is missing to the AuthMechanism",
        _ON,
        _basicauthrequiretls,
        ("AuthMechanism",),
    ),
    Rule(
        "rc-external",
        "ExternalAuthoritative stands with Tls only, and needs the permission group ExchangeServers.",
        "use ExternalAuthoritative on a connector of its own, for servers you trust like your own",
        _ON,
        _external,
        ("AuthMechanism", "PermissionGroups"),
    ),
    Rule(
        "rc-none-alone",
        "The AuthMechanism None stands alone.",
        "take None out, or everything else",
        _ON,
        _none_alone,
        ("AuthMechanism",),
    ),
    Rule(
        "rc-domainsecure",
        "Domain Security on a receive connector needs Tls and excludes ExternalAuthoritative.",
        "correct the AuthMechanism, or leave Domain Security off",
        _ON,
        _domainsecure,
        ("DomainSecureEnabled", "AuthMechanism"),
    ),
    Rule(
        "rc-binding-range-unique",
        "No two receive connectors of a server share binding and remote ranges, unless one range is inside the other.",
        "give the connector another address or port, or narrower remote ranges",
        _ON,
        _binding_range_unique,
        ("Bindings", "RemoteIPRanges"),
    ),
    Rule(
        "rc-fqdn-chars",
        "No receive connector has an Fqdn that is not a DNS name (underscore and the like) when a certificate is given "
        "SMTP.",
        "correct the Fqdn of that receive connector first",
        ("Enable-ExchangeCertificate", *_ON),
        _fqdn_chars,
        ("Services", "Fqdn"),
    ),
    Rule(
        "rc-usage",
        "A new receive connector has one usage, with the bindings and remote ranges which that usage takes.",
        "correct usage, bindings or remote ranges",
        ("New-ReceiveConnector",),
        _usage,
    ),
    Rule(
        "rc-tlscertname-missing",
        "The TLS certificate name of a receive connector names a certificate that the server has.",
        "install the certificate first, and take its name from the server",
        _ON,
        _tlscertname_missing,
        ("TlsCertificateName",),
    ),
    Rule(
        "rc-unknown",
        "A receive connector that is to be changed exists.",
        "take the connector's name from Get-ReceiveConnector",
        ("Set-ReceiveConnector", "Remove-ReceiveConnector"),
        _known,
    ),
)
