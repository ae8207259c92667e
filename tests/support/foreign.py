"""Another administrator's connectors and certificates, and what a record says of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from exchange_world import ok

from tests.support.change import Change
from tlsrunbook.evidence.record import Record
from tlsrunbook.lab.signing import leaf_extensions

BAD = ("refuse", "error")


def rules(record: Record, *severities: str) -> set[str]:
    return {finding["rule"] for finding in record.findings if finding["severity"] in (severities or BAD)}


def finding(record: Record, rule: str) -> dict[str, str]:
    return dict(next(one for one in record.findings if one["rule"] == rule))


def renewed(change: Change, server: str, *, rotated: bool) -> dict[str, Record]:
    """Renew ahead of time, with another intermediate or the same."""
    if rotated:
        change.lab.ca.rotate_intermediate()
    change.edit("renew_before_days = 30", "renew_before_days = 180")
    return {record.step: record for record in change.apply(server)}


def named(change: Change, server: str) -> dict[str, str]:
    """Give connector -> TLS certificate name, of all connectors that have one."""
    state = change.lab.server(change.site, server).snapshot()
    every = {**state["receive_connectors"], **state["send_connectors"]}
    return {name: one["TlsCertificateName"] for name, one in every.items() if one["TlsCertificateName"]}


def own_name(change: Change, server: str, thumbprint: str) -> str:
    return change.lab.server(change.site, server).stores.my[thumbprint].tls_certificate_name


def foreign_connectors(change: Change, server: str, name: str) -> dict[str, Any]:
    """Another administrator's connectors that name the certificate, under names nobody here chose."""
    machine = change.lab.server(change.site, server)
    ok(machine, "New-ReceiveConnector", Name="Warehouse", Usage="Custom", Bindings=["0.0.0.0:2527"],
       RemoteIPRanges=["10.0.0.0/8"], TlsCertificateName=name,
       **({} if machine.is_edge else {"TransportRole": "FrontendTransport"}))  # fmt: skip
    ok(machine, "New-SendConnector", Name="Outbound to Office 365", AddressSpaces=["tenant.mail.onmicrosoft.com"],
       RequireTLS=True, TlsAuthLevel="DomainValidation", TlsDomain="mail.protection.outlook.com",
       CloudServicesMailEnabled=True, Fqdn="hybrid.example.net", TlsCertificateName=name)  # fmt: skip
    return dict(machine.snapshot()["send_connectors"]["Outbound to Office 365"])


def odd_certificate(change: Change, server: str) -> tuple[str, str]:
    """A certificate in use whose subject does not tell its names; gives thumbprint and TLS certificate name."""
    machine = change.lab.server(change.site, server)
    key = machine.new_key(2048)
    names = (x509.DNSName("mx1.london.example.net"),)
    period = (machine.now() - timedelta(days=60), machine.now() + timedelta(days=5))
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example Corp")])
    extensions = (
        *leaf_extensions(key.public_key(), names),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
    )
    made = change.lab.ca._intermediates[-1].sign(subject, key.public_key(), period, extensions)
    thumbprint = machine.install(made, key, ("SMTP",))
    return thumbprint, own_name(change, server, thumbprint)
