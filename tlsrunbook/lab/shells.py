"""Windows' command shells and the processes in them, as far as a WinRM client can tell."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from tlsrunbook.lab.wsman_messages import (
    access_denied,
    command_not_found,
    pipe_closing,
    shell_not_found,
    timed_out,
    too_many_processes,
    too_many_shells,
)


@dataclass(frozen=True)
class Limits:
    """WinRM's quotas, with the values of Windows Server 2012 and later.

    Args:
        command_line: What ``cmd.exe`` takes, characters.
        bare_command_line: What a process without ``cmd.exe`` takes, characters.
        envelope_kb: MaxEnvelopeSizekb; what is larger is refused.
        operation_timeout: MaxTimeoutms, in seconds.
        idle_timeout: Seconds after which an unused shell is removed, when the client names none.
    """

    shells_per_user: int = 30
    processes_per_shell: int = 25
    command_line: int = 8191
    bare_command_line: int = 32767
    envelope_kb: int = 500
    operation_timeout: float = 60.0
    idle_timeout: float = 7200.0


class Program(Protocol):
    """What runs in a process. All calls come from the endpoint's loop and return at once."""

    def start(self) -> None:
        """Begin; output and the exit code go to the process."""

    def feed(self, data: bytes) -> None:
        """Take bytes of standard input."""

    def end(self) -> None:
        """Take note that standard input is closed."""

    def stop(self) -> None:
        """End now, without an exit code: the process was killed."""


class Process:
    """One command of a shell: its streams and its state.

    Args:
        process_id: The CommandId the client knows it by.
    """

    def __init__(self, process_id: str) -> None:
        self.id = process_id
        self.exit_code: int | None = None
        self.send_times_out = False
        self._out = bytearray()
        self._err = bytearray()
        self._news = asyncio.Event()
        self._stdin_open = True
        self._gone = False
        self._program: Program | None = None

    def run(self, program: Program) -> None:
        """Start a program in this process."""
        self._program = program
        program.start()

    def write_out(self, data: bytes) -> None:
        """Put bytes on standard output."""
        self._out += data
        self._news.set()

    def write_err(self, data: bytes) -> None:
        """Put bytes on standard error."""
        self._err += data
        self._news.set()

    def exit(self, code: int) -> None:
        """End with an exit code."""
        if self.exit_code is None:
            self.exit_code = code
            self._stdin_open = False
            self._news.set()

    def send(self, data: bytes, *, last: bool) -> None:
        """Give standard input to the program.

        Args:
            data: May be empty.
            last: Whether the pipe is closed afterwards.

        Raises:
            WsmanFault: The pipe is closed already; or the input was taken and the answer shall say it was not.
        """
        if not self._stdin_open or self._program is None:
            raise pipe_closing()
        self.send_times_out = False
        if data:
            self._program.feed(data)
        if last:
            self._stdin_open = False
            self._program.end()
        if self.send_times_out:
            raise timed_out()

    async def receive(self, seconds: float, limit: int) -> tuple[bytes, bytes, int | None]:
        """Wait for output or for the end.

        Args:
            seconds: How long to wait.
            limit: Bytes to give at most.

        Returns:
            Standard output, standard error, and the exit code once everything has been given.

        Raises:
            WsmanFault: Nothing came in time, or the process went away.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            raise timed_out() from None
        if self._gone:
            raise command_not_found(self.id)
        out, err = _cut(self._out, limit), b""
        if len(out) < limit:
            err = _cut(self._err, limit - len(out))
        rest = bool(self._out or self._err)
        if not rest and self.exit_code is None:
            self._news.clear()
        return out, err, None if rest else self.exit_code

    def interrupt(self) -> None:
        """End as Ctrl-C ends a console program: with STATUS_CONTROL_C_EXIT."""
        if self._program is not None and self.exit_code is None:
            self._program.stop()
        self.exit(-1073741510)

    def kill(self) -> None:
        """End at once; whoever waits for output is told that the process is gone."""
        self._gone = True
        self._stdin_open = False
        self._news.set()
        program, self._program = self._program, None
        if program is not None and self.exit_code is None:
            program.stop()


def _cut(buffer: bytearray, limit: int) -> bytes:
    piece = bytes(buffer[:limit])
    del buffer[:limit]
    return piece


@dataclass
class Shell:
    """One shell.

    Args:
        used: Loop time of the last request for it.
        idle: Seconds without a request after which it goes.
    """

    id: str
    owner: str
    idle: float
    used: float
    processes: dict[str, Process] = field(default_factory=dict)

    def process(self, process_id: str) -> Process:
        """Give a process.

        Raises:
            WsmanFault: There is none of this id.
        """
        try:
            return self.processes[process_id.upper()]
        except KeyError:
            raise command_not_found(process_id) from None


class ShellTable:
    """All shells of one server.

    Args:
        limits: The quotas in force.
        now: A clock that only goes forward, seconds.
    """

    def __init__(self, limits: Limits, now: Callable[[], float]) -> None:
        self._limits = limits
        self._now = now
        self._shells: dict[str, Shell] = {}

    def __len__(self) -> int:
        self._expire()
        return len(self._shells)

    def open(self, owner: str, idle: float) -> Shell:
        """Make a shell.

        Raises:
            WsmanFault: The user has too many.
        """
        self._expire()
        if sum(shell.owner == owner for shell in self._shells.values()) >= self._limits.shells_per_user:
            raise too_many_shells(self._limits.shells_per_user)
        shell = Shell(_new_id(), owner, idle, self._now())
        self._shells[shell.id] = shell
        return shell

    def get(self, shell_id: str, user: str) -> Shell:
        """Give a shell and note that it is used.

        Raises:
            WsmanFault: There is none of this id, or it is somebody else's.
        """
        self._expire()
        shell = self._shells.get(shell_id.upper())
        if shell is None:
            raise shell_not_found(shell_id)
        if shell.owner != user:
            raise access_denied()
        self.touch(shell)
        return shell

    def touch(self, shell: Shell) -> None:
        """Note that a shell is used."""
        shell.used = self._now()

    def new_process(self, shell: Shell) -> Process:
        """Make a process in a shell. A command counts until its client has signalled that it is done with it.

        Raises:
            WsmanFault: The shell has too many.
        """
        if len(shell.processes) >= self._limits.processes_per_shell:
            raise too_many_processes(self._limits.processes_per_shell)
        process = Process(_new_id())
        shell.processes[process.id] = process
        return process

    def close(self, shell: Shell) -> None:
        """Remove a shell and end what runs in it."""
        self._shells.pop(shell.id, None)
        for process in shell.processes.values():
            process.kill()
        shell.processes.clear()

    def clear(self) -> None:
        """Remove all shells, as a restart of the server does."""
        for shell in list(self._shells.values()):
            self.close(shell)

    def _expire(self) -> None:
        now = self._now()
        for shell in [shell for shell in self._shells.values() if now - shell.used > shell.idle]:
            self.close(shell)


def _new_id() -> str:
    return str(uuid.uuid4()).upper()


#: Starts the program for a command line in a process; False when there is no such program.
Launcher = Callable[[str, Process], bool]
