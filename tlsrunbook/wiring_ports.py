"""Gives a step its ports: the adapters that a site file asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tlsrunbook.adapters.authority_folder import FolderAuthority
from tlsrunbook.adapters.authority_lab import LabAuthority
from tlsrunbook.adapters.dns import DnsResolver
from tlsrunbook.adapters.origin import SystemClock
from tlsrunbook.adapters.peers import SitePeers
from tlsrunbook.adapters.roots import trusted_roots
from tlsrunbook.adapters.smtp import SmtpProber
from tlsrunbook.adapters.stand_in import StandInProber
from tlsrunbook.adapters.vault import ChainVault
from tlsrunbook.adapters.winrm import WinrmShell
from tlsrunbook.ports import Authority, Shell, Vault
from tlsrunbook.run.unrecorded import Unrecorded
from tlsrunbook.site import FolderAuthoritySettings, Server, Site
from tlsrunbook.steps.model import StepContext, Wanted


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
        return FolderAuthority(settings.outbox, settings.inbox)
    return LabAuthority(settings.url)


def vault_of(site: Site) -> Vault:
    """Give the places where the site's credentials are looked up."""
    return ChainVault(site.credentials.file)


class LazyShell:
    """A WinRM shell whose credential is looked up when it is first opened, so that a missing one is a record too."""

    def __init__(self, site: Site, server: Server) -> None:
        self._make: Callable[[], Shell] = lambda: winrm_shell(site, server)
        self._shell: Shell | None = None

    def _inner(self) -> Shell:
        if self._shell is None:
            self._shell = self._make()
        return self._shell

    def open(self) -> Any:
        """See :class:`~tlsrunbook.ports.Shell`."""
        return self._inner().open()

    def run(self, pipeline: Any) -> Any:
        """See :class:`~tlsrunbook.ports.Shell`."""
        return self._inner().run(pipeline)

    def close(self) -> None:
        """See :class:`~tlsrunbook.ports.Shell`. A later call opens a new one."""
        if self._shell is not None:
            self._shell.close()
            self._shell = None


def winrm_shell(site: Site, server: Server) -> Shell:
    """Give a WinRM shell for a server.

    Raises:
        CredentialError: The credential it names is not there.
    """
    logon = server.logon
    host = f"[{server.address}]" if ":" in server.address else server.address
    return WinrmShell(
        f"{site.name} / {server.name}",
        f"https://{host}:{logon.port}/wsman",
        method=logon.method,
        credential=vault_of(site).credential(logon.credential),
        ca_file=str(logon.ca_file) if logon.ca_file else None,
    )
