"""Rules about send connectors."""

from __future__ import annotations

from collections.abc import Iterator

from tlsrunbook.exchange.address_space import parse_address_space
from tlsrunbook.policy.preflight_case import USAGES, Case, Rule
from tlsrunbook.policy.tls_names import certificates_named, readable_names

_ON = ("New-SendConnector", "Set-SendConnector")


def _ignorestarttls(case: Case) -> Iterator[str]:
    connector = case.send
    if connector and connector.require_tls and connector.ignore_starttls:
        yield f"{connector.name} would require TLS and ignore STARTTLS at once"


def _tlsauthlevel(case: Case) -> Iterator[str]:
    connector = case.send
    if connector is None or not connector.tls_auth_level:
        return
    if not connector.require_tls:
        yield f"{connector.name} would have TlsAuthLevel {connector.tls_auth_level} without RequireTLS"
    if connector.ignore_starttls:
        yield f"{connector.name} would have TlsAuthLevel {connector.tls_auth_level} and ignore STARTTLS"


def _tlsdomain(case: Case) -> Iterator[str]:
    connector = case.send
    if connector is None or connector.tls_auth_level != "DomainValidation":
        return
    if not connector.dns_routing_enabled and not connector.tls_domain:
        yield f"{connector.name} would validate the domain of a smart host's certificate without a TlsDomain"


def _tlsdomain_only(case: Case) -> Iterator[str]:
    connector = case.send
    if connector and connector.tls_domain and connector.tls_auth_level != "DomainValidation":
        level = connector.tls_auth_level or "none"
        yield f"{connector.name} would have the TlsDomain {connector.tls_domain}, which TlsAuthLevel {level} ignores"


def _domainsecure(case: Case) -> Iterator[str]:
    connector = case.send
    if connector is None or not connector.domain_secure_enabled:
        return
    if not connector.dns_routing_enabled:
        yield f"{connector.name} would have Domain Security without DNS routing"
    if connector.ignore_starttls:
        yield f"{connector.name} would have Domain Security and ignore STARTTLS"
    wild = [space.domain for space in connector.address_spaces if "*" in space.domain]
    if wild:
        yield f"{connector.name} would have Domain Security for {', '.join(wild)}; it takes no wildcard domain"


def _smarthosts(case: Case) -> Iterator[str]:
    hosts = case.texts("SmartHosts")
    name = case.text("Identity") or case.text("Name")
    if hosts and case.send and case.send.dns_routing_enabled:
        yield f"{name} would have smart hosts ({', '.join(hosts)}) and DNS routing at once"
    if case.value("DNSRoutingEnabled") is False and not hosts:
        yield f"{name} would lose DNS routing, and the same command names no smart host"


def _smarthost_auth(case: Case) -> Iterator[str]:
    basic = case.flags("SmartHostAuthMechanism") & {"BasicAuth", "BasicAuthRequireTLS"}
    if basic and case.value("AuthenticationCredential") is None:
        yield f"SmartHostAuthMechanism {', '.join(sorted(basic))} is given without an AuthenticationCredential"


def _addressspace(case: Case) -> Iterator[str]:
    edge = case.state.is_edge
    if case.makes and not case.texts("AddressSpaces"):
        yield f"the new send connector {case.text('Name')} has no address space"
    for text in case.texts("AddressSpaces"):
        try:
            space = parse_address_space(text)
        except ValueError as error:
            yield str(error)
            continue
        if edge and space.kind != "SMTP":
            yield f"address space {text!r}: on the Edge server {case.state.name} only SMTP is known"
        if space.domain == "--" and not edge:
            yield f"address space {text!r}: '--' (all accepted domains) exists on Edge servers only"


def _usage_one(case: Case) -> Iterator[str]:
    usages = case.usages
    if len(usages) > 1:
        yield f"a new send connector has one usage, not {' and '.join(usages)}"
    known = set(USAGES) - {"Client"}
    yield from (f"{usage!r} is not a usage of a send connector" for usage in usages if usage not in known)


def _tlscertname_missing(case: Case) -> Iterator[str]:
    connector, name = case.send, case.text("TlsCertificateName")
    if not name or connector is None:
        return
    here = case.state.is_edge or case.state.name.upper() in connector.source_transport_servers
    if here and readable_names(case.state) and not certificates_named(case.state, name):
        yield (
            f"{connector.name} sends from {case.state.name}, which has no certificate named {name}: "
            "mail would queue with 454 4.7.5"
        )


def _known(case: Case) -> Iterator[str]:
    if case.text("Identity") and case.send is None:
        yield f"there is no send connector {case.text('Identity')}"


SEND_RULES = (
    Rule(
        "sc-ignorestarttls",
        "A send connector that requires TLS does not ignore STARTTLS.",
        "set RequireTLS or IgnoreSTARTTLS to $false",
        _ON,
        _ignorestarttls,
        ("RequireTLS", "IgnoreSTARTTLS"),
    ),
    Rule(
        "sc-tlsauthlevel",
        "A send connector with a TlsAuthLevel requires TLS and does not ignore STARTTLS.",
        "set RequireTLS to $true and IgnoreSTARTTLS to $false, or leave the TlsAuthLevel empty",
        _ON,
        _tlsauthlevel,
        ("TlsAuthLevel", "RequireTLS", "IgnoreSTARTTLS"),
    ),
    Rule(
        "sc-tlsdomain",
        "DomainValidation through a smart host needs a TlsDomain.",
        "give the domain that the smart host's certificate carries",
        _ON,
        _tlsdomain,
        ("TlsAuthLevel", "TlsDomain", "DNSRoutingEnabled"),
    ),
    Rule(
        "sc-tlsdomain-only",
        "A TlsDomain needs the TlsAuthLevel DomainValidation; elsewhere it promises what nobody checks.",
        "set TlsAuthLevel DomainValidation, or leave the TlsDomain empty",
        _ON,
        _tlsdomain_only,
        ("TlsAuthLevel", "TlsDomain"),
    ),
    Rule(
        "sc-domainsecure",
        "Domain Security on a send connector needs DNS routing and STARTTLS, and takes no wildcard domain.",
        "leave Domain Security off, or correct routing, STARTTLS or address spaces",
        _ON,
        _domainsecure,
        ("DomainSecureEnabled", "DNSRoutingEnabled", "IgnoreSTARTTLS", "AddressSpaces"),
    ),
    Rule(
        "sc-smarthosts",
        "Smart hosts and DNSRoutingEnabled $false come in the same command.",
        "give SmartHosts and -DNSRoutingEnabled:$false together",
        _ON,
        _smarthosts,
        ("SmartHosts", "DNSRoutingEnabled"),
    ),
    Rule(
        "sc-smarthost-auth",
        "Basic authentication at a smart host needs a credential.",
        "give an AuthenticationCredential, or another SmartHostAuthMechanism",
        _ON,
        _smarthost_auth,
        ("SmartHostAuthMechanism",),
    ),
    Rule(
        "sc-addressspace",
        "An address space is type:space;cost: cost 1 to 100, space '*', domain or '*.domain'; on Edge type SMTP.",
        "correct the address space",
        _ON,
        _addressspace,
        ("AddressSpaces",),
    ),
    Rule(
        "sc-usage-one",
        "A new send connector has at most one usage.",
        "keep one of Usage, Custom, Internal, Internet and Partner",
        ("New-SendConnector",),
        _usage_one,
    ),
    Rule(
        "sc-tlscertname-missing",
        "The TLS certificate name of a send connector names a certificate that its source server has.",
        "install the certificate first, and take its name from the server",
        _ON,
        _tlscertname_missing,
        ("TlsCertificateName",),
    ),
    Rule(
        "sc-unknown",
        "A send connector that is to be changed exists.",
        "take the connector's name from Get-SendConnector",
        ("Set-SendConnector", "Remove-SendConnector"),
        _known,
    ),
)
