"""One projected object, read property by property; anything of an unknown shape raises.

The projection rule of the bootstrap script: a collection arrives as a list, a scalar as text, nothing as null. Booleans
are ``True`` and ``False``, dates ISO 8601 in UTC, enums names (flags joined with ``, ``), bytes base64.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from tlsrunbook.errors import DecodeError
from tlsrunbook.exchange.command import Projected, Reply
from tlsrunbook.secret import Secret, SecretBytes

_DATE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(?:Z|\+00:00)\Z")
_NUMBER = re.compile(r"\d{1,9}\Z")
_SHOWN = 120


def items(reply: Reply, command: str) -> tuple[Item, ...]:
    """Give the objects of a reply.

    Raises:
        DecodeError: The reply holds errors, so that what it lists is not all there is.
    """
    if reply.failed:
        seen = "; ".join(error.message for error in reply.errors)
        raise DecodeError(f"the answer holds errors, so it is not known what there is: {seen}", where=command)
    return tuple(Item(command, properties) for properties in reply.objects)


def only_item(reply: Reply, command: str) -> Item:
    """Give the one object of a reply.

    Raises:
        DecodeError: The reply holds errors, or not exactly one object.
    """
    found = items(reply, command)
    if len(found) != 1:
        raise DecodeError(f"{len(found)} objects came, and it should be one", where=command)
    return found[0]


@dataclass(frozen=True)
class Item:
    """One object.

    Args:
        command: The cmdlet it came from, for messages.
        properties: As projected.
    """

    command: str
    properties: Mapping[str, Projected]

    def error(self, name: str, why: str) -> DecodeError:
        """Make the error for a property, with what was seen."""
        seen = repr(self.properties[name]) if name in self.properties else "nothing"
        shown = seen if len(seen) <= _SHOWN else f"{seen[:_SHOWN]}…"
        return DecodeError(
            f"{name} {why}: {shown}",
            where=self.command,
            todo="report it with the transcript: this version of tlsrunbook does not know the shape",
        )

    def has(self, name: str) -> bool:
        """Whether the property arrived, null included."""
        return name in self.properties

    def _value(self, name: str) -> Projected:
        if name not in self.properties:
            raise self.error(name, "is missing")
        return self.properties[name]

    def maybe_text(self, name: str) -> str | None:
        """Give a text, None when it is null."""
        value = self._value(name)
        if value is None or isinstance(value, str):
            return value
        raise self.error(name, "is a secret, not a text" if isinstance(value, Secret) else "is a list, not a text")

    def text(self, name: str) -> str:
        """Give a text that is there and not empty."""
        value = self.maybe_text(name)
        if not value:
            raise self.error(name, "is empty")
        return value

    def flag(self, name: str) -> bool:
        """Give a truth value that is there."""
        value = self.maybe_flag(name)
        if value is None:
            raise self.error(name, "is neither True nor False")
        return value

    def maybe_flag(self, name: str) -> bool | None:
        """Give a truth value, None when it is null."""
        value = self.maybe_text(name)
        if value not in (None, "True", "False"):
            raise self.error(name, "is neither True nor False")
        return None if value is None else value == "True"

    def enum(self, name: str, known: Collection[str]) -> str:
        """Give an enum's name; empty when it is null."""
        value = self.maybe_text(name) or ""
        if value and value not in known:
            raise self.error(name, f"is none of {', '.join(known)}")
        return value

    def maybe_flags(self, name: str, known: Collection[str]) -> frozenset[str] | None:
        """Give an enum's flags, None when it is null. ``None`` among Exchange's names means no flag."""
        value = self.maybe_text(name)
        if value is None:
            return None
        found = frozenset(part.strip() for part in value.split(","))
        if found == {"None"}:
            return frozenset()
        if not found <= set(known):
            raise self.error(name, f"holds something else than {', '.join(known)}")
        return found

    def flags(self, name: str, known: Collection[str]) -> frozenset[str]:
        """Give an enum's flags that are there."""
        found = self.maybe_flags(name, known)
        if found is None:
            raise self.error(name, "is empty")
        return found

    def texts(self, name: str) -> tuple[str, ...]:
        """Give a list, which may be empty but not null."""
        value = self._value(name)
        if not isinstance(value, tuple):
            raise self.error(name, "is not a list")
        return value

    def maybe_texts(self, name: str) -> tuple[str, ...]:
        """Give a list; empty when it is null."""
        return () if self._value(name) is None else self.texts(name)

    def maybe_number(self, name: str) -> int | None:
        """Give a whole number, None when it is null."""
        value = self.maybe_text(name)
        if value is None:
            return None
        if not _NUMBER.match(value):
            raise self.error(name, "is not a whole number")
        return int(value)

    def number(self, name: str) -> int:
        """Give a whole number that is there."""
        value = self.maybe_number(name)
        if value is None:
            raise self.error(name, "is empty")
        return value

    def maybe_date(self, name: str) -> datetime | None:
        """Give a time in UTC to the second, None when it is null."""
        value = self.maybe_text(name)
        if value is None:
            return None
        match = _DATE.match(value)
        try:
            return datetime.fromisoformat(match[1]).replace(tzinfo=UTC) if match else self._no_date(name)
        except ValueError as error:
            raise self.error(name, "is not a date") from error

    def _no_date(self, name: str) -> datetime:
        raise self.error(name, "is not an ISO 8601 time in UTC")

    def data(self, name: str) -> bytes:
        """Give bytes; empty when null."""
        value = self.maybe_text(name)
        if not value:
            return b""
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            raise self.error(name, "is not base64") from error

    def secret_data(self, name: str) -> SecretBytes:
        """Give bytes that arrived as a secret and are there. No error shows any of them."""
        value = self._value(name)
        if not isinstance(value, Secret):
            raise DecodeError(f"{name} is empty" if value is None else f"{name} is no secret", where=self.command)
        try:
            data = base64.b64decode(value.reveal(), validate=True)
        except (binascii.Error, ValueError):
            # Not that error: what is in there, even cut off, is nobody's to read.
            raise DecodeError(f"{name} is not base64", where=self.command) from None
        if not data:
            raise DecodeError(f"{name} is empty", where=self.command)
        return SecretBytes(data)
