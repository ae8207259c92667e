"""One value of a frame on its way to a parameter, and the types that values become."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tlsrunbook.lab.exchange.failure import CmdletError, transformation, validation
from tlsrunbook.lab.exchange.table import Parameter, enums


class Flags(tuple[str, ...]):
    """Names of a flags enumeration in ascending order; printed as .NET does, ``Tls, Integrated``."""

    __slots__ = ()

    def __str__(self) -> str:
        return ", ".join(self) if self else "None"


@dataclass(frozen=True, repr=False)
class SecureText:
    """A SecureString's content."""

    value: str


# Flags in the order of their numbers; the services' order is the one Exchange prints them in.
_SERVICES = ("IMAP", "POP", "UM", "IIS", "SMTP", "Federation", "UMCallRouter")


def services(names: Iterable[str]) -> Flags:
    """Put services into the order Exchange prints."""
    wanted = set(names)
    return Flags(name for name in _SERVICES if name in wanted)


def flag_order(type_name: str) -> tuple[str, ...]:
    """Give the names of a flags enumeration in ascending order, without None; empty when it is no such type."""
    if type_name == "AllowedServices":
        return _SERVICES
    key = {"AuthMechanisms": "AuthMechanism", "PermissionGroups": "PermissionGroups"}.get(type_name)
    if key is None:
        return ()
    numbers = enums()[f"ReceiveConnector.{key}"]["flags"]
    return tuple(sorted((name for name in numbers if numbers[name]), key=numbers.__getitem__))


@dataclass(frozen=True)
class Given:
    """One value of a frame on its way to a parameter.

    Args:
        cmdlet: The cmdlet's name, for error ids.
        parameter: What it is bound to.
        kind: The frame's type word.
        raw: The frame's value.
    """

    cmdlet: str
    parameter: Parameter
    kind: str
    raw: Any

    def refuse(self, type_name: str, error: str, *, shown: str | None = None) -> CmdletError:
        """The value cannot become this type."""
        text = ("" if self.kind == "secure" else str(self.raw)) if shown is None else shown
        reason = f'Cannot convert value "{text}" to type "{type_name}". Error: "{error}"'
        return transformation(self.cmdlet, self.parameter.name, reason)

    def texts(self) -> list[str]:
        """Give the value as a list of texts, whatever its kind."""
        if self.kind == "strings":
            return [str(item) for item in self.raw]
        if self.kind in ("bytes", "secure"):
            raise self.refuse("System.String", "The value is of another type.", shown="")
        return [str(self.raw)]

    def text(self) -> str:
        """Give the value as one text; a list of several is refused."""
        found = self.texts()
        if len(found) != 1:
            raise self.refuse(
                self.parameter.type, "Several values were given where one is wanted.", shown=", ".join(found)
            )
        return found[0]

    def in_range(self, number: int, shown: object, limit: Callable[[str], int] = int) -> None:
        """Check a number against the parameter's range.

        Args:
            number: The value, in the unit of the limits.
            shown: The value as the error shows it.
            limit: Turns a limit of the table into a number of that unit.

        Raises:
            CmdletError: It is outside.
        """
        if not self.parameter.range:
            return
        low, high = (self.parameter.range[at] for at in (0, 1))
        if number > limit(high):
            bound, word, advice = high, "greater than the maximum", "less than"
        elif number < limit(low):
            bound, word, advice = low, "less than the minimum", "greater than"
        else:
            return
        reason = (
            f"The {shown} argument is {word} allowed range of {bound}. "
            f"Supply an argument that is {advice} or equal to {bound} and then try the command again."
        )
        raise validation(self.cmdlet, self.parameter.name, reason)
