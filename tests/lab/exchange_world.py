"""A small simulated world for the tests of the simulated Exchange: a CA, an organisation, two servers."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tlsrunbook.lab.exchange.keys import KeyRing
from tlsrunbook.lab.exchange.stores import thumbprint_of
from tlsrunbook.lab.exchange.world import LabServer, Organization
from tlsrunbook.lab.faults import FaultBoard

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
REQUEST = {
    "GenerateRequest": True,
    "SubjectName": "C=GB, O=Example Corp, CN=mail.example.com",
    "DomainName": ["mail.example.com", "mx.example.com"],
}


def name(cn: str, organization: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COUNTRY_NAME, "GB")] if organization else []
    parts += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, cn)])


class TestCA:
    """A root and an intermediate."""

    __test__ = False

    def __init__(self, keys: KeyRing, label: str = "Test") -> None:
        self.root_key, self.key = keys(2048), keys(2048)
        self.root = self._ca(name(f"{label} Root", label), name(f"{label} Root", label), self.root_key, self.root_key)
        subject = name(f"{label} Intermediate", label)
        self.intermediate = self._ca(subject, self.root.subject, self.key, self.root_key)

    def _ca(self, subject: x509.Name, issuer: x509.Name, key: Any, signer: Any) -> x509.Certificate:
        return (
            self._builder(subject, issuer, key.public_key(), NOW - 900 * DAY, NOW + 900 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(signer, hashes.SHA256())
        )

    @staticmethod
    def _builder(subject: Any, issuer: Any, key: Any, start: datetime, end: datetime) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(end)
        )

    def issue(
        self,
        key: Any,
        cn: str = "mail.example.com",
        names: tuple[str, ...] = (),
        *,
        start: datetime = NOW - DAY,
        end: datetime = NOW + 90 * DAY,
        usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
    ) -> x509.Certificate:
        san = x509.SubjectAlternativeName([x509.DNSName(one) for one in names or (cn,)])
        return (
            self._builder(name(cn), self.intermediate.subject, key, start, end)
            .add_extension(san, critical=False)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .sign(self.key, hashes.SHA256())
        )

    def bundle(self, leaf: x509.Certificate) -> bytes:
        return pkcs7.serialize_certificates([leaf, self.intermediate, self.root], Encoding.DER)


class World:
    """An organisation with MBX1 and, not subscribed, EDGE1, at noon of a fixed day."""

    def __init__(self, version: str = "SE", *faults: str) -> None:
        self.now = NOW
        self.keys = KeyRing()
        self.faults = FaultBoard(*faults)
        self.ca = TestCA(self.keys)
        self.organization = Organization("Example", "corp.example", accepted_domains=("example.com", "example.net"))
        self.mailbox = self._server("mbx1", version)
        self.edge = self._server("edge1", version, is_edge=True, receive_fqdn="mail.example.com")

    def _server(self, server: str, version: str, **more: Any) -> LabServer:
        return LabServer(
            server,
            f"{server}.corp.example",
            version,
            organization=self.organization,
            faults=self.faults,
            check_credential=lambda user, password: (user, password) == ("CORP\\admin", "right"),
            keys=self.keys,
            clock=lambda: self.now,
            trusted_roots=[self.ca.root],
            **more,
        )

    def issued_for_request(self, server: LabServer, **more: Any) -> x509.Certificate:
        """Make a request on a server and have it signed; the certificate is not imported."""
        text = one(server, "New-ExchangeCertificate", **REQUEST)["Value"]
        csr = x509.load_pem_x509_csr(text.encode())
        return self.ca.issue(csr.public_key(), "mail.example.com", ("mail.example.com", "mx.example.com"), **more)

    def installed(self, server: LabServer, **more: Any) -> str:
        """Request, sign and import a bundle; give the thumbprint."""
        leaf = self.issued_for_request(server, **more)
        ok(server, "Import-ExchangeCertificate", FileData=self.ca.bundle(leaf))
        return thumbprint_of(leaf)


class Secure(str):
    """A value that goes as SecureString."""

    __slots__ = ()


def frame(value: Any) -> dict[str, Any]:
    if value is None:
        return {"type": "null", "value": None}
    if isinstance(value, Secure):
        return {"type": "secure", "value": str(value)}
    if isinstance(value, bool):
        return {"type": "bool", "value": value}
    if isinstance(value, int):
        return {"type": "int", "value": value}
    if isinstance(value, bytes):
        return {"type": "bytes", "value": base64.b64encode(value).decode()}
    if isinstance(value, list | tuple):
        return {"type": "strings", "value": list(value)}
    return {"type": "string", "value": value}


def command(cmdlet: str, parameters: dict[str, Any]) -> dict[str, Any]:
    return {"name": cmdlet, "parameters": [{"name": key, **frame(value)} for key, value in parameters.items()]}


def run(server: LabServer, cmdlet: str, select: tuple[str, ...] = (), **parameters: Any) -> dict[str, Any]:
    return server.execute([command(cmdlet, parameters)], list(select))


def pipe(server: LabServer, first: tuple[str, dict[str, Any]], second: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    return server.execute([command(*first), command(*second)], [])


def ok(server: LabServer, cmdlet: str, select: tuple[str, ...] = (), **parameters: Any) -> list[dict[str, Any]]:
    answer = run(server, cmdlet, select, **parameters)
    assert answer["errors"] == []
    assert answer["ok"] is True
    return list(answer["objects"])


def one(server: LabServer, cmdlet: str, select: tuple[str, ...] = (), **parameters: Any) -> dict[str, Any]:
    (item,) = ok(server, cmdlet, select, **parameters)
    return item


def error(server: LabServer, cmdlet: str, **parameters: Any) -> dict[str, str]:
    """Run what must be refused and must change nothing; give the error."""
    before = server.snapshot()
    answer = run(server, cmdlet, **parameters)
    assert answer["ok"] is False
    assert server.snapshot() == before
    (found,) = answer["errors"]
    return dict(found)
