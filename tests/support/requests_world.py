"""A server with a pending request, and CAs that answer it: real keys, real CSRs, real certificates."""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import Any

from certificate_factory import Made, csr_for, key, make, world
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from shell_answers import answer_read
from worlds import AT, FQDN, MemoryAuthority, ScriptedShell, certificate

from tlsrunbook.certificates.csr import read_csr
from tlsrunbook.exchange.command import Pipeline, Reply
from tlsrunbook.exchange.decode import thumbprint_of
from tlsrunbook.exchange.state import ExchangeCertificate


def csr_pem(name: str = "server", names: tuple[str, ...] = (FQDN,), kind: str = "rsa2048") -> str:
    """A CSR as Exchange words it."""
    text = _csr(name, names, kind).public_bytes(Encoding.PEM).decode("ascii")
    return text.replace("BEGIN CERTIFICATE", "BEGIN NEW CERTIFICATE").replace("END CERTIFICATE", "END NEW CERTIFICATE")


@lru_cache
def _csr(name: str, names: tuple[str, ...], kind: str) -> x509.CertificateSigningRequest:
    return csr_for(key(name, kind), names[0], names, C="GB", O="Example Corp")


def pending(mark: str = "1", **how: Any) -> ExchangeCertificate:
    """A pending request as the server lists it."""
    changes = {name: how.pop(name) for name in ("not_before", "request") if name in how}
    return certificate(
        mark, status="PendingRequest", issuer="CN=mx1.example.com", **{"request": csr_pem(**how), **changes}
    )


def leaf(names: tuple[str, ...] = (FQDN,), *, key_name: str = "server", signer: Made | None = None, **how: Any) -> Made:
    """What a CA issues for the pending request."""
    return make(
        names[0],
        own_key=key(key_name, "rsa2048"),
        signer=signer or world().intermediate,
        names=names,
        **how,
    )


def reply_with(*made: Made) -> bytes:
    return b"".join(one.pem for one in made)


def chain() -> tuple[Made, Made]:
    return world().intermediate, world().upper


def authority_with(reply: bytes | None, request: ExchangeCertificate) -> MemoryAuthority:
    """An authority that has the CSR already."""
    return MemoryAuthority(reply, {read_csr(request.request).pem})


def installed(made: Made, **changes: Any) -> ExchangeCertificate:
    """A certificate as the server lists it once it is there."""
    subject, issuer = (name.rfc4514_string() for name in (made.certificate.subject, made.certificate.issuer))
    given: dict[str, Any] = {
        "thumbprint": thumbprint_of(made.der),
        "raw": made.der,
        "not_before": made.certificate.not_valid_before_utc,
        "not_after": made.certificate.not_valid_after_utc,
    }
    return certificate(subject=subject, issuer=issuer, **{**given, **changes})


class StoreShell(ScriptedShell):
    """A scripted shell that has an intermediate store too."""

    def __init__(self, *args: Any, store: tuple[bytes, ...] = (), **more: Any) -> None:
        super().__init__(*args, **more)
        self.store = list(store)
        self.answers = {**self.answers, "Get-StoreCertificate": _stored, "Add-StoreCertificate": _add}


def _stored(shell: StoreShell, pipeline: Pipeline) -> Reply:
    assert answer_read(shell.state, pipeline) == Reply()
    return Reply(
        tuple(
            {"Thumbprint": thumbprint_of(der), "RawData": base64.b64encode(der).decode("ascii")} for der in shell.store
        )
    )


def _add(shell: StoreShell, pipeline: Pipeline) -> Reply:
    der = pipeline[0].get("RawData")
    assert isinstance(der, bytes)
    shell.store.append(der)
    return Reply()


__all__ = ["AT", "FQDN"]
