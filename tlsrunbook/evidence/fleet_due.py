"""What ends soon: every certificate in use, for a person in the morning and for a job that runs each night."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tlsrunbook.evidence.data import utc_text
from tlsrunbook.evidence.fleet_model import Fleet, FleetServer


@dataclass(frozen=True)
class Due:
    """A certificate that ends within the time asked for, or a server without any for its FQDN.

    Args:
        server: Whose it is.
        thumbprint: Empty when there is none.
        uses: What it is used for, for people.
        ends: None when there is none.
        days_left: Whole days; negative once it is over; None when there is none.
    """

    server: FleetServer
    thumbprint: str
    uses: tuple[str, ...]
    ends: datetime | None
    days_left: int | None

    @property
    def change(self) -> str:
        """The change that is open for its server; empty when none is."""
        return self.server.change if self.server.open else ""


def due(fleet: Fleet, within: timedelta | None = None) -> tuple[Due, ...]:
    """Give what ends within a time, what ends first above; servers without any certificate for their FQDN at the top.

    Only certificates in use count: what is left over from before may end in peace.

    Args:
        fleet: The servers.
        within: From now; each site's own renewal time when None.
    """
    found = [one for server in fleet.servers for one in _of(fleet, server, within)]
    return tuple(sorted(found, key=lambda one: (one.ends is not None, one.ends or fleet.at)))


def _of(fleet: Fleet, server: FleetServer, within: timedelta | None) -> list[Due]:
    time = server.renew_before if within is None else within
    found = [
        Due(server, one.thumbprint, one.uses, one.ends, fleet.days_left(one.ends))
        for one in server.in_use
        if one.ends is not None and one.ends - fleet.at <= time
    ]
    if server.ends is None and server.read_at is not None:
        found.append(Due(server, "", (f"no valid certificate for {server.fqdn}",), None, None))
    return found


def not_known(fleet: Fleet) -> tuple[FleetServer, ...]:
    """Give the servers of which nothing is known, or not all: they are never fine."""
    return tuple(one for one in fleet.servers if one.trouble or (one.ends is None and one.read_at is None))


def unknown_because(server: FleetServer) -> str:
    """Say why not all is known of a server."""
    return server.trouble[0] if server.trouble else server.because


def due_data(fleet: Fleet, within: str, found: tuple[Due, ...]) -> dict[str, Any]:
    """Give the answer as JSON-able data."""
    return {
        "at": utc_text(fleet.at),
        "within": within,
        "due": [_data(one) for one in found],
        "unknown": [
            {"site": one.site, "server": one.server, "fqdn": one.fqdn, "because": unknown_because(one)}
            for one in not_known(fleet)
        ],
        "unreadable": list(fleet.trouble),
    }


def _data(one: Due) -> Mapping[str, Any]:
    return {
        "site": one.server.site,
        "server": one.server.server,
        "fqdn": one.server.fqdn,
        "thumbprint": one.thumbprint,
        "uses": list(one.uses),
        "ends": utc_text(one.ends) if one.ends else None,
        "days_left": one.days_left,
        "change": one.change,
        "stands": one.server.verdict.value,
        "read_at": utc_text(one.server.read_at) if one.server.read_at else None,
    }
