"""The simulated servers of a lab, each with the doors that the world and administrators come in by."""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from tlsrunbook.lab.exchange.edge_sync import subscribe, synchronise
from tlsrunbook.lab.exchange.keys import KeySource
from tlsrunbook.lab.exchange.world import LabServer, Organization
from tlsrunbook.lab.faults import FaultBoard
from tlsrunbook.lab.places import ServerPlan, SitePlan
from tlsrunbook.lab.private import LabAccount
from tlsrunbook.lab.smtp import SmtpListener
from tlsrunbook.lab.smtp_tls import TlsContexts
from tlsrunbook.lab.winrm import ServerTls, Timing, WinrmEndpoint

#: Two ports, and connections to them from a runbook that runs in the same process.
_FILES_PER_SERVER = 8
_FILES_BESIDES = 256


@dataclass(frozen=True)
class Station:
    """One server with its two doors.

    Args:
        server: The simulated Exchange.
        winrm: Where administrators come in.
        smtp: Where mail comes in.
    """

    server: LabServer
    winrm: WinrmEndpoint
    smtp: SmtpListener


@dataclass(frozen=True)
class Terms:
    """What all servers of a lab have in common.

    Args:
        version: ``2007`` to ``SE``, or an exact build.
        root: The root that the servers trust.
        faults: What goes wrong.
        account: Who may log on.
        timing: Simulated time.
        listen: Loopback address.
        keys: Where private keys come from.
        trusted: What WinRM shows.
        untrusted: What WinRM shows under the fault ``winrm-untrusted``.
        folder: For keys on their way into ``ssl``.
    """

    version: str
    root: x509.Certificate
    faults: FaultBoard
    account: LabAccount
    timing: Timing
    listen: str
    keys: KeySource
    trusted: ServerTls
    untrusted: ServerTls
    folder: Path


class Fleet:
    """All servers.

    Args:
        plan: Sites and servers.
        terms: What they have in common.

    Raises:
        UsageError: There is no such version of Exchange.
    """

    def __init__(self, plan: tuple[SitePlan, ...], terms: Terms) -> None:
        self._terms = terms
        self._contexts = TlsContexts(terms.folder)
        self.organizations: Mapping[str, Organization] = {
            site.name: Organization(
                f"Example Corp {site.name.title()}",
                site.internal_domain,
                site=site.name,
                accepted_domains=[site.domain],
            )
            for site in plan
        }
        self.stations: Mapping[tuple[str, str], Station] = {
            (site.name, server.name): self._station(site, server) for site in plan for server in site.servers
        }

        for site in plan:
            self._subscribe(site)

    def _subscribe(self, site: SitePlan) -> None:
        """Subscribe the Edges that shall be, and let EdgeSync come round once."""
        organization = self.organizations[site.name]
        for server in site.servers:
            if server.send_through:
                inside = self.stations[site.name, server.send_through].server
                edge = self.stations[site.name, server.name].server
                subscription = subscribe(organization, edge, inside.now())
                synchronise(organization, subscription, inside.now(), inside)

    async def start(self) -> None:
        """Open all doors.

        Raises:
            OSError: There are not enough ports or open files.
        """
        _allow_open_files(_FILES_PER_SERVER * len(self.stations))
        await asyncio.gather(*(door.start() for one in self.stations.values() for door in (one.winrm, one.smtp)))

    async def stop(self) -> None:
        """Close all doors and end all connections."""
        await asyncio.gather(*(door.stop() for one in self.stations.values() for door in (one.winrm, one.smtp)))

    async def obey_faults(self) -> None:
        """Close and open ports as the faults now say."""
        await asyncio.gather(*(one.smtp.obey_faults() for one in self.stations.values()))

    def _station(self, site: SitePlan, plan: ServerPlan) -> Station:
        terms = self._terms
        server = LabServer(
            plan.name,
            plan.internal_fqdn,
            plan.version or terms.version,
            is_edge=plan.is_edge,
            organization=self.organizations[site.name],
            faults=terms.faults,
            check_credential=terms.account.check,
            keys=terms.keys,
            trusted_roots=[terms.root],
            receive_fqdn=plan.fqdn if plan.is_edge else "",
        )
        tls = terms.untrusted if terms.faults.hits("winrm-untrusted", plan.name) else terms.trusted
        winrm = WinrmEndpoint(
            server, terms.account.passwords(), tls, faults=terms.faults, timing=terms.timing, host=terms.listen
        )
        return Station(server, winrm, SmtpListener(server, self._contexts, terms.faults, listen=terms.listen))


def _allow_open_files(count: int) -> None:
    """Raise this process's soft limit of open files, within the hard one; Windows has none to raise."""
    if os.name != "posix":
        return
    resource = importlib.import_module("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + _FILES_BESIDES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
