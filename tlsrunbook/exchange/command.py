"""Commands are data: what is sent to a server, and what comes back.

A :class:`Command` is a cmdlet's name and its parameters as values. It travels as framed JSON (``frames``) and is
splatted by the bootstrap script; ``render`` makes the PowerShell text people read from the same value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from tlsrunbook.secret import Secret, SecretBytes

_CMDLET = re.compile(r"[A-Za-z]+-[A-Za-z]+\Z")
_PARAMETER = re.compile(r"[A-Za-z][A-Za-z0-9]*\Z")
_READING_VERBS = frozenset({"Get", "Test"})


@dataclass(frozen=True)
class Later:
    """A value that is not known yet; a plan names it, and a command that still holds one cannot be sent.

    Args:
        what: What it will be, such as ``thumbprint of the certificate to be issued``.
    """

    what: str


#: What a parameter may hold. A switch is ``True``. ``None`` is PowerShell's ``$null``. Lists are tuples of text.
Value: TypeAlias = "str | bool | int | bytes | tuple[str, ...] | Secret | SecretBytes | Later | None"


@dataclass(frozen=True)
class Command:
    """One cmdlet call.

    Args:
        name: ``Verb-Noun``.
        parameters: Pairs of parameter name and value, in the order they are shown.
        select: Properties wanted of each object that comes out; the server sends no others.
        secret: Whether what comes out is a secret (an exported private key): its texts arrive as :class:`Secret`.
    """

    name: str
    parameters: tuple[tuple[str, Value], ...] = ()
    select: tuple[str, ...] = ()
    secret: bool = False

    def __post_init__(self) -> None:
        if not _CMDLET.match(self.name):
            raise ValueError(f"{self.name!r} is not a cmdlet's name")
        names = [name.lower() for name, _ in self.parameters]
        for name in names:
            if not _PARAMETER.match(name):
                raise ValueError(f"{self.name}: {name!r} is not a parameter's name")
        if len(set(names)) != len(names):
            raise ValueError(f"{self.name}: a parameter is given twice")

    @classmethod
    def of(cls, name: str, /, *, select: Iterable[str] = (), **parameters: Value) -> Command:
        """Make a command from keyword arguments: ``Command.of("Get-X", Identity="a")``."""
        return cls(name, tuple(parameters.items()), tuple(select))

    @property
    def changes(self) -> bool:
        """Whether the cmdlet changes anything, by its verb (``Get`` and ``Test`` do not)."""
        return self.name.split("-", 1)[0] not in _READING_VERBS

    @property
    def unresolved(self) -> tuple[str, ...]:
        """What the :class:`Later` values stand for; empty when the command can be sent."""
        return tuple(value.what for _, value in self.parameters if isinstance(value, Later))

    def get(self, parameter: str) -> Value:
        """Give a parameter's value, or None when it is not set."""
        return dict(self.parameters).get(parameter)


#: One command, or two of which the first feeds the second.
Pipeline: TypeAlias = tuple[Command, ...]

#: A projected property: text, a list of texts, or nothing. Numbers, booleans and dates are text too.
Projected: TypeAlias = "str | tuple[str, ...] | Secret | None"


@dataclass(frozen=True)
class RemoteFault:
    """One entry of the server's error stream.

    Args:
        message: The server's own words.
        kind: The .NET exception's type name, may be empty.
        category: PowerShell's category text, may be empty.
        error_id: The fully qualified error id, may be empty.
        target: What the error was about, may be empty.
    """

    message: str
    kind: str = ""
    category: str = ""
    error_id: str = ""
    target: str = ""


@dataclass(frozen=True)
class Reply:
    """What a pipeline gave.

    Args:
        objects: The projected objects, in order. A plain string comes as ``{"Value": text}``.
        warnings: The warning stream.
        errors: The error stream; any entry means the pipeline failed.
    """

    objects: tuple[Mapping[str, Projected], ...] = ()
    warnings: tuple[str, ...] = ()
    errors: tuple[RemoteFault, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether the error stream holds anything."""
        return bool(self.errors)


@dataclass(frozen=True)
class Greeting:
    """What the bootstrap script says of the server when it has loaded Exchange.

    Args:
        computer: The NetBIOS name, upper case.
        powershell: PowerShell's version text.
        is_edge: Whether the Edge Transport role is installed (registry key ``EdgeTransportRole``).
        exchange: ``ExSetup.exe``'s file version such as ``15.02.2562.017``, empty when it cannot be told.
        parameters: Per cmdlet the parameter names the server knows: what the dialect is chosen by.
        folder: Where the runbook's files lie on a server whose cmdlets take paths (2007): Exchange's own folder, which
            administrators alone may write to; empty when it was not told.
    """

    computer: str
    powershell: str
    is_edge: bool
    exchange: str = ""
    parameters: Mapping[str, frozenset[str]] = field(default_factory=dict)
    folder: str = ""

    def knows(self, cmdlet: str, parameter: str = "") -> bool:
        """Whether the server has this cmdlet, and the parameter when one is named."""
        known = self.parameters.get(cmdlet)
        return known is not None and (not parameter or parameter in known)
