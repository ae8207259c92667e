"""Values as JSON, the same on every machine, and their digest."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum
from pathlib import PurePath
from typing import Any, TypeVar

from tlsrunbook.errors import EvidenceError
from tlsrunbook.exchange.command import Command, Later
from tlsrunbook.exchange.render import render
from tlsrunbook.secret import Secret, SecretBytes

T = TypeVar("T")

_AS_THEY_ARE = frozenset({type(None), bool, int, float, str})


def to_data(value: object) -> Any:
    """Turn a value of this package into JSON-able data.

    Dataclasses become objects, sets sorted lists, times ISO 8601 UTC, bytes ``{"base64"}``, a :class:`Later`
    ``{"later"}``, a secret ``{"secret": true}``, a command ``{"name", "parameters", "text"}``.

    Raises:
        TypeError: The value is of none of these kinds.
    """
    # By exact type first: nearly all values are of these, and a record has thousands.
    if type(value) in _AS_THEY_ARE or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str | PurePath):
        return str(value)
    if isinstance(value, Secret | SecretBytes):
        return {"secret": True}
    if isinstance(value, Command):
        return command_data(value)
    if isinstance(value, Later):
        return {"later": value.what}
    return _container_data(value)


def _container_data(value: object) -> Any:
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode("ascii")}
    if isinstance(value, datetime):
        return utc_text(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_data(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_data(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(to_data(item) for item in value)
    if isinstance(value, list | tuple):
        return [to_data(item) for item in value]
    raise TypeError(f"{type(value).__name__} cannot be put into a record")


def command_data(command: Command) -> dict[str, Any]:
    """Give a command as data, with the PowerShell text people read."""
    return {
        "name": command.name,
        "parameters": [[name, to_data(value)] for name, value in command.parameters],
        "text": render(command, shorten=True),
    }


def command_from_data(data: Mapping[str, Any]) -> Command:
    """Rebuild a command from :func:`command_data`; what was a secret cannot come back.

    Raises:
        ValueError: A parameter was a secret.
    """
    return Command(data["name"], tuple((name, _value(name, value)) for name, value in data["parameters"]))


def _value(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    if not isinstance(value, dict):
        return value
    if "secret" in value:
        raise ValueError(f"{name} was a secret and is not in the record")
    return Later(value["later"]) if "later" in value else base64.b64decode(value["base64"])


def utc_text(moment: datetime) -> str:
    """Write a time as ``2026-11-24T14:15:02.123Z``; seconds have three digits after the point."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def canonical_json(data: object) -> bytes:
    """Write data as JSON with sorted keys and no spaces, UTF-8: equal data, equal bytes."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return _encoded(text)


def _encoded(text: str) -> bytes:
    # Half a surrogate pair, as a server gives that cuts a text in two, becomes JSON's own escape.
    return text.encode("utf-8", "backslashreplace")


def digest(data: object) -> str:
    """Give the SHA-256 of the canonical JSON, 64 lower-case hex digits."""
    return hashlib.sha256(canonical_json(data)).hexdigest()


def readable_json(data: object) -> bytes:
    """Write data as JSON for files that people open too: indented, keys in their order, final newline."""
    return _encoded(json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_stated(content: bytes, schema: str, make: Callable[[dict[str, Any]], T], *, what: str, where: str) -> T:
    """Read a JSON file that names its schema.

    Args:
        schema: The one that this version reads.
        make: Makes of the rest what it is; what it raises for the wrong keys, types and values is this file's fault.
        what: For people: ``session``, ``rendering``.

    Raises:
        EvidenceError: It is none, or of a schema that this version does not know.
    """
    try:
        data = dict(json.loads(content))
        found = data.pop("schema")
        if found != schema:
            raise EvidenceError(f"the {what}'s schema is {found!r}, and this version reads {schema!r}", where=where)
        return make(data)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EvidenceError(f"this is no {what}", where=where) from error
