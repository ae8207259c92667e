"""Everything that can go wrong, in one tree.

::

    TlsRunbookError                 exit code 1
      UsageError                    2   what the user gave cannot be used
        SiteFileError               2   the site file, every problem at once
        CredentialError             2   a credential's name leads nowhere, or its store is unsafe
      ConnectionFailed              1   nothing was changed: the server could not be reached
        LogonFailed                 1   reached, and the credential was refused
        UntrustedServer             1   reached, and its TLS certificate is not trusted
        SessionLost                 1   a session ended while nothing was under way that changes anything
      OutcomeUnknown                4   a change was sent and no answer came: look before sending again
      CommandFailed                 1   the server answered with an error
      DecodeError                   1   the server answered with a shape this version does not know
      BadCertificateFile            1   a CSR or a CA's reply is not what it should be
      AuthorityFailed               1   the authority could not be asked, or refused
      EvidenceError                 1   a record or transcript could not be written or read
      LeaseHeld                     3   somebody else works on this server
      LeaseLost                     1   somebody else took this server over in the meantime; nothing was sent
      NoWorker                      3   nobody at the site took the job; nothing was begun
      WorkerLost                    4   a worker went away with a job that may have been begun
      StepStopped                   1-4 a step ended in anything but planned, unchanged or changed

An error stores facts and computes its message from them, so that it survives pickling. Every one says what was wrong,
where (file, key path, server, step), and what to do. None holds a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class TlsRunbookError(Exception):
    """Root of all errors this package raises on purpose.

    Args:
        what: What was wrong, as a full sentence without the final full stop.
        where: File and key path, or server and step. May be empty.
        todo: What to do next. May be empty.
    """

    code: ClassVar[str] = "error"
    exit_code: int = 1

    def __init__(self, what: str, *, where: str = "", todo: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.todo = todo

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f" -> {self.todo}" if self.todo else ""
        return f"{place}{self.what}{advice}"

    def lines(self) -> list[str]:
        """Give it for people: title, where, what to do."""
        more = {"Where": self.where, "What to do": self.todo}
        return [f"✗ {type(self).__name__}: {self.what}", *(f"  {head}: {text}" for head, text in more.items() if text)]

    def _render_traceback_(self) -> list[str]:
        # IPython shows this instead of a wall of frames; a frame's locals may hold what must not be shown.
        return self.lines()

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.__dict__.copy()))


def _rebuild(kind: type[TlsRunbookError], facts: dict[str, object]) -> TlsRunbookError:
    error = kind.__new__(kind)
    error.__dict__.update(facts)
    error.args = (facts["what"],)
    return error


class UsageError(TlsRunbookError):
    """What the user gave cannot be used; nothing was started."""

    code = "usage"
    exit_code = 2


class SiteFileError(UsageError):
    """A site file has problems; all of them are listed.

    Args:
        path: The file as the user named it.
        problems: One line each, ``key path: what is wrong -> what to write instead``.
    """

    code = "site-file"

    def __init__(self, path: str, problems: tuple[str, ...]) -> None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(f"{count} in the site file", where=path)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  {problem}" for problem in self.problems)])

    def lines(self) -> list[str]:
        """Give it for people, with every problem."""
        return [*super().lines(), *(f"  {problem}" for problem in self.problems)]


class CredentialError(UsageError):
    """A credential is named and cannot be found, or the store it lies in is unsafe."""

    code = "credential"


class ConnectionFailed(TlsRunbookError):
    """The server could not be reached; nothing was sent that changes anything."""

    code = "unreachable"


class LogonFailed(ConnectionFailed):
    """The server was reached and refused the credential."""

    code = "logon-failed"


class UntrustedServer(ConnectionFailed):
    """The server was reached and its TLS certificate is not trusted."""

    code = "untrusted-server"


class SessionLost(ConnectionFailed):
    """A session ended while only reading; nothing is uncertain."""

    code = "session-lost"


class OutcomeUnknown(TlsRunbookError):
    """A change was sent and not answered. Look at the server before anything is sent again."""

    code = "outcome-unknown"
    exit_code = 4


class CommandFailed(TlsRunbookError):
    """The server answered a command with an error.

    Args:
        what: The server's own message.
        category: PowerShell's error category text, may be empty.
        error_id: PowerShell's fully qualified error id, may be empty.
    """

    code = "command-failed"

    def __init__(self, what: str, *, where: str = "", todo: str = "", category: str = "", error_id: str = "") -> None:
        super().__init__(what, where=where, todo=todo)
        self.category = category
        self.error_id = error_id


class DecodeError(TlsRunbookError):
    """An answer has a shape this version does not know: unknown is not empty."""

    code = "unknown-shape"


class BadCertificateFile(TlsRunbookError):
    """A CSR, certificate or CA's reply is not what it should be; ``kind`` names what it is instead."""

    code = "bad-certificate-file"

    def __init__(self, what: str, *, kind: str = "", where: str = "", todo: str = "") -> None:
        super().__init__(what, where=where, todo=todo)
        self.kind = kind


class AuthorityFailed(TlsRunbookError):
    """The authority could not be asked, or it refused."""

    code = "authority-failed"


class EvidenceError(TlsRunbookError):
    """A record, transcript or state could not be written or read."""

    code = "evidence"


class LeaseHeld(TlsRunbookError):
    """Somebody else works on this server; nothing was begun.

    Args:
        holder: ``user``, ``host``, ``process``, ``what``, ``since``, ``until`` of the one who does.
    """

    code = "lease-held"
    exit_code = 3

    def __init__(self, what: str, *, where: str = "", todo: str = "", holder: Mapping[str, str] | None = None) -> None:
        super().__init__(what, where=where, todo=todo)
        self.holder = dict(holder or {})


class LeaseLost(TlsRunbookError):
    """The lease of this server ran out, or somebody else took it over: nothing more is sent."""

    code = "lease-lost"


class NoWorker(TlsRunbookError):
    """Nobody at the site took the job: there is no worker, or it refused. Nothing was begun."""

    code = "no-worker"
    exit_code = 3


class WorkerLost(TlsRunbookError):
    """A worker went away with a job that may have been begun: look at the server before anything is sent again."""

    code = "worker-lost"
    exit_code = 4


class StepStopped(TlsRunbookError):
    """A step ended in a status that must stop what comes after it.

    The record is already written and shown when this is raised. IPython shows :meth:`lines` instead of a traceback.

    Args:
        what: What was seen.
        status: The step's status.
        title: What people call the step, and where it ran; empty: ``where`` stands for it.
    """

    code = "step-stopped"

    def __init__(self, what: str, *, status: str, where: str = "", todo: str = "", title: str = "") -> None:
        super().__init__(what, where=where, todo=todo)
        self.status = status
        self.title = title
        self.exit_code = EXIT_CODES.get(status, 1)

    def lines(self) -> list[str]:
        """Give it for people: title, what was seen, what to do."""
        advice = [f"  What to do: {self.todo}"] if self.todo else []
        return [f"{self.title or self.where}: {self.status}", f"  What was seen: {self.what}", *advice]


#: Exit code of a run by the worst status in it (design, section 6).
EXIT_CODES: dict[str, int] = {
    "planned": 0,
    "unchanged": 0,
    "changed": 0,
    "skipped": 0,
    "failed": 1,
    "waiting": 3,
    "blocked": 3,
    "unknown": 4,
}
