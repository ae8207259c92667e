"""Plays the bootstrap script natively: what ``powershell.exe`` does on a real server, this does in the lab.

It is written from the scripts, on purpose not with ``tlsrunbook.exchange.frames``: when one side drifts from the other,
the lab stops working. Only the scripts' hashes come from the package.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
import logging
import re
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from tlsrunbook.exchange import bootstrap
from tlsrunbook.lab.counters import Counters
from tlsrunbook.lab.faults import FaultBoard
from tlsrunbook.lab.powershell_texts import BANNER, PROGRESS, not_found, thrown
from tlsrunbook.lab.shells import Process

T = TypeVar("T")
_log = logging.getLogger(__name__)

_NUMBERED = re.compile(rb"(\d{1,9}) (\d{1,9}) (\d{1,9}) ([A-Za-z0-9+/=]*)\Z")
_CMDLET = re.compile(r"[A-Za-z]+-[A-Za-z]+\Z")
_TYPES = frozenset({"string", "bool", "int", "bytes", "strings", "null", "secure"})


class Machine(Protocol):
    """A simulated server with Exchange. Calls come one at a time, from any thread."""

    @property
    def name(self) -> str:
        """NetBIOS name."""

    def load(self, user: str, password: str) -> dict[str, Any]:
        """Load Exchange's cmdlets with this credential.

        Returns:
            The body of the answer to ``open``: ``objects`` (one, see ``exchange.frames``), ``warnings``, ``errors``.
        """

    def execute(self, commands: list[dict[str, Any]], select: list[str]) -> dict[str, Any]:
        """Run a pipeline of one or two commands as they came: ``name`` and ``parameters`` with their types.

        Returns:
            ``objects`` (projected to text), ``warnings`` and ``errors``.
        """


class Stage:
    """What all PowerShells of one server share.

    Args:
        machine: What executes.
        load_seconds: Simulated time to load Exchange's cmdlets.
        vanish: Makes the server go away: connections and shells.
    """

    def __init__(
        self,
        machine: Machine,
        faults: FaultBoard,
        counters: Counters,
        load_seconds: float,
        vanish: Callable[[], None],
    ) -> None:
        self.machine = machine
        self.counters = counters
        self.load_seconds = load_seconds
        self.vanish = vanish
        self._faults = faults
        self._lock = asyncio.Lock()

    def hits(self, fault: str, cmdlets: list[str]) -> bool:
        """Whether a fault is in force here for one of these cmdlets."""
        return any(self._faults.hits(fault, self.machine.name, cmdlet) for cmdlet in cmdlets)

    def execute(self, commands: list[dict[str, Any]], select: list[str]) -> dict[str, Any]:
        """Run a pipeline and count its cmdlets: here, because whoever sent it may be gone before it ends."""
        names = [str(command.get("name")) for command in commands]
        try:
            body = self.machine.execute(commands, select)
        finally:
            self.counters.cmdlets.update(names)
        if not body.get("errors"):
            self.counters.succeeded.update(names)
        return body

    async def call(self, work: Callable[..., T], *args: object) -> T:
        """Run a call of the machine in a thread, one at a time: it goes on even when the caller is killed."""
        return await asyncio.shield(asyncio.ensure_future(self._exclusive(work, *args)))

    async def _exclusive(self, work: Callable[..., T], *args: object) -> T:
        async with self._lock:
            return await asyncio.to_thread(work, *args)


def launch(stage: Stage, line: str, process: Process) -> bool:
    """Start what a command line names; False when there is no such program in the lab."""
    words = line.split()
    name = words[0].strip('"').replace("\\", "/").rsplit("/", 1)[-1].lower() if words else ""
    if name not in ("powershell", "powershell.exe"):
        return False
    if not _is_bootstrap(words):
        process.write_err(
            f"'{words[0]}' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n"
            "(The lab plays tlsrunbook's own script, as this version sends it, and nothing else.)\r\n".encode()
        )
        process.exit(1)
        return True
    process.run(Player(stage, process))
    return True


def _is_bootstrap(words: list[str]) -> bool:
    flags = [word.lower() for word in words]
    if "-encodedcommand" not in flags:
        return False
    return words[flags.index("-encodedcommand") + 1 :] == [bootstrap.encoded_command()]


class Player:
    """One PowerShell that runs the launcher and then the bootstrap script."""

    def __init__(self, stage: Stage, process: Process) -> None:
        self._stage = stage
        self._process = process
        self._pending = bytearray()
        self._lines: list[bytes] = []
        self._ended = False
        self._scripted = False
        self._loaded = False
        self._nonce = ""
        self._answer = b""
        self._answered = 0
        self._collecting = 0
        self._pieces: dict[int, bytes] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin as ``powershell.exe`` does, with noise on stderr."""
        self._stage.counters.powershell_starts += 1
        self._process.write_err(PROGRESS)

    def feed(self, data: bytes) -> None:
        """Take bytes of standard input; what follows a request waits until that has been answered."""
        self._pending += data
        *lines, rest = re.split(rb"[\r\n]", bytes(self._pending))
        self._pending = bytearray(rest)
        self._lines += filter(None, lines)
        self._pump()

    def end(self) -> None:
        """Standard input is closed: what is left is the last line, and then the script ends."""
        self._lines.append(bytes(self._pending))
        self._ended = True
        self._pump()

    def stop(self) -> None:
        """Be killed. What the machine is doing it does to the end."""
        if self._task is not None:
            self._task.cancel()

    def _pump(self) -> None:
        while self._lines and self._task is None and self._process.exit_code is None:
            line = self._lines.pop(0)
            if self._scripted:
                self._numbered(line)
            else:
                self._scripted = _is_script(line)
        if self._ended and self._task is None:
            self._process.exit(0)

    def _numbered(self, line: bytes) -> None:
        match = _NUMBERED.match(line)
        if match is None:
            return
        number, seq, total = (int(part) for part in match.groups()[:3])
        if number == self._answered and self._answer and seq == total:
            self._process.write_out(self._answer)
        if number <= self._answered or number < self._collecting:
            return
        if number != self._collecting:
            self._collecting, self._pieces = number, {}
        self._pieces[seq] = match.group(4)
        if len(self._pieces) < total:
            return
        request = _decode(b"".join(self._pieces.get(at, b"") for at in range(1, total + 1)))
        if request is not None:
            self._begin(number, request)

    def _begin(self, number: int, request: dict[str, Any]) -> None:
        if request.get("op") == "run" and self._stage.hits("send-times-out", _names(request)):
            self._process.send_times_out = True
        self._task = asyncio.get_running_loop().create_task(self._answer_to(number, request))

    async def _answer_to(self, number: int, request: dict[str, Any]) -> None:
        body = await self._carry_out(request)
        if body is None:
            return
        result = {part: body.get(part, []) for part in ("objects", "warnings", "errors")}
        text = json.dumps({"id": number, "ok": not result["errors"], **result}).encode("ascii")
        self._answer = b"#<%s %s>#\r\n" % (self._nonce.encode("ascii", "replace"), base64.b64encode(text))
        self._answered, self._pieces, self._task = number, {}, None
        self._process.write_out(self._answer)
        if request.get("op") == "close":
            self._process.exit(0)
        self._pump()

    async def _carry_out(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """Do what a request asks and give the body of the answer; None when the server went away."""
        operation = request.get("op")
        try:
            if operation == "open":
                return await self._open(request)
            if operation == "run":
                return await self._run(request)
        except Exception as error:  # noqa: BLE001  # a bug in the lab: logged, and never left unanswered
            _log.exception("the lab's %s failed", self._stage.machine.name)
            return thrown(f"lab: {type(error).__name__}: {error}")
        return {} if operation == "close" else thrown("The request names an unknown operation.")

    async def _open(self, request: dict[str, Any]) -> dict[str, Any]:
        self._nonce = str(request.get("nonce") or "")
        await asyncio.sleep(self._stage.load_seconds)
        self._process.write_out(BANNER)
        user, password = (str(request.get(key) or "") for key in ("user", "password"))
        body = await self._stage.call(self._stage.machine.load, user, password)
        self._loaded = not body.get("errors")
        return body

    async def _run(self, request: dict[str, Any]) -> dict[str, Any] | None:
        names = _names(request)
        commands = _commands(request)
        problem = _problem(names, commands)
        if problem:
            return thrown(problem)
        if not self._loaded:
            return not_found(names[0])
        if self._stage.hits("gone-before-run", names):
            self._stage.vanish()
            return None
        body = await self._stage.call(self._stage.execute, commands, list(request.get("select") or []))
        if self._stage.hits("gone-after-run", names):
            self._stage.vanish()
            return None
        return body


def _is_script(line: bytes) -> bool:
    """Whether a line brings the bootstrap script: the launcher runs nothing else."""
    words = line.split(b" ")
    if len(words) != 4:
        return False
    try:
        script = base64.b64decode(words[3], validate=True)
    except binascii.Error:
        return False
    return hashlib.sha256(script).hexdigest().upper() == bootstrap.script_sha256()


def _decode(text: bytes) -> dict[str, Any] | None:
    try:
        request = json.loads(base64.b64decode(text, validate=True).decode("utf-8", "replace"))
    except ValueError:
        return None
    return request if isinstance(request, dict) else None


def _commands(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the first two commands: the script looks at no others, and at nothing that is not an object."""
    commands = request.get("commands")
    return [command for command in commands[:2] if isinstance(command, dict)] if isinstance(commands, list) else []


def _names(request: dict[str, Any]) -> list[str]:
    return [str(command.get("name")) for command in _commands(request)]


def _problem(names: list[str], commands: list[dict[str, Any]]) -> str:
    """Say what the script would throw at before it runs anything; empty when it would not."""
    if not names:
        return "Cannot index into a null array."
    for name in names:
        if not _CMDLET.match(name):
            return f"'{name}' is not a cmdlet's name."
    for command in commands:
        for parameter in command.get("parameters") or []:
            if parameter.get("type") not in _TYPES:
                return f"The parameter {parameter.get('name')} has an unknown type."
    return ""
