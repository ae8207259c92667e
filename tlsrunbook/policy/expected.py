"""The state a pipeline leaves when it succeeds, as far as Exchange's rules tell.

Used to judge the later parts of a plan before any part is sent; what the server really says afterwards is read again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tlsrunbook.exchange.command import Pipeline
from tlsrunbook.exchange.decode import thumbprint_of
from tlsrunbook.exchange.state import ExchangeCertificate, ServerState
from tlsrunbook.policy.imported_keys import certificates_in, is_key_held, keys_held
from tlsrunbook.policy.preflight_case import Case


def after(pipeline: Pipeline, state: ServerState) -> ServerState:
    """Give the state after a pipeline; commands that only read, or are not known here, leave it as it is."""
    piped: tuple[str, ...] = ()
    for command in pipeline:
        case = Case(command, state)
        effect = _EFFECTS.get(command.name)
        state = effect(case) if effect else state
        if command.name == "Enable-ExchangeCertificate":
            for thumbprint in (case.thumbprint,) if case.thumbprint else piped:
                state = _enabled(case, state, thumbprint)
        piped = tuple({c.thumbprint for c in state.certificates} - {c.thumbprint for c in case.state.certificates})
    return state


def _enabled(case: Case, state: ServerState, thumbprint: str) -> ServerState:
    if "SMTP" not in case.flags("Services"):
        return state
    certificates = tuple(
        replace(c, services=(c.services or frozenset()) | {"SMTP"}) if c.thumbprint == thumbprint else c
        for c in state.certificates
    )
    # -Force answers Yes: it becomes the default SMTP certificate.
    return replace(state, certificates=certificates, internal_transport_thumbprint=thumbprint)


def _imported(case: Case) -> ServerState:
    data = case.value("FileData")
    held = keys_held(case.state)
    if not isinstance(data, bytes) or held is None:
        return case.state
    own = [certificate for certificate in certificates_in(data) if is_key_held(certificate, held)]
    known = {certificate.thumbprint for certificate in case.state.certificates}
    added = tuple(listed for listed in map(_listed, own) if listed.thumbprint not in known)
    kept = tuple(c for c in case.state.certificates if not (c.pending and _used_up(c, own, case.state)))
    return replace(case.state, certificates=kept + added)


def _used_up(request: ExchangeCertificate, imported: list[x509.Certificate], state: ServerState) -> bool:
    """Whether one of the imported certificates has the key of a pending request."""
    held = keys_held(replace(state, certificates=(request,)))
    return held is not None and any(is_key_held(certificate, held) for certificate in imported)


def _listed(certificate: x509.Certificate) -> ExchangeCertificate:
    raw = certificate.public_bytes(Encoding.DER)
    return ExchangeCertificate(
        thumbprint=thumbprint_of(raw),
        subject="",  # the server spells these, and nobody else
        issuer="",
        tls_certificate_name="",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        names=(),
        services=frozenset(),
        status="Unknown",
        self_signed=False,
        has_private_key=True,
        key_size=0,
        friendly_name="",
        raw=raw,
    )


def _stored(case: Case) -> ServerState:
    data = case.value("RawData")
    added = {thumbprint_of(data)} if isinstance(data, bytes) else set()
    return replace(case.state, intermediates=case.state.intermediates | added)


def _unstored(case: Case) -> ServerState:
    return replace(case.state, intermediates=case.state.intermediates - {case.thumbprint})


def _removed(case: Case) -> ServerState:
    kept = tuple(c for c in case.state.certificates if c.thumbprint != case.thumbprint)
    return replace(case.state, certificates=kept)


def _receive_set(case: Case) -> ServerState:
    changed = case.receive
    if changed is None:
        return case.state
    others = tuple(c for c in case.state.receive_connectors if c.identity.lower() != changed.identity.lower())
    return replace(case.state, receive_connectors=(*others, changed))


def _receive_removed(case: Case) -> ServerState:
    gone = case.receive
    kept = tuple(c for c in case.state.receive_connectors if c != gone)
    return replace(case.state, receive_connectors=kept)


def _send_set(case: Case) -> ServerState:
    changed = case.send
    if changed is None:
        return case.state
    others = tuple(c for c in case.state.send_connectors if c.identity.lower() != changed.identity.lower())
    return replace(case.state, send_connectors=(*others, changed))


def _send_removed(case: Case) -> ServerState:
    gone = case.send
    return replace(case.state, send_connectors=tuple(c for c in case.state.send_connectors if c != gone))


_EFFECTS: Mapping[str, Callable[[Case], ServerState]] = {
    "Add-StoreCertificate": _stored,
    "Remove-StoreCertificate": _unstored,
    "Import-ExchangeCertificate": _imported,
    "Remove-ExchangeCertificate": _removed,
    "New-ReceiveConnector": _receive_set,
    "Set-ReceiveConnector": _receive_set,
    "Remove-ReceiveConnector": _receive_removed,
    "New-SendConnector": _send_set,
    "Set-SendConnector": _send_set,
    "Remove-SendConnector": _send_removed,
}
