"""The other servers of a site, for a step that takes something over from one of them."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from tlsrunbook.ports import Shell
from tlsrunbook.secret import Secret, remembered

#: Random bytes of a one-time password: as many as an AES-256 key has.
_ENTROPY = 32


class SitePeers:
    """Gives one PowerShell per server, opened when it is first used.

    Args:
        make_shell: Makes a shell for a server's name.
    """

    def __init__(self, make_shell: Callable[[str], Shell]) -> None:
        self._make_shell = make_shell
        self._shells: dict[str, Shell] = {}

    def shell(self, server: str) -> Shell:
        """Give the PowerShell on another server, the same one until :meth:`close`."""
        if server not in self._shells:
            self._shells[server] = self._make_shell(server)
        return self._shells[server]

    def one_time_password(self) -> Secret:
        """Make a new random password, which exists in memory only."""
        return remembered(Secret(secrets.token_urlsafe(_ENTROPY)))

    def close(self) -> None:
        """End every PowerShell that was given. Never raises."""
        while self._shells:
            self._shells.popitem()[1].close()
