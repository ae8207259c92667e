"""What the fleet's tables hold; see :mod:`tlsrunbook.evidence.fleet_table`."""

from __future__ import annotations

from tlsrunbook.evidence.fleet_cells import (
    ago_cell,
    end_cell,
    lasting,
    name_cell,
    none_on,
    row_of,
    site_and_server,
)
from tlsrunbook.evidence.fleet_model import EndpointSeen, Fleet, FleetServer, Held, OpenRequest, StaleName, Verdict
from tlsrunbook.evidence.fleet_scale import DAY
from tlsrunbook.evidence.fleet_table import VERDICTS, Cell, FleetTable, Row
from tlsrunbook.evidence.fleet_timeline import axis, lane
from tlsrunbook.evidence.standing import State, StepStanding

#: A sign, and the class of its colour, per state of a step.
STATES: dict[State, tuple[str, str]] = {
    State.DONE: ("✔", "ok"),
    State.READY: ("▸", "plan"),
    State.PLANNED: ("○", "plan"),
    State.LOCKED: ("–", "quiet"),
    State.WAITING: ("…", "wait"),
    State.BLOCKED: ("⊘", "wait"),
    State.FAILED: ("✗", "bad"),
    State.UNKNOWN: ("?", "odd"),
}
_KINDS = {"gone": ("✗", "bad"), "expired": ("✗", "bad"), "older": ("!", "wait"), "unmatched": ("✗", "bad")}


def tables(fleet: Fleet) -> tuple[FleetTable, ...]:
    """Give all tables in the order of a page, what needs somebody first."""
    return (
        server_table(fleet),
        end_table(fleet),
        request_table(fleet),
        stale_table(fleet),
        endpoint_table(fleet),
        certificate_table(fleet),
    )


def server_table(fleet: Fleet) -> FleetTable:
    """Servers down, steps across; what is most urgent comes first."""
    return FleetTable(
        "servers",
        "Servers and steps",
        "How each server stands, the most urgent first, and each step of its newest change.",
        (*site_and_server(fleet), "stands", "why, and what to do", *fleet.steps, "ends"),
        tuple(_server_row(fleet, server) for server in _urgent_first(fleet)),
        "there is no server",
    )


def _urgent_first(fleet: Fleet) -> list[FleetServer]:
    def order(server: FleetServer) -> tuple[int, bool, float]:
        left = (server.ends - fleet.at).total_seconds() if server.ends else 0.0
        return server.verdict.rank, server.ends is None, left

    return sorted(fleet.servers, key=order)


def _server_row(fleet: Fleet, server: FleetServer) -> Row:
    sign, kind = VERDICTS[server.verdict]
    stands = Cell(f"{sign} {server.verdict.value}", kind=kind, tile=True, sort=str(server.verdict.rank))
    beside = [row for row in server.steps if row.step not in fleet.steps]
    others = "; ".join(f"{row.step}: {STATES[row.state][0]} {row.state.value}" for row in beside)
    why = Cell(server.because + (f"; {others}" if others else ""), more=server.todo, wide=True)
    standing = {row.step: row for row in server.steps}
    cells = (_step_cell(server, step, standing.get(step)) for step in fleet.steps)
    return row_of(fleet, server, stands, why, *cells, end_cell(fleet, server.ends), more=server.fqdn)


def _step_cell(server: FleetServer, step: str, row: StepStanding | None) -> Cell:
    if step in server.at_work:
        return Cell("▶ at work", kind="plan", sort="0")
    if row is None:
        return Cell("·", kind="quiet", sort="9")
    if server.rolled_back and row.state is State.DONE:
        return Cell("↶ undone", kind="quiet", sort="8")
    sign, kind = STATES[row.state]
    return Cell(f"{sign} {row.state.value}", kind=kind, sort=str(list(State).index(row.state)))


def end_table(fleet: Fleet) -> FleetTable:
    """One line per server with all its certificates, what ends first above."""
    servers = sorted(fleet.servers, key=lambda server: (server.ends is None, server.ends or fleet.at))
    return FleetTable(
        "ends",
        "When certificates end, by server",
        "Thick: on the wire when it was verified last. Outlined: the newest, not seen on the wire yet. Thin: installed "
        "besides. Dashed: requested. The tick behind a bar is the longest life its day of issue allows.",
        (*site_and_server(fleet), "time", "ends", "days left", "where it was seen", "besides"),
        tuple(_end_row(fleet, server) for server in servers),
        "there is no server",
        picture=axis(fleet.at),
        pictured="time",
    )


def _end_row(fleet: Fleet, server: FleetServer) -> Row:
    used = [one for one in server.certificates if one.for_fqdn]
    first = min((one for one in used if one.ends), key=lambda one: str(one.ends), default=None)
    besides = [f"{one.where.value} until {one.ends:%Y-%m-%d}" for one in used if one is not first and one.ends]
    besides += [f"requested {lasting(fleet.at - one.since)} ago" for one in server.requests]
    others = sum(1 for one in server.certificates if one.ends and not one.for_fqdn)
    besides += [f"{others} installed"] if others else []
    picture = Cell(picture=lane(server, fleet.at), sort=str(server.ends or "~"))
    more = ", ".join(besides)
    if first is None or first.ends is None:
        sign = Cell(
            "? unknown" if server.read_at is None else "✗ none", kind="odd" if server.read_at is None else "bad"
        )
        nowhere = (sign, Cell("?", sort="99999"), Cell("nowhere", kind="quiet"), Cell(more))
        return row_of(fleet, server, picture, *nowhere, more=server.fqdn)
    days = fleet.days_left(first.ends)
    kind = "bad" if first.ends <= fleet.at else "wait" if first.ends - fleet.at <= server.renew_before else "ok"
    mark = {"bad": "✗ ", "wait": "! ", "ok": ""}[kind]
    left = Cell(f"{mark}{days}", kind=kind, sort=f"{(first.ends - fleet.at) / DAY:.2f}")
    return row_of(
        fleet,
        server,
        picture,
        Cell(f"{first.ends:%Y-%m-%d}", tight=True),
        left,
        Cell(first.where.value, tight=True),
        Cell(more),
    )


def request_table(fleet: Fleet) -> FleetTable:
    """What waits for a CA, the longest first."""
    found = [(server, request) for server in fleet.servers for request in server.requests]
    found.sort(key=lambda pair: pair[1].since)
    return FleetTable(
        "requests",
        "Open requests",
        "Requests that waited on their server when it was read last, and since when the authority has the CSR.",
        (*site_and_server(fleet), "names", "waits", "at the authority since", "authority", "receipt", "change"),
        tuple(_request_row(fleet, server, request) for server, request in found),
        none_on(fleet, "no request waits"),
    )


def _request_row(fleet: Fleet, server: FleetServer, request: OpenRequest) -> Row:
    waits = fleet.at - request.since
    cell = Cell(lasting(waits), kind="wait", sort=f"{waits / DAY:.2f}")
    since = (
        Cell(f"{request.submitted:%Y-%m-%d %H:%M}Z", tight=True)
        if request.submitted
        else Cell("? no run on record handed it over", kind="odd", more=f"made {request.made:%Y-%m-%d %H:%M}Z")
    )
    names = Cell(request.names[0], more=", ".join(request.names[1:]), tight=len(request.names[0]) < 40)
    return row_of(
        fleet,
        server,
        names,
        cell,
        since,
        Cell(request.authority),
        Cell(request.receipt, code=True),
        Cell(request.change, tight=True),
    )


def stale_table(fleet: Fleet) -> FleetTable:
    """Connectors that lead to no certificate they should."""
    found = [(server, one) for server in fleet.servers for one in server.stale]
    return FleetTable(
        "stale",
        "Connectors that name a stale certificate",
        "As each server was read last: the name leads to no certificate, to one that is over, or to an older one.",
        (*site_and_server(fleet), "connector", "is", "it names", "what that means", "read"),
        tuple(_stale_row(fleet, server, one) for server, one in found),
        none_on(fleet, "none"),
    )


def _stale_row(fleet: Fleet, server: FleetServer, one: StaleName) -> Row:
    sign, kind = _KINDS[one.kind]
    return row_of(
        fleet,
        server,
        Cell(one.connector),
        Cell(f"{sign} {one.kind}", kind=kind, tile=True),
        name_cell(one.names),
        Cell(one.what, more=one.todo, wide=True),
        ago_cell(fleet, server.read_at),
    )


def endpoint_table(fleet: Fleet) -> FleetTable:
    """What each endpoint showed last; what is wrong or was never seen comes first."""
    found = [(server, one) for server in fleet.servers for one in server.endpoints]
    found.sort(key=lambda pair: _gravity(pair[1]))
    return FleetTable(
        "endpoints",
        "Last verification of each endpoint",
        "By a real STARTTLS handshake. What was seen before the server was changed again is proven no longer.",
        (*site_and_server(fleet), "endpoint", "is", "seen", "handshake", "certificate shown", "valid until"),
        tuple(_endpoint_row(fleet, server, one) for server, one in found),
        "no site file names an endpoint",
    )


def _gravity(one: EndpointSeen) -> int:
    return 1 if one.ok is None else 3 if one.ok else 2 if one.outdated else 0


def _endpoint_row(fleet: Fleet, server: FleetServer, one: EndpointSeen) -> Row:
    words = {0: ("✗ not ok", "bad"), 1: ("? never seen", "odd"), 2: ("? outdated", "odd"), 3: ("✓ ok", "ok")}
    text, kind = words[_gravity(one)]
    shown = Cell(one.thumbprint, code=True, more=one.what) if one.thumbprint else Cell("-", more=one.what)
    until = end_cell(fleet, one.ends) if one.ends else Cell("-", kind="quiet", sort="~")
    return row_of(
        fleet,
        server,
        Cell(one.endpoint, more=one.address),
        Cell(text, kind=kind, tile=True),
        ago_cell(fleet, one.at),
        Cell(one.result or "-"),
        shown,
        until,
    )


def certificate_table(fleet: Fleet) -> FleetTable:
    """Every certificate that is known: the pictures above in numbers."""
    found = [(server, one) for server in fleet.servers for one in server.certificates]
    return FleetTable(
        "certificates",
        "Every certificate",
        "As each server was read last, and what was on the wire. "
        "A public certificate may live as long as the day of its issue allows.",
        (*site_and_server(fleet), "certificate", "where", "used", "issuer", "from", "until", "lives", "thumbprint"),
        tuple(_certificate_row(fleet, server, one) for server, one in found),
        "none is known",
        folded=True,
    )


def _certificate_row(fleet: Fleet, server: FleetServer, one: Held) -> Row:
    days = (one.ends - one.begins).days if one.ends and one.begins else None
    lives = f"{days} of {one.limit} days" if days is not None and one.limit else f"{days} days" if days else "-"
    issuer = "itself" if one.self_signed and one.ends else one.issuer or "-"
    return row_of(
        fleet,
        server,
        Cell(one.title),
        Cell(one.where.value, kind="plan" if one.ends is None else ""),
        Cell(", ".join(one.uses) or "-", kind="" if one.uses else "quiet"),
        Cell(issuer),
        Cell(f"{one.begins:%Y-%m-%d}" if one.begins else "-", tight=True),
        end_cell(fleet, one.ends) if one.ends else Cell("-", kind="quiet", sort="99999"),
        Cell(lives, kind="wait" if days and one.limit and days > one.limit else "", sort=str(days or "")),
        Cell(one.thumbprint, code=True),
    )


def counted(fleet: Fleet) -> dict[Verdict, int]:
    """Give how many servers stand how, the most urgent first; verdicts of no server are left out."""
    found = {verdict: sum(1 for server in fleet.servers if server.verdict is verdict) for verdict in Verdict}
    return {verdict: count for verdict, count in found.items() if count}
