"""A server of a made-up fleet, and what Exchange would tell of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.support.states import DEFAULT, certificate, default_certificate, make_state, receive, send
from tlsrunbook.exchange.state import ExchangeCertificate, ServerState

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ISSUER = "CN=Good CA TLS R4, O=Good CA, C=US"


@dataclass
class Member:
    """One server with what will be written of it.

    Args:
        past: Days ago, what was run, how it ended; oldest first.
    """

    site: str
    number: int
    fate: str
    lives: int
    renewed: int
    past: list[tuple[float, tuple[str, ...], Mapping[str, Any]]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """NetBIOS name."""
        return f"{'EDGE' if self.number % 3 == 1 else 'MBX'}{self.number:03d}"

    @property
    def fqdn(self) -> str:
        """The public name."""
        return f"mx{self.number}.{self.site}.example.net"

    @property
    def ends(self) -> datetime:
        """When its newest certificate ends."""
        return NOW + timedelta(days=self.lives - self.renewed)


def csr_pem(fqdn: str) -> str:
    """Give a CSR for a name, with a fresh key."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, fqdn)])
    names = x509.SubjectAlternativeName([x509.DNSName(fqdn)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name).add_extension(names, critical=False)
    signed = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(Encoding.PEM).decode("ascii")


def state_of(member: Member, at: datetime = NOW, *, pending: bool = False) -> ServerState:
    """Give a member's state: its default certificate, the one before, the newest one last; or with a request."""
    mark = f"{member.site}{member.number}".encode().hex().upper()
    newest = _issued(member, f"{mark}A", member.ends, member.lives)
    before = _issued(member, f"{mark}B", member.ends - timedelta(days=member.lives - 20), member.lives)
    held: list[ExchangeCertificate] = [before, newest] if before.not_after > at else [newest]
    if pending:
        request = csr_pem(member.fqdn)
        held.insert(0, certificate(status="PendingRequest", thumbprint=f"{mark:0<40}"[:39] + "C", request=request,
                                   self_signed=True, not_before=at, tls_certificate_name=""))  # fmt: skip
    default = default_certificate(not_after=NOW + timedelta(days=1500), raw=b"\x30" * 820)
    named = newest.tls_certificate_name if member.fate != "stale" else "<I>CN=Good CA TLS R3<S>CN=" + member.fqdn
    senders = tuple(
        send(f"TLS {kind} {member.name}", space, source_transport_servers=(member.name,), tls_certificate_name=named)
        for kind, space in (("required", "partner.com"), ("default", "*"))
    )
    own = receive(f"Default Frontend {member.name}", identity=f"{member.name}\\Default Frontend {member.name}",
                  fqdn=member.fqdn, tls_certificate_name=newest.tls_certificate_name)  # fmt: skip
    more = tuple(
        receive(f"{kind} {member.name}", identity=f"{member.name}\\{kind} {member.name}", permission_groups=frozenset())
        for kind in ("Client Frontend", "Client Proxy", "Default", "Outbound Proxy Frontend")
    )
    return make_state(
        *held,
        name=member.name,
        fqdn=f"{member.name.lower()}.corp.example.net",
        certificates=(default, *held),
        internal_transport_thumbprint=DEFAULT,
        receive_connectors=(own, *more),
        send_connectors=senders,
        is_edge=False,
        role="Mailbox",
    )


def _issued(member: Member, mark: str, ends: datetime, lives: int) -> ExchangeCertificate:
    return certificate(
        thumbprint=f"{mark:0<40}"[:39] + mark[-1],
        subject=f"CN={member.fqdn}",
        issuer=ISSUER,
        names=(member.fqdn,),
        not_before=ends - timedelta(days=lives),
        not_after=ends,
        services=frozenset({"SMTP"}),
        raw=b"\x30" * 1100,
    )
