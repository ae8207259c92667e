"""What an SMTP listener needs to know of a simulated server, and nothing of how it came about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Listener:
    r"""One receive connector as a listener sees it.

    Args:
        identity: ``SERVER\\Name``.
        fqdn: What it answers with in banner and EHLO (the server's own FQDN when the connector has none).
        ports: TCP ports of its bindings, ascending.
        auth: ``AuthMechanism``, such as ``("Tls", "Integrated")``; STARTTLS is never offered without ``Tls``.
        enabled: Whether it listens at all.
        require_tls: Whether MAIL FROM is refused before STARTTLS.
        anonymous: Whether strangers may send to it.
        banner: The text after ``220``; empty means Exchange's own.
    """

    identity: str
    fqdn: str
    ports: tuple[int, ...]
    auth: tuple[str, ...]
    enabled: bool
    require_tls: bool
    anonymous: bool
    banner: str = ""


@dataclass(frozen=True)
class InboundTls:
    r"""Exchange's choice of a certificate for inbound STARTTLS, with its reasons.

    Args:
        certificate: What is shown; None: STARTTLS is not offered.
        key: Its private key, None when there is no certificate.
        chain_der: The intermediates that ``LocalMachine\\CA`` has, from the leaf's issuer upwards, without the root.
        usable: False: STARTTLS is offered, and the handshake must fail because Exchange cannot use the key.
        events: Event ids written, such as ``12014``.
        trace: The decision, one line for each rule and candidate.
        connector: Identity of the receive connector that took the connection; empty when none did.
    """

    certificate: x509.Certificate | None
    key: PrivateKey | None
    chain_der: tuple[bytes, ...] = ()
    usable: bool = True
    events: tuple[str, ...] = ()
    trace: tuple[str, ...] = ()
    connector: str = ""

    @property
    def offered(self) -> bool:
        """Whether EHLO lists STARTTLS."""
        return self.certificate is not None


class InboundServer(Protocol):
    """What a simulated server answers an SMTP listener; ``world.LabServer`` does. Safe to call from any thread."""

    name: str
    fqdn: str

    def inbound(self, connector: str | int, remote: str = ...) -> InboundTls:
        """Choose the certificate now, by receive connector identity or by port.

        Args:
            connector: Identity, or a port: then the enabled connector bound to it whose range holds ``remote``.
            remote: The client's IP address.
        """

    def receive_connectors(self) -> tuple[Listener, ...]:
        """List this server's own receive connectors as they are now."""
