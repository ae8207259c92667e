"""The passwords that are at hand, to look for them where they must not be."""

from __future__ import annotations

from pathlib import Path

from tlsrunbook.adapters.vault import ChainVault
from tlsrunbook.errors import TlsRunbookError
from tlsrunbook.site import load_site

#: A password of fewer characters is not looked for: any text holds it.
_SHORTEST = 8


def passwords_of(site_file: Path) -> list[str]:
    """Give the passwords of a site's credentials that environment and credentials file hold.

    Args:
        site_file: One that cannot be read has none.
    """
    try:
        site = load_site(site_file)
    except TlsRunbookError:
        return []
    names = {server.logon.credential for server in site.servers}
    found = ChainVault(site.credentials.file).at_hand(sorted(names))
    return [text for secret in found if len(text := secret.reveal()) >= _SHORTEST]
