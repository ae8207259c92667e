"""Gives a step its ports: the adapters that a site file asks for."""

from __future__ import annotations

import os

from tlsrunbook.adapters.authority_folder import FolderAuthority
from tlsrunbook.adapters.authority_lab import LabAuthority
from tlsrunbook.adapters.dns import DnsResolver
from tlsrunbook.adapters.origin import SystemClock
from tlsrunbook.adapters.peers import SitePeers
from tlsrunbook.adapters.roots import trusted_roots
from tlsrunbook.adapters.smtp import SmtpProber
from tlsrunbook.adapters.stand_in import StandInProber
from tlsrunbook.ports import Authority, Shell
from tlsrunbook.run.unrecorded import Unrecorded
from tlsrunbook.site import FolderAuthoritySettings, Server, Site
from tlsrunbook.steps.model import StepContext, Wanted
from tlsrunbook.wiring_session import LazyShell

#: Names, on a worker, the outbox on the controller's computer where people find the CSRs.
OUTBOX_VARIABLE = "TLSRUNBOOK_OUTBOX"


def step_context(site: Site, server: Server, mode: str, shell: Shell) -> StepContext:
    """Give a context for one step: the time is now, the ports are real."""
    clock = SystemClock()
    wanted = Wanted(site, server, mode, clock.now(), trusted_roots(site))
    resolver = DnsResolver(site.dns.server or None)
    return StepContext(
        wanted=wanted,
        shell=shell,
        prober=StandInProber(SmtpProber()) if site.rehearsal else SmtpProber(),
        resolver=resolver,
        authority=authority_of(site),
        clock=clock,
        workspace=Unrecorded(),
        peers=SitePeers(lambda name: LazyShell(site, site.server(name))),
    )


def authority_of(site: Site) -> Authority:
    """Give the site's authority; in a rehearsal the lab's CA, whoever the site's is."""
    if site.rehearsal:
        return LabAuthority(site.rehearsal.authority)
    settings = site.authority
    if isinstance(settings, FolderAuthoritySettings):
        return FolderAuthority(settings.outbox, settings.inbox, shown=os.environ.get(OUTBOX_VARIABLE, ""))
    return LabAuthority(settings.url)
