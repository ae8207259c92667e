"""Looks up what the chooser shows of each server."""

from __future__ import annotations

from tlsrunbook.adapters.origin import SystemClock
from tlsrunbook.evidence.fleet_model import OnRecord
from tlsrunbook.ports import EvidenceStore
from tlsrunbook.run.fleet_reading import site_on_record
from tlsrunbook.site import Site
from tlsrunbook.steps.observe import observe_server
from tlsrunbook.ui.known import Known, known_of, looked_at, probes_of
from tlsrunbook.ui.progress import Tell, watched
from tlsrunbook.wiring_ports import step_context
from tlsrunbook.wiring_session import LazyShell


def servers_known(site: Site, store: EvidenceStore) -> tuple[Known, ...]:
    """Give what the evidence has of each server of a site. Asks no server."""
    now, found = SystemClock().now(), site_on_record(site, store).found
    return tuple(
        row for server in site.servers for row in known_of(site, server, found.get(server.name, OnRecord()), now)
    )


def look_now(site: Site, name: str, tell: Tell) -> tuple[Known, ...]:
    """Read a server, and look at its endpoints from outside; nothing is changed, and nothing is recorded.

    Raises:
        TlsRunbookError: The server could not be read.
    """
    server = site.server(name)
    shell = LazyShell(site, server)
    context = watched(step_context(site, server, "plan", shell), tell)
    try:
        seen = observe_server(context.shell)
        return looked_at(server, seen, probes_of(server, context.prober), SystemClock().now())
    finally:
        shell.close()
