"""Cells that the fleet's tables share."""

from __future__ import annotations

from datetime import datetime, timedelta

from tlsrunbook.evidence.fleet_model import Fleet, FleetServer
from tlsrunbook.evidence.fleet_scale import DAY
from tlsrunbook.evidence.fleet_table import Cell, Row

_NEVER = Cell("never", kind="quiet", sort="~")


def site_and_server(fleet: Fleet) -> tuple[str, ...]:
    """Give the heads of what a row is about: the site only where there are several."""
    return ("site", "server") if len(fleet.sites) > 1 else ("server",)


def row_of(fleet: Fleet, server: FleetServer, *cells: Cell, more: str = "") -> Row:
    """Give a row about a server.

    Args:
        more: A second line below its name.
    """
    name = Cell(server.server, more=more, strong=True)
    head = (Cell(server.site, tight=True), name) if len(fleet.sites) > 1 else (name,)
    return Row(f"{server.site} / {server.server}", server.verdict, (*head, *cells))


def end_cell(fleet: Fleet, moment: datetime | None) -> Cell:
    """Give when something ends, and how long that is from now."""
    if moment is None:
        return Cell("? unknown", kind="odd", sort="99999")
    return Cell(f"{moment:%Y-%m-%d}", more=_left(fleet, moment), tight=True, sort=f"{(moment - fleet.at) / DAY:.2f}")


def _left(fleet: Fleet, moment: datetime) -> str:
    left = fleet.days_left(moment)
    if moment <= fleet.at:
        return f"ended {days(-left)} ago" if left else "ended today"
    return days(left)


def days(count: int) -> str:
    """Count days."""
    return "1 day" if count == 1 else f"{count} days"


def lasting(time: timedelta) -> str:
    """Say how long something lasts already: in hours on the first day."""
    return days(time.days) if time >= DAY else f"{time // timedelta(hours=1)} h"


def ago_cell(fleet: Fleet, moment: datetime | None) -> Cell:
    """Give when something was seen, and how long ago that is."""
    if moment is None:
        return _NEVER
    past = (fleet.at - moment).days
    text = "today" if past < 1 else f"{days(past)} ago"
    return Cell(f"{moment:%Y-%m-%d}", more=text, tight=True, sort=moment.isoformat())


def none_on(fleet: Fleet, none: str) -> str:
    """Say that there is none, and of how many servers that is known."""
    read = sum(1 for server in fleet.servers if server.read_at is not None)
    unread = len(fleet.servers) - read
    if not read:
        return "not known: no server was read yet"
    rest = f"; {unread} {'was' if unread == 1 else 'were'} never read" if unread else ""
    return f"{none}, on {read} server{'s' if read != 1 else ''} that {'were' if read != 1 else 'was'} read{rest}"


def name_cell(name: str) -> Cell:
    """Give a TLS certificate name on two lines: issuer, then subject."""
    issuer, mark, subject = name.partition("<S>")
    return Cell(issuer, more=mark + subject, code=True)
