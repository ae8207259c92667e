"""WS-Management's messages as text: requests in, answers and faults out. No state and no I/O."""

from __future__ import annotations

import base64
import re
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn
from xml.sax.saxutils import escape, quoteattr

_SOAP = "{http://www.w3.org/2003/05/soap-envelope}"
_ADDRESSING = "{http://schemas.xmlsoap.org/ws/2004/08/addressing}"
_WSMAN = "{http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd}"
_SHELL_URI = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
_FAULT_ACTION = "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault"
_ANONYMOUS = "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous"
_DURATION = re.compile(
    r"P(?:(?P<days>\d+)D)?(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?\Z"
)

#: The element namespace of shells, in ElementTree's spelling.
RSP = f"{{{_SHELL_URI}}}"
#: The resource: a command shell (WinRS).
CMD_SHELL = f"{_SHELL_URI}/cmd"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
SHELL = _SHELL_URI


class WsmanFault(Exception):
    """A fault that is answered to the client as HTTP 500.

    Args:
        code: ``WSManFault/@Code``, such as 2150858793.
        subcode: SOAP subcode with its prefix, such as ``w:TimedOut``.
        text: The reason, in Windows' own words where they are known.
        sender: Whether the client is to blame.
    """

    def __init__(self, code: int, subcode: str, text: str, *, sender: bool = True) -> None:
        super().__init__(text)
        self.code = code
        self.subcode = subcode
        self.text = text
        self.sender = sender


def timed_out() -> WsmanFault:
    """Nothing happened within the operation timeout."""
    text = "The WS-Management service cannot complete the operation within the time specified in OperationTimeout.  "
    return WsmanFault(2150858793, "w:TimedOut", text, sender=False)


def shell_not_found(shell_id: str) -> WsmanFault:
    """No such shell, or no longer."""
    text = (
        f"The request for the Windows Remote Shell with ShellId {shell_id} failed because the shell was not found on "
        "the server. Possible causes are: the specified ShellId is incorrect or the shell no longer exists on the "
        "server. Provide the correct ShellId or create a new shell and retry the operation. "
    )
    return WsmanFault(2150858843, "w:InvalidSelectors", text)


def command_not_found(command_id: str) -> WsmanFault:
    """No such command in the shell, or no longer. The code is Windows' own, the text is a placeholder."""
    text = f"The command with CommandId {command_id} was not found in the shell. "
    return WsmanFault(2150858843, "w:InvalidSelectors", text)


def too_many_shells(limit: int) -> WsmanFault:
    """MaxShellsPerUser is reached. The subcode is a placeholder."""
    text = (
        "The WS-Management service cannot process the request. This user is allowed a maximum number of "
        f"{limit} concurrent shells, which has been exceeded. Close existing shells or raise the quota for this user. "
    )
    return WsmanFault(2150859173, "w:QuotaLimit", text, sender=False)


def too_many_processes(limit: int) -> WsmanFault:
    """MaxProcessesPerShell is reached (ERROR_WSMAN_QUOTA_MAX_COMMANDS_PER_SHELL_PPQ; text is a placeholder)."""
    text = (
        "The WS-Management service cannot process the request. The maximum number of concurrent commands per shell "
        f"({limit}) has been exceeded. Close existing commands or raise the quota. "
    )
    return WsmanFault(2150859241, "w:QuotaLimit", text, sender=False)


def unknown_resource(uri: str) -> WsmanFault:
    """The resource is not a command shell: Exchange's own endpoint, for instance, is not under ``/wsman``."""
    text = (
        f"The WS-Management service cannot process the request. The resource URI ({uri}) was not found in the "
        "WS-Management catalog. The catalog contains the metadata that describes resources, or logical endpoints. "
    )
    return WsmanFault(2150858811, "a:DestinationUnreachable", text)


def unknown_action(action: str) -> WsmanFault:
    """The action is none of a shell's (ERROR_WSMAN_INVALID_ACTIONURI; the text is a placeholder)."""
    text = f"The WS-Management service cannot process the request. The action URI ({action}) is not supported. "
    return WsmanFault(2150858753, "a:ActionNotSupported", text)


def invalid_xml() -> WsmanFault:
    """The body is not a SOAP message, or holds a DTD (ERROR_WSMAN_INVALID_XML; the text is a placeholder)."""
    text = "The WS-Management service cannot process the request. The XML is not valid. "
    return WsmanFault(2150858819, "w:SchemaValidationError", text)


def access_denied() -> WsmanFault:
    """The shell is somebody else's."""
    return WsmanFault(5, "w:AccessDenied", "Access is denied. ")


def pipe_closing() -> WsmanFault:
    """Input for a process whose standard input is closed (Windows error 232; the subcode is a placeholder)."""
    return WsmanFault(232, "w:InternalError", "The pipe is being closed. ", sender=False)


@dataclass(frozen=True)
class Request:
    """One request, as far as a shell cares.

    Args:
        timeout: The operation timeout in seconds, 60 when the client names none.
        envelope: The largest answer the client takes, in bytes.
    """

    action: str
    resource: str
    message_id: str
    shell_id: str
    options: dict[str, str]
    timeout: float
    envelope: int
    body: ET.Element


class _NoDoctype(ET.TreeBuilder):
    """Builds the tree and refuses a DTD before any of its entities is read."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> NoReturn:
        raise ET.ParseError(f"DTD {name} {pubid} {system}")


def parse(body: bytes) -> Request:
    """Read a request.

    Raises:
        WsmanFault: It is not XML, not SOAP, or brings a DTD.
    """
    try:
        root = ET.fromstring(body, ET.XMLParser(target=_NoDoctype()))  # noqa: S314  # _NoDoctype refuses entities
    except (ET.ParseError, ValueError, LookupError) as error:
        raise invalid_xml() from error
    header, content = root.find(f"{_SOAP}Header"), root.find(f"{_SOAP}Body")
    if root.tag != f"{_SOAP}Envelope" or header is None or content is None:
        raise invalid_xml()

    def text(tag: str) -> str:
        return (header.findtext(tag) or "").strip()

    selectors = {node.get("Name"): node.text or "" for node in header.iter(f"{_WSMAN}Selector")}
    envelope = text(f"{_WSMAN}MaxEnvelopeSize")
    return Request(
        action=text(f"{_ADDRESSING}Action"),
        resource=text(f"{_WSMAN}ResourceURI"),
        message_id=text(f"{_ADDRESSING}MessageID"),
        shell_id=selectors.get("ShellId", ""),
        options={node.get("Name") or "": node.text or "" for node in header.iter(f"{_WSMAN}Option")},
        timeout=seconds(text(f"{_WSMAN}OperationTimeout"), 60.0),
        envelope=int(envelope) if envelope.isdecimal() else 153600,
        body=content,
    )


def seconds(duration: str, default: float) -> float:
    """Read an ``xs:duration`` of days to seconds such as ``PT7200.000S``; what is none gives the default."""
    match = _DURATION.match(duration)
    if match is None or not any(match.groups()):
        return default
    parts = {name: float(number or 0) for name, number in match.groupdict().items()}
    return parts["days"] * 86400 + parts["hours"] * 3600 + parts["minutes"] * 60 + parts["seconds"]


def answer(request: Request, action: str, body: str) -> bytes:
    """Wrap the body of an answer."""
    return _envelope(action, request.message_id, body)


def fault(problem: WsmanFault, message_id: str, computer: str) -> bytes:
    """Write a fault the way Windows does."""
    reason = escape(problem.text)
    side = "s:Sender" if problem.sender else "s:Receiver"
    body = (
        f"<s:Fault><s:Code><s:Value>{side}</s:Value><s:Subcode><s:Value>{problem.subcode}</s:Value></s:Subcode>"
        f'</s:Code><s:Reason><s:Text xml:lang="en-US">{reason}</s:Text></s:Reason><s:Detail>'
        '<f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" '
        f'Code="{problem.code}" Machine={quoteattr(computer)}><f:Message>{reason}</f:Message></f:WSManFault>'
        "</s:Detail></s:Fault>"
    )
    return _envelope(_FAULT_ACTION, message_id, body)


def _envelope(action: str, relates_to: str, body: str) -> bytes:
    relation = f"<a:RelatesTo>{escape(relates_to)}</a:RelatesTo>" if relates_to else ""
    return (
        '<s:Envelope xml:lang="en-US" xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
        'xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
        'xmlns:x="http://schemas.xmlsoap.org/ws/2004/09/transfer" '
        'xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" '
        f'xmlns:rsp="{_SHELL_URI}" xmlns:p="http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd">'
        f"<s:Header><a:Action>{action}</a:Action><a:MessageID>uuid:{str(uuid.uuid4()).upper()}</a:MessageID>"
        f"<a:To>{_ANONYMOUS}</a:To>{relation}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def shell_created(shell_id: str, owner: str, idle: float) -> str:
    """Write the body of CreateResponse; pypsrp wants ``rsp:Shell`` in it."""
    return (
        f"<x:ResourceCreated><a:Address>{_ANONYMOUS}</a:Address><a:ReferenceParameters>"
        f'<w:ResourceURI>{CMD_SHELL}</w:ResourceURI><w:SelectorSet><w:Selector Name="ShellId">{shell_id}</w:Selector>'
        "</w:SelectorSet></a:ReferenceParameters></x:ResourceCreated>"
        f"<rsp:Shell><rsp:ShellId>{shell_id}</rsp:ShellId><rsp:ResourceUri>{CMD_SHELL}</rsp:ResourceUri>"
        f"<rsp:Owner>{escape(owner)}</rsp:Owner><rsp:ClientIP>127.0.0.1</rsp:ClientIP>"
        f"<rsp:IdleTimeOut>PT{idle:.3f}S</rsp:IdleTimeOut><rsp:InputStreams>stdin</rsp:InputStreams>"
        "<rsp:OutputStreams>stdout stderr</rsp:OutputStreams><rsp:ShellRunTime>P0DT0H0M0S</rsp:ShellRunTime>"
        "<rsp:ShellInactivity>P0DT0H0M0S</rsp:ShellInactivity></rsp:Shell>"
    )


def received(command_id: str, streams: Iterable[tuple[str, bytes]], exit_code: int | None) -> str:
    """Write the body of ReceiveResponse.

    Args:
        command_id: Whose output it is.
        streams: Name and bytes of each piece of output.
        exit_code: Set when the process has ended and all its output has been given.
    """
    identity = quoteattr(command_id)
    pieces = [
        f'<rsp:Stream Name="{name}" CommandId={identity}>{base64.b64encode(data).decode("ascii")}</rsp:Stream>'
        for name, data in streams
        if data
    ]
    if exit_code is None:
        state = f'<rsp:CommandState CommandId={identity} State="{_SHELL_URI}/CommandState/Running"/>'
    else:
        pieces += [
            f'<rsp:Stream Name="{name}" CommandId={identity} End="true"></rsp:Stream>' for name in ("stdout", "stderr")
        ]
        state = (
            f'<rsp:CommandState CommandId={identity} State="{_SHELL_URI}/CommandState/Done">'
            f"<rsp:ExitCode>{exit_code}</rsp:ExitCode></rsp:CommandState>"
        )
    return f"<rsp:ReceiveResponse>{''.join(pieces)}{state}</rsp:ReceiveResponse>"
