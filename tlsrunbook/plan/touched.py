"""Which things the commands of a change touched, what they were before, and how the change left them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from tlsrunbook.certificates.csr import read_csr
from tlsrunbook.errors import BadCertificateFile
from tlsrunbook.exchange.command import Command, Pipeline
from tlsrunbook.exchange.decode import thumbprint_of
from tlsrunbook.exchange.state import ExchangeCertificate, ServerState
from tlsrunbook.plan.things import (
    CERTIFICATE,
    DEFAULT,
    INTERMEDIATE,
    RECEIVE,
    REQUEST,
    SEND,
    SERVER,
    SERVICES,
    UNKNOWN,
    Thing,
    same,
    things,
)
from tlsrunbook.policy.imported_keys import certificates_in, is_key_held, keys_held


@dataclass(frozen=True)
class Touch:
    """What one command does to one thing.

    Args:
        properties: Those it sets; empty when it makes or removes the thing.
        makes: Whether the thing is new by it.
        given: With ``makes``: the properties that the command itself gives.
    """

    thing: Thing
    properties: frozenset[str] = frozenset()
    makes: bool = False
    given: frozenset[str] = frozenset()


def touches(pipeline: Pipeline, before: ServerState, later: ServerState) -> tuple[Touch, ...]:
    """Give what a pipeline does, or did if it was carried out.

    Args:
        pipeline: Commands that change something.
        before: The state that the attempt found.
        later: A state seen after it: a request that was made is only found by looking.
    """
    found: list[Touch] = []
    imported = ""
    for command in pipeline:
        if command.name == "Import-ExchangeCertificate":
            data = _imported(command, before, later)
            imported = thumbprint_of(data) if data else ""
            found += _imports(imported, data, before)
        elif command.name == "Enable-ExchangeCertificate":
            found += _enables(str(command.get("Thumbprint") or imported), before)
        elif command.name == "New-ExchangeCertificate":
            found += (Touch(Thing(REQUEST, one.thumbprint), makes=True) for one in made_by(command, before, later))
        elif command.changes and command.name not in _PASSING:
            found.append(_plain(command, before))
    return tuple(found)


def _imported(command: Command, before: ServerState, later: ServerState) -> bytes:
    """Give what was imported: the command's bytes; on 2007, which takes a path, the one certificate that is new."""
    data = command.get("FileData")
    if isinstance(data, bytes):
        return data
    known = {certificate.thumbprint for certificate in before.certificates}
    new = [one.raw for one in later.certificates if one.raw and not one.pending and one.thumbprint not in known]
    return new[0] if len(new) == 1 else b""


def _imports(thumbprint: str, data: bytes, before: ServerState) -> Iterable[Touch]:
    if not thumbprint:
        yield Touch(Thing(UNKNOWN, "Import-ExchangeCertificate"))
        return
    yield Touch(Thing(CERTIFICATE, thumbprint), makes=True, given=frozenset({SERVICES}))
    for certificate in certificates_in(data):
        for entry in before.certificates:
            held = keys_held(replace(before, certificates=(entry,))) if entry.pending else None
            if held and is_key_held(certificate, held):
                yield Touch(Thing(REQUEST, entry.thumbprint))


def _enables(thumbprint: str, before: ServerState) -> Iterable[Touch]:
    yield Touch(Thing(CERTIFICATE, thumbprint), frozenset({SERVICES}))
    yield Touch(Thing(SERVER, before.name), frozenset({DEFAULT}))


#: What leaves nothing behind that would have to be put back: files that the same step takes away; an export, which
#: lives in memory; and EdgeSync, which carries the connectors as they are by then to the Edge every few minutes anyway.
_PASSING = frozenset({"Set-ServerFile", "Remove-ServerFile", "Export-ExchangeCertificate", "Start-EdgeSynchronization"})

_NAMED: Mapping[str, tuple[str, str]] = {
    "New-SendConnector": (SEND, "Name"),
    "Set-SendConnector": (SEND, "Identity"),
    "Remove-SendConnector": (SEND, "Identity"),
    "New-ReceiveConnector": (RECEIVE, "Name"),
    "Set-ReceiveConnector": (RECEIVE, "Identity"),
    "Remove-StoreCertificate": (INTERMEDIATE, "Thumbprint"),
}


def _plain(command: Command, before: ServerState) -> Touch:
    if command.name == "Add-StoreCertificate":
        data = command.get("RawData")
        return Touch(Thing(INTERMEDIATE, thumbprint_of(data if isinstance(data, bytes) else b"")), makes=True)
    if command.name == "Remove-ExchangeCertificate":
        thumbprint = str(command.get("Thumbprint"))
        entry = before.certificate(thumbprint)
        return Touch(Thing(REQUEST if entry and entry.pending else CERTIFICATE, thumbprint))
    if command.name not in _NAMED:
        return Touch(Thing(UNKNOWN, command.name))
    kind, named_by = _NAMED[command.name]
    given = frozenset(name for name, _ in command.parameters) - {"Identity", "Name", "Usage", "Server", "Confirm"}
    name = str(command.get(named_by))
    # Exchange knows a receive connector by its server too, and is told the name alone when it is made.
    thing = Thing(kind, f"{before.name}\\{name}" if command.name == "New-ReceiveConnector" else name)
    verb = command.name.split("-", 1)[0]
    if verb == "Remove":
        return Touch(thing)
    return Touch(thing, makes=True, given=given) if verb == "New" else Touch(thing, given)


def made_by(command: Command, before: ServerState, later: ServerState) -> tuple[ExchangeCertificate, ...]:
    """Give the pending requests that are there later, were not before, and ask for what this command asks for.

    This is how a step that runs again finds the request of a command whose answer never came.
    """
    known = {certificate.thumbprint for certificate in before.certificates}
    names = command.get("DomainName")
    wanted = {str(name).lower() for name in names} if isinstance(names, tuple) else set()
    found = []
    for entry in later.certificates:
        if not entry.pending or not entry.request or entry.thumbprint in known:
            continue
        try:
            csr = read_csr(entry.request)
        except BadCertificateFile:
            continue
        if set(csr.asked_names) == wanted and csr.key_size == command.get("KeySize"):
            found.append(entry)
    return tuple(found)


def visible(touch: Touch, before: ServerState, now: ServerState) -> bool:
    """Whether a state shows what a command did to a thing: made it, removed it, or gave it another value."""
    was, have = things(before).get(touch.thing), things(now).get(touch.thing)
    if was is None or have is None:
        return (was is None) != (have is None)
    return any(not same(was.get(name), have.get(name)) for name in touch.properties)
