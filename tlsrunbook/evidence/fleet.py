"""The fleet: where every server of one or more sites stands, from what their evidence says. Pure: nobody is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tlsrunbook.evidence.fleet_certificates import held_certificates, open_requests
from tlsrunbook.evidence.fleet_connectors import stale_names
from tlsrunbook.evidence.fleet_endpoints import endpoints_seen
from tlsrunbook.evidence.fleet_model import Fleet, FleetServer, OnRecord
from tlsrunbook.evidence.fleet_verdict import judged
from tlsrunbook.evidence.record import Record
from tlsrunbook.evidence.standing import StepStanding, standing
from tlsrunbook.site import Server, Site

ROLLBACK = "rollback"


@dataclass(frozen=True)
class SiteOnRecord:
    """A site with what its evidence has.

    Args:
        site: The site file.
        found: By server name; a server that is not in it was never touched.
        trouble: What cannot be read and may be about any of its servers, one sentence each.
    """

    site: Site
    found: Mapping[str, OnRecord] = field(default_factory=dict)
    trouble: tuple[str, ...] = ()


def fleet(sites: Sequence[SiteOnRecord], order: Sequence[str], at: datetime, package: str = "") -> Fleet:
    """Work out the fleet.

    Args:
        sites: Each once.
        order: Ids of those that make up a change, in their order; the others run only when they are named.
        at: Now, UTC.
        package: Version of the package, for the page.
    """
    servers = tuple(
        _server(one.site, server, one.found.get(server.name, OnRecord()), order, at)
        for one in sites
        for server in one.site.servers
    )
    elsewhere = tuple(
        f"{one.site.name} / {name}"
        for one in sites
        for name in sorted(one.found.keys() - {server.name for server in one.site.servers})
    )
    trouble = tuple(text for one in sites for text in one.trouble)
    return Fleet(at, servers, elsewhere, trouble, tuple(order), package)


def _server(site: Site, server: Server, found: OnRecord, order: Sequence[str], at: datetime) -> FleetServer:
    back = _went_back(found.latest)
    return judged(
        FleetServer(
            site=site.name,
            server=server.name,
            fqdn=server.fqdn,
            renew_before=timedelta(days=site.certificate.renew_before_days),
            change=found.change,
            open=bool(found.change) and not back and not _finished(found, order),
            rolled_back=back,
            steps=_steps(found, order),
            holder=dict(found.holder),
            at_work=tuple(found.unfinished) if found.holder else (),
            certificates=held_certificates(site, server, found, at),
            requests=open_requests(site, found),
            stale=stale_names(site, server, found.state, at),
            endpoints=endpoints_seen(server, found),
            read_at=found.read_at,
            trouble=found.trouble,
        ),
        at,
    )


def _steps(found: OnRecord, order: Sequence[str]) -> tuple[StepStanding, ...]:
    if not found.change:
        return ()
    # While somebody holds the server's lease, an attempt without a record is at work and not broken off.
    unfinished = {} if found.holder else found.unfinished
    touched = {*found.latest, *found.unfinished}
    others = sorted(touched - set(order))
    # A change that did nothing but a step beside the order has nothing to say of the six.
    rows = standing(order, found.latest, unfinished) if touched & set(order) or not others else ()
    return (*rows, *(row for step in others for row in standing((step,), found.latest, unfinished)))


def _went_back(latest: Mapping[str, Record]) -> bool:
    back = latest.get(ROLLBACK)
    return back is not None and back.mode == "apply" and back.status.done


def _finished(found: OnRecord, order: Sequence[str]) -> bool:
    """Whether the last step is done, or nothing but steps beside the order was run and is done."""
    done = {step: record.mode == "apply" and record.status.done for step, record in found.latest.items()}
    if found.unfinished:
        return False
    return bool(done.get(order[-1])) or (bool(done) and not set(done) & set(order) and all(done.values()))
