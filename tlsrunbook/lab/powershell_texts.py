"""What Windows PowerShell says on its own account."""

from __future__ import annotations

from typing import Any

#: What Windows PowerShell 5.1 writes to stderr before the first line of a script can stop it.
PROGRESS = (
    b'#< CLIXML\r\n<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04">'
    b'<Obj S="progress" RefId="0"><TN RefId="0"><T>System.Management.Automation.PSCustomObject</T>'
    b'<T>System.Object</T></TN><MS><I64 N="SourceId">1</I64><PR N="Record"><AV>Preparing modules for first use.</AV>'
    b"<AI>0</AI><Nil /><PI>-1</PI><PC>-1</PC><T>Completed</T><SR>-1</SR><SD> </SD></PR></MS></Obj></Objs>"
)
#: Exchange's own scripts greet with Write-Host, which nothing keeps off stdout.
BANNER = b"\r\n         Welcome to the Exchange Management Shell!\r\n\r\nFull list of cmdlets: Get-Command\r\n\r\n"


def thrown(message: str) -> dict[str, Any]:
    """Give the body of an answer to a request in which the script threw."""
    fault = {
        "message": message,
        "kind": "System.Management.Automation.RuntimeException",
        "category": "OperationStopped",
        "error_id": message,
        "target": "",
    }
    return {"errors": [fault]}


def not_found(cmdlet: str) -> dict[str, Any]:
    """Give the body of an answer to a request for a cmdlet that is not there."""
    fault = {
        "message": f"The term '{cmdlet}' is not recognized as the name of a cmdlet, function, script file, or operable "
        "program. Check the spelling of the name, or if a path was included, verify that the path is correct and try "
        "again.",
        "kind": "System.Management.Automation.CommandNotFoundException",
        "category": "ObjectNotFound",
        "error_id": "CommandNotFoundException",
        "target": cmdlet,
    }
    return {"errors": [fault]}
