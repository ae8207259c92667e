"""Connects a server of the site file with a PowerShell session on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tlsrunbook.adapters.vault import ChainVault
from tlsrunbook.adapters.winrm import WinrmShell
from tlsrunbook.ports import Shell, Vault
from tlsrunbook.run.kept import keeping, kept_shell
from tlsrunbook.site import Server, Site


def vault_of(site: Site) -> Vault:
    """Give the places where the site's credentials are looked up."""
    return ChainVault(site.credentials.file)


def session_with(site: Site, server: Server) -> Shell:
    """Give the session with a server; in a kernel whose engine keeps sessions, the one of the notebook before."""
    if keeping():
        return kept_shell((site, server), lambda: LazyShell(site, server))
    return LazyShell(site, server)


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

    def read(self, *pipelines: Any) -> Any:
        """See :class:`~tlsrunbook.ports.Shell`."""
        return self._inner().read(*pipelines)

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
