"""A lab with a past: renewed and expired certificates, connectors of others, names gone stale, several versions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tlsrunbook.lab.exchange.keys import KeyRing
from tlsrunbook.lab.exchange.names import tls_certificate_name
from tlsrunbook.lab.exchange.world import LabServer
from tlsrunbook.lab.faults import FaultBoard
from tlsrunbook.lab.lab import Lab
from tlsrunbook.lab.places import ServerPlan, SitePlan

NOW = datetime.now(UTC).replace(microsecond=0)


def plan_of_versions() -> SitePlan:
    """One site: an Edge and Mailbox servers of several versions."""
    domain, internal = "london.example.net", "corp.london.example.net"
    versions = (("EDGE1", "SE"), ("MBX1", "15.2.1544.4"), ("MBX2", "15.1.2507.6"), ("MBX3", "2013"))
    servers = tuple(
        ServerPlan(name, name.startswith("EDGE"), f"mx{at}.{domain}", f"{name.lower()}.{internal}", version)
        for at, (name, version) in enumerate(versions, start=1)
    )
    return SitePlan("london", "GB", domain, internal, servers)


def lab_with_versions(*faults: str) -> Lab:
    return Lab(plan=(plan_of_versions(),), keys=KeyRing(), faults=FaultBoard(*faults))


def public_certificate(lab: Lab, server: LabServer, fqdn: str, *, begun: float, days: int) -> x509.Certificate:
    """Give a server a public certificate with its key, as an earlier renewal left it; ``begun`` days ago."""
    key = server.new_key(2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, fqdn)])
    csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    pem = csr.public_bytes(Encoding.PEM).decode("ascii")
    certificate = lab.ca.issue(pem, not_before=NOW - timedelta(days=begun), days=days)
    server.install(certificate, key, ["SMTP"])
    with server.lock:
        intermediate = lab.ca.issuer_of(certificate)
        server.stores.ca[intermediate.fingerprint(hashes.SHA1()).hex().upper()] = intermediate
    return certificate


def command(server: LabServer, cmdlet: str, **parameters: Any) -> None:
    """Do what another administrator did."""
    kinds = {bool: "bool", int: "int", str: "string", list: "strings"}
    given = [{"name": name, "type": kinds[type(value)], "value": value} for name, value in parameters.items()]
    done = server.execute([{"name": cmdlet, "parameters": given}], [])
    assert done["ok"], done["errors"]


def behind_a_filter(server: LabServer) -> None:
    """Bind the connectors of port 25 to one address of the server, for the filter in front alone."""
    with server.directory.lock:
        for connector in server.own_receive_connectors():
            if any(binding.port == 25 for binding in connector.bindings):
                connector.properties |= {"Bindings": ("10.0.0.5:25",), "RemoteIPRanges": ("10.9.0.0/16",)}


def live_through(lab: Lab) -> None:
    """Give the servers of :func:`lab_with_versions` their past."""
    site = lab.plan[0]
    fqdn = {server.name: server.fqdn for server in site.servers}
    behind_a_filter(lab.server(site.name, "MBX3"))
    edge, two = lab.server(site.name, "EDGE1"), lab.server(site.name, "MBX2")
    expired = public_certificate(lab, edge, fqdn["EDGE1"], begun=100, days=90)
    due = public_certificate(lab, edge, fqdn["EDGE1"], begun=80, days=90)
    assert tls_certificate_name(expired) == tls_certificate_name(due)
    command(
        edge,
        "Set-ReceiveConnector",
        Identity="EDGE1\\Default internal receive connector EDGE1",
        TlsCertificateName=tls_certificate_name(due),
    )
    command(edge, "New-SendConnector", Name="To the bank", AddressSpaces=["bank.example.org"], RequireTLS=True)
    lab.ca.rotate_intermediate()
    old = public_certificate(lab, two, fqdn["MBX2"], begun=70, days=90)
    lab.ca.rotate_intermediate()
    command(
        two,
        "New-SendConnector",
        Name="Relay of the old days",
        AddressSpaces=["*.legacy.example.org"],
        SourceTransportServers=["MBX1", "MBX2"],
        SmartHosts=["relay.example.net"],
        DNSRoutingEnabled=False,
        TlsCertificateName=tls_certificate_name(old),
    )
