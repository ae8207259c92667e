"""The bootstrap script's own commands over the runbook's files on a server."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from tlsrunbook.lab.exchange.call import Call
from tlsrunbook.lab.exchange.failure import CmdletError
from tlsrunbook.lab.exchange.psobject import PSObject
from tlsrunbook.lab.exchange.table import Parameter

_SET = {"__AllParameterSets": True}
_PATH = Parameter("Path", "String", _SET)
_NAME = re.compile(r"tlsrunbook-[0-9a-f]{16}\.(cer|req)\Z")

#: Their parameters, which are not in the table, because they are not Exchange's.
FILE_PARAMETERS: Mapping[str, Mapping[str, Parameter]] = {
    "Get-ServerFile": {"Folder": Parameter("Folder", "String", _SET)},
    "Set-ServerFile": {"Path": _PATH, "Data": Parameter("Data", "Byte[]", _SET)},
    "Remove-ServerFile": {"Path": _PATH},
}


def get_files(call: Call) -> Iterable[PSObject]:
    """List the runbook's files in Exchange's folder."""
    server = call.server
    if str(call.get("Folder")).lower() != server.folder.lower():
        message = f"Could not find a part of the path '{call.get('Folder')}'."
        raise CmdletError(message, "System.IO.DirectoryNotFoundException", "NotSpecified", "DirectoryNotFoundException")
    return [
        PSObject("PSCustomObject", {"Path": path, "Data": server.read_file(path)}, {})
        for path in server.file_names()
        if _is_own(call, path)
    ]


def set_file(call: Call) -> Iterable[PSObject]:
    """Write one of the runbook's files."""
    call.server.write_file(_own(call), call.get("Data"))
    return []


def remove_file(call: Call) -> Iterable[PSObject]:
    """Remove one of the runbook's files; one that is not there is no error."""
    call.server.remove_file(_own(call))
    return []


def _is_own(call: Call, path: str) -> bool:
    folder, _, name = path.rpartition("\\")
    return folder.lower() == call.server.folder.lower() and bool(_NAME.match(name))


def _own(call: Call) -> str:
    path = str(call.get("Path"))
    if not _is_own(call, path):
        message = f"{path} is not a file of the runbook."
        raise CmdletError(message, "System.Management.Automation.RuntimeException", "OperationStopped", message)
    return path
