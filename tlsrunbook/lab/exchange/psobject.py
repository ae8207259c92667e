"""Objects in a pipeline, and their projection to plain text as the bootstrap script does it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

#: A projected property.
Shown: TypeAlias = "str | list[str] | None"


@dataclass(frozen=True)
class PSObject:
    """One object.

    Args:
        kind: The .NET type's short name; ``String`` for plain text, which is in the property ``Value``.
        properties: What it has; what is not here it does not have.
        pipeline: What it offers to the next cmdlet by parameter name, ready to be bound.
    """

    kind: str
    properties: Mapping[str, object]
    pipeline: Mapping[str, object]

    @classmethod
    def text(cls, text: str) -> PSObject:
        """Make a plain string."""
        return cls("String", {"Value": text}, {})


def project(item: PSObject, select: Iterable[str]) -> dict[str, Shown]:
    """Show the wanted properties as text; one that the object does not have is left out.

    Property names are matched without regard to case and come back as they were asked for. A plain string is
    ``{"Value": text}`` whatever was asked for.
    """
    if item.kind == "String":
        return {"Value": shown(item.properties["Value"])}
    own = {name.lower(): value for name, value in item.properties.items()}
    return {name: shown(own[name.lower()]) for name in select if name.lower() in own}


def shown(value: object) -> Shown:
    """Turn one value into text: dates ISO 8601 UTC, bytes base64, ``True``/``False``, lists of texts, None."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    # Flags are tuples too, and print as one text.
    if type(value) in (tuple, list):
        return [shown_text(part) for part in value]  # type: ignore[attr-defined]
    return str(value)


def shown_text(value: object) -> str:
    """Turn a member of a list into text."""
    text = shown(value)
    return text if isinstance(text, str) else ""
