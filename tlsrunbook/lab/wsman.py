"""WS-Management for command shells (WinRS), without sockets: bytes of a request in, status and bytes out."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Awaitable, Callable

from tlsrunbook.lab.counters import Counters
from tlsrunbook.lab.shells import Launcher, Limits, Process, ShellTable
from tlsrunbook.lab.wsman_messages import (
    CMD_SHELL,
    RSP,
    SHELL,
    TRANSFER,
    Request,
    WsmanFault,
    answer,
    fault,
    invalid_xml,
    parse,
    received,
    seconds,
    shell_created,
    unknown_action,
    unknown_resource,
)

# What WinRM runs a command line under, unless WINRS_SKIP_CMD_SHELL says otherwise; it counts for the limit.
_CMD = "C:\\Windows\\system32\\cmd.exe /C "
# What of an answer is not output: the envelope itself.
_ENVELOPE_OVERHEAD = 3072


class WsmanService:
    """The shells of one server and the operations on them.

    Args:
        computer: The server's name in faults.
        launch: Starts a program for a command line.
        counters: Where opened shells are counted.
        limits: The quotas in force.
        now: A clock that only goes forward, seconds.
    """

    def __init__(
        self,
        computer: str,
        launch: Launcher,
        counters: Counters,
        limits: Limits | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits or Limits()
        self.shells = ShellTable(self.limits, now)
        self._counters = counters
        self._computer = computer
        self._launch = launch
        self._operations: dict[str, Callable[[Request, str], Awaitable[bytes]]] = {
            f"{TRANSFER}/Create": self._create,
            f"{TRANSFER}/Delete": self._delete,
            f"{SHELL}/Command": self._command,
            f"{SHELL}/Send": self._send,
            f"{SHELL}/Receive": self._receive,
            f"{SHELL}/Signal": self._signal,
        }

    async def handle(self, body: bytes, user: str) -> tuple[int, bytes]:
        """Carry out one request.

        Args:
            body: The SOAP envelope.
            user: Who logged on, always spelled the same way.

        Returns:
            HTTP status (200, or 500 for a fault) and the SOAP envelope of the answer.
        """
        message_id = ""
        try:
            request = parse(body)
            message_id = request.message_id
            if request.resource != CMD_SHELL:
                raise unknown_resource(request.resource)
            operation = self._operations.get(request.action)
            if operation is None:
                raise unknown_action(request.action)
            return 200, await operation(request, user)
        except WsmanFault as problem:
            return 500, fault(problem, message_id, self._computer)

    async def _create(self, request: Request, user: str) -> bytes:
        idle = seconds(request.body.findtext(f".//{RSP}IdleTimeOut") or "", self.limits.idle_timeout)
        shell = self.shells.open(user, idle)
        self._counters.shells_opened += 1
        return answer(request, f"{TRANSFER}/CreateResponse", shell_created(shell.id, user, idle))

    async def _delete(self, request: Request, user: str) -> bytes:
        self.shells.close(self.shells.get(request.shell_id, user))
        return answer(request, f"{TRANSFER}/DeleteResponse", "")

    async def _command(self, request: Request, user: str) -> bytes:
        shell = self.shells.get(request.shell_id, user)
        line = request.body.find(f"{RSP}CommandLine")
        if line is None:
            raise invalid_xml()
        words = [line.findtext(f"{RSP}Command") or "", *(node.text or "" for node in line.findall(f"{RSP}Arguments"))]
        process = self.shells.new_process(shell)
        self._start(" ".join(words), request.options.get("WINRS_SKIP_CMD_SHELL", "").upper() == "TRUE", process)
        body = f"<rsp:CommandResponse><rsp:CommandId>{process.id}</rsp:CommandId></rsp:CommandResponse>"
        return answer(request, f"{SHELL}/CommandResponse", body)

    def _start(self, line: str, bare: bool, process: Process) -> None:
        length, most = len(line), self.limits.bare_command_line
        if not bare:
            length, most = length + len(_CMD), self.limits.command_line
        if length > most:
            process.write_err(b"The command line is too long.\r\n")
            process.exit(1)
        elif not self._launch(line, process):
            name = line.split(maxsplit=1)[0] if line.strip() else line
            text = f"'{name}' is not recognized as an internal or external command,\r\noperable program or batch file."
            process.write_err(f"{text}\r\n".encode("utf-8", "replace"))
            process.exit(1)

    async def _send(self, request: Request, user: str) -> bytes:
        shell = self.shells.get(request.shell_id, user)
        streams = [node for node in request.body.iter(f"{RSP}Stream") if node.get("Name") == "stdin"]
        if not streams:
            raise invalid_xml()
        for stream in streams:
            process = shell.process(stream.get("CommandId") or "")
            try:
                data = base64.b64decode(stream.text or "", validate=True)
            except (binascii.Error, ValueError) as error:
                raise invalid_xml() from error
            process.send(data, last=(stream.get("End") or "").lower() == "true")
        return answer(request, f"{SHELL}/SendResponse", "<rsp:SendResponse/>")

    async def _receive(self, request: Request, user: str) -> bytes:
        shell = self.shells.get(request.shell_id, user)
        wanted = request.body.find(f".//{RSP}DesiredStream")
        process = shell.process(wanted.get("CommandId") or "" if wanted is not None else "")
        room = max(1024, min(request.envelope, self.limits.envelope_kb * 1024) - _ENVELOPE_OVERHEAD)
        patience = min(request.timeout, self.limits.operation_timeout)
        try:
            out, err, code = await process.receive(patience, room // 4 * 3)
        finally:
            self.shells.touch(shell)
        return answer(
            request, f"{SHELL}/ReceiveResponse", received(process.id, (("stdout", out), ("stderr", err)), code)
        )

    async def _signal(self, request: Request, user: str) -> bytes:
        shell = self.shells.get(request.shell_id, user)
        signal = request.body.find(f"{RSP}Signal")
        if signal is None:
            raise invalid_xml()
        process = shell.process(signal.get("CommandId") or "")
        code = (signal.findtext(f"{RSP}Code") or "").rsplit("/", 1)[-1].lower()
        if code == "terminate":
            del shell.processes[process.id]
            process.kill()
        elif code in ("ctrl_c", "ctrl_break"):
            process.interrupt()
        else:
            raise unknown_action(code)
        return answer(request, f"{SHELL}/SignalResponse", "<rsp:SignalResponse/>")
