"""Two servers to judge commands on: a Mailbox and an Edge server."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tlsrunbook.exchange.state import AddressSpace, ExchangeCertificate, ReceiveConnector, SendConnector, ServerState
from tlsrunbook.exchange.version import ExchangeVersion

PUBLIC, INTERNAL = "A" * 40, "B" * 40
EVERYBODY = ("::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "0.0.0.0-255.255.255.255")
DATES = (datetime(2026, 11, 1, tzinfo=UTC), datetime(2027, 5, 1, tzinfo=UTC))


def certificate(
    thumbprint: str, subject: str, issuer: str, *, raw: bytes = b"", request: str = ""
) -> ExchangeCertificate:
    return ExchangeCertificate(
        thumbprint=thumbprint,
        subject=subject,
        issuer=issuer,
        tls_certificate_name=f"<I>{issuer}<S>{subject}",
        not_before=DATES[0],
        not_after=DATES[1],
        names=(subject.removeprefix("CN="),),
        services=frozenset({"SMTP"}),
        status="Valid",
        self_signed=subject == issuer,
        has_private_key=True,
        key_size=2048,
        friendly_name="",
        raw=raw,
        request=request,
    )


def mailbox() -> ServerState:
    receive = ReceiveConnector(
        identity="MBX1\\Default Frontend MBX1",
        name="Default Frontend MBX1",
        fqdn="mbx1.example.internal",
        tls_certificate_name="",
        auth_mechanism=frozenset({"Tls", "Integrated", "ExchangeServer"}),
        permission_groups=frozenset({"AnonymousUsers", "ExchangeServers"}),
        bindings=("[::]:25", "0.0.0.0:25"),
        remote_ip_ranges=EVERYBODY,
        require_tls=False,
        enabled=True,
        domain_secure_enabled=False,
        transport_role="FrontendTransport",
    )
    send = SendConnector(
        identity="To Internet",
        name="To Internet",
        enabled=True,
        address_spaces=(AddressSpace("*"),),
        fqdn="",
        tls_certificate_name="",
        require_tls=False,
        ignore_starttls=False,
        tls_auth_level="",
        tls_domain="",
        dns_routing_enabled=True,
        domain_secure_enabled=False,
        smart_hosts=(),
        source_transport_servers=("MBX1",),
        frontend_proxy_enabled=False,
        cloud_services_mail_enabled=False,
        is_scoped=False,
        port=25,
        max_message_size="35 MB (36,700,160 bytes)",
    )
    return ServerState(
        name="MBX1",
        fqdn="mbx1.example.internal",
        version=ExchangeVersion(15, 2, 1748, 10),
        is_edge=False,
        role="Mailbox",
        edge_subscribed=False,
        certificates=(
            certificate(PUBLIC, "CN=mail.example.com", "CN=Example CA"),
            certificate(INTERNAL, "CN=MBX1", "CN=MBX1"),
        ),
        internal_transport_thumbprint=INTERNAL,
        receive_connectors=(receive,),
        send_connectors=(send,),
        intermediates=frozenset(),
    )


def edge() -> ServerState:
    state = mailbox()
    receive = replace(
        state.receive_connectors[0],
        identity="EDGE1\\Default internal receive connector EDGE1",
        name="Default internal receive connector EDGE1",
        fqdn="edge1.example.internal",
        auth_mechanism=frozenset({"Tls", "ExchangeServer"}),
        transport_role="",
    )
    send = replace(state.send_connectors[0], source_transport_servers=())
    return replace(
        state,
        name="EDGE1",
        fqdn="edge1.example.internal",
        is_edge=True,
        role="Edge",
        receive_connectors=(receive,),
        send_connectors=(send,),
    )


@cache
def private_key(number: int) -> rsa.RSAPrivateKey:
    """A key per number, made once."""
    assert number >= 0
    return rsa.generate_private_key(65537, 2048)


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def issued(key: rsa.RSAPrivateKey, subject: str = "mail.example.com") -> x509.Certificate:
    """A certificate for the key, as a CA would give it."""
    builder = x509.CertificateBuilder(
        issuer_name=name("Example CA"),
        subject_name=name(subject),
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=DATES[0],
        not_valid_after=DATES[1],
    )
    return builder.sign(private_key(9), hashes.SHA256())


def csr(key: rsa.RSAPrivateKey) -> str:
    """A request for the key, as Exchange keeps it."""
    builder = x509.CertificateSigningRequestBuilder(subject_name=name("mail.example.com"))
    pem = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
    return pem.replace(" CERTIFICATE REQUEST", " NEW CERTIFICATE REQUEST")
