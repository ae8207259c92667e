"""How a server stands, in one word and a sentence: the most urgent of all that is to be said about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from tlsrunbook.evidence.fleet_model import FleetServer, Verdict
from tlsrunbook.evidence.standing import State

_STOPPED = {
    State.FAILED: Verdict.FAILED,
    State.UNKNOWN: Verdict.UNKNOWN,
    State.BLOCKED: Verdict.BLOCKED,
    State.WAITING: Verdict.WAITING,
}
_AGAIN = "run verify"


def judged(server: FleetServer, at: datetime) -> FleetServer:
    """Give the server with its verdict.

    A server is fine only when that was seen: it was read, its endpoints were looked at after the last change, and
    nothing of it is due. What nobody knows is never fine.

    Args:
        server: Its verdict, and the reason, are not looked at.
        at: Now, UTC.
    """
    reasons = sorted(_reasons(server, at), key=lambda reason: reason[0].rank)
    if not reasons:
        return replace(server, verdict=Verdict.FINE, because=_fine(server, at), todo="")
    verdict, because, todo = reasons[0]
    others = dict.fromkeys(reason[0].value for reason in reasons if reason[0] not in (verdict, Verdict.UNDER_WAY))
    also = f"; also: {', '.join(others)}" if others else ""
    return replace(server, verdict=verdict, because=because + also, todo=todo)


def _reasons(server: FleetServer, at: datetime) -> Iterator[tuple[Verdict, str, str]]:
    yield from _steps(server, at)
    yield from _certificates(server, at)
    yield from _unknowns(server)
    # An open change has not come to the connectors yet; only what is gone or over is trouble already.
    stale = [one for one in server.stale if not server.open or one.kind in ("gone", "expired")]
    for one in stale[:1]:
        more = f" (and {len(stale) - 1} more)" if len(stale) > 1 else ""
        yield Verdict.STALE, f"{one.connector}: {one.what}{more}", one.todo
    for endpoint in server.endpoints:
        if endpoint.ok is False and not endpoint.outdated:
            yield Verdict.FAILED, f"{endpoint.endpoint}: {endpoint.what or endpoint.result}", _AGAIN


def _steps(server: FleetServer, at: datetime) -> Iterator[tuple[Verdict, str, str]]:
    for row in server.steps:
        if row.state in _STOPPED and not (server.rolled_back and row.step != "rollback"):
            since = _waits(server, at) if row.state is State.WAITING else ""
            yield _STOPPED[row.state], f"{row.step}: {row.because}{since}", row.record.todo if row.record else ""
    if server.holder:
        who = f"{server.holder.get('user', '-')} on {server.holder.get('host', '-')}"
        yield Verdict.UNDER_WAY, f"{who} works on it", ""
    elif server.open:
        ready = next((row for row in server.steps if row.state in (State.READY, State.PLANNED)), None)
        yield Verdict.UNDER_WAY, f"next: {ready.step}" if ready else "a change is open", ""


def _waits(server: FleetServer, at: datetime) -> str:
    days = max(((at - request.since).days for request in server.requests), default=0)
    return f", for {days} day{'s' if days != 1 else ''}" if days else ""


def _certificates(server: FleetServer, at: datetime) -> Iterator[tuple[Verdict, str, str]]:
    ends = server.ends
    if ends is None:
        if server.read_at is not None:
            text = f"it has no valid certificate for {server.fqdn}"
            # A server that gets its first one is under way, not over.
            yield (Verdict.UNDER_WAY if server.open else Verdict.EXPIRED), text, "run the six steps"
        return
    days = (ends - at).days
    if ends <= at:
        yield Verdict.EXPIRED, f"its certificate ended on {ends:%Y-%m-%d}", "run the six steps"
    elif ends - at <= server.renew_before:
        text = f"its certificate ends on {ends:%Y-%m-%d}, in {days} day{'s' if days != 1 else ''}"
        if server.open:
            yield Verdict.UNDER_WAY, f"{text}; a change is open for it", ""
        else:
            yield Verdict.ENDS_SOON, f"{text}, and no change is open for it", "run the six steps"


def _unknowns(server: FleetServer) -> Iterator[tuple[Verdict, str, str]]:
    for trouble in server.trouble[:1]:
        more = f" (and {len(server.trouble) - 1} more)" if len(server.trouble) > 1 else ""
        yield Verdict.NOT_KNOWN, f"{trouble}{more}", "see tlsrunbook audit verify"
    if not server.known:
        yield Verdict.NOT_KNOWN, "nothing is on record of it: no step has read it", "run confirm"
    elif not server.open:
        for endpoint in server.endpoints:
            if endpoint.ok is None or endpoint.outdated:
                yield Verdict.NOT_KNOWN, f"{endpoint.endpoint}: {endpoint.what}", _AGAIN


def _fine(server: FleetServer, at: datetime) -> str:
    ends = server.ends
    where = "on the wire" if server.endpoints else "installed"
    return f"{where} until {ends:%Y-%m-%d}, {(ends - at).days} days" if ends else ""
