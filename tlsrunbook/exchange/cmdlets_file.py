"""Builders for the file commands of the bootstrap script, for Exchange 2007, whose cmdlets take paths and no bytes.

The files lie in one folder, Exchange's own, which the server names in its greeting. Their names are made here and the
script refuses every other one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from tlsrunbook.errors import UsageError
from tlsrunbook.exchange.command import Command, Later
from tlsrunbook.exchange.version import Target

#: Names the bootstrap script takes; it holds the same pattern.
OWN_NAME = re.compile(r"tlsrunbook-[0-9a-f]{16}\.(cer|req)\Z")

#: The end of a file's name by what it holds: a CSR, a certificate.
CSR, CERTIFICATE = "req", "cer"


def server_file(folder: str, names: Iterable[str], key_size: int, kind: str) -> str:
    r"""Give the path of a file on the server, the same whenever it is asked for.

    Args:
        folder: From the server's greeting, such as ``C:\\Program Files\\Microsoft\\Exchange Server``.
        names: The names on the certificate.
        key_size: Bits of its key.
        kind: ``CSR`` or ``CERTIFICATE``.

    Raises:
        UsageError: The server did not say where such files lie.
    """
    if not folder:
        raise UsageError(
            "the server did not say where Exchange is installed, and its cmdlets need a file there",
            todo="check that the registry key Setup of Exchange can be read by the account",
        )
    told = "\n".join((str(key_size), *sorted(names)))
    return f"{folder}\\tlsrunbook-{hashlib.sha256(told.encode()).hexdigest()[:16]}.{kind}"


def get_server_files(target: Target, folder: str) -> Command:  # noqa: ARG001 - builders share one shape
    """List the runbook's own files; the bootstrap script's own command, not Exchange's.

    Raises:
        ValueError: There is no folder.
    """
    if not folder:
        raise ValueError("Get-ServerFile needs a folder, and it is empty")
    return Command.of("Get-ServerFile", select=("Path", "Data"), Folder=folder)


def set_server_file(target: Target, path: str, data: bytes | Later) -> Command:  # noqa: ARG001
    """Write one file of the runbook; the bootstrap script's own command, not Exchange's.

    Raises:
        ValueError: The path is not one of the runbook's, or there are no bytes.
    """
    if data == b"":
        raise ValueError("there is nothing to write: the file is empty")
    return Command.of("Set-ServerFile", Path=_own(path), Data=data)


def remove_server_file(target: Target, path: str) -> Command:  # noqa: ARG001
    """Remove one file of the runbook, which may be gone already; the bootstrap script's own command, not Exchange's.

    Raises:
        ValueError: The path is not one of the runbook's.
    """
    return Command.of("Remove-ServerFile", Path=_own(path))


def _own(path: str) -> str:
    if not OWN_NAME.match(path.rpartition("\\")[2]):
        raise ValueError(f"{path!r} is not a file of the runbook")
    return path
