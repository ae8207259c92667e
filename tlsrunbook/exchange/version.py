"""Exchange's version, from what the server says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from tlsrunbook.errors import DecodeError

_DISPLAY = re.compile(r"Version (\d+)\.(\d+) \(Build (\d+)\.(\d+)\)\Z")
_FILE = re.compile(r"(\d+)\.(\d+)\.(\d+)\.(\d+)\Z")
_SE_BUILD = 2562


@dataclass(frozen=True, order=True)
class ExchangeVersion:
    """Four numbers, such as 15.2.2562.17."""

    major: int
    minor: int
    build: int
    revision: int

    @classmethod
    def parse(cls, text: str) -> ExchangeVersion:
        """Read ``Version 15.2 (Build 2562.17)`` or ``15.02.2562.017``.

        Raises:
            DecodeError: It is neither.
        """
        match = _DISPLAY.match(text.strip()) or _FILE.match(text.strip())
        if not match:
            raise DecodeError(f"{text!r} is not an Exchange version")
        return cls(*(int(number) for number in match.groups()))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.build}.{self.revision}"

    @property
    def product(self) -> str:
        """``2007``, ``2010``, ``2013``, ``2016``, ``2019`` or ``SE``; empty when this version is not known."""
        if self.major == 8:
            return "2007"
        if self.major == 14:
            return "2010"
        if self.major != 15:
            return ""
        if self.minor == 2:
            return "SE" if self.build >= _SE_BUILD else "2019"
        return {0: "2013", 1: "2016"}.get(self.minor, "")


@dataclass(frozen=True)
class Target:
    """Which server a command is for, and what that server can: all a builder needs to choose the dialect.

    Args:
        name: NetBIOS name, upper case.
        is_edge: Edge Transport server: no ``-DomainController``, no ``-SourceTransportServers``.
        parameters: Per cmdlet the parameter names the server reports (capability first, build second).
    """

    name: str
    is_edge: bool
    version: ExchangeVersion
    parameters: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def knows(self, cmdlet: str, parameter: str = "") -> bool:
        """Whether the server has this cmdlet, and the parameter when one is named."""
        known = self.parameters.get(cmdlet)
        return known is not None and (not parameter or parameter in known)
