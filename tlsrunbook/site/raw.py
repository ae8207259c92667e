"""A site file's data as it was read, right or wrong, and a problem found in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

Loc: TypeAlias = tuple[int | str, ...]

#: A table of a list, with its position.
Row: TypeAlias = tuple[int, Mapping[str, object]]


@dataclass(frozen=True)
class Problem:
    """One problem.

    Args:
        loc: Keys and list positions that lead to it.
        what: What is wrong.
        todo: What to write instead.
    """

    loc: Loc
    what: str
    todo: str


def table(value: object) -> Mapping[str, object]:
    """Give a table, an empty one when the value is none."""
    return value if isinstance(value, Mapping) else {}


def items(value: object) -> list[object]:
    """Give a list's items, none when the value is no list."""
    return list(value) if isinstance(value, (list, tuple, set, frozenset)) else []


def rows(value: object) -> list[Row]:
    """Give the tables of a list with their positions."""
    return [(index, table(row)) for index, row in enumerate(items(value))]


def texts(value: object) -> list[str]:
    """Give a list's texts."""
    return [item for item in items(value) if isinstance(item, str)]


def key(of: Mapping[str, object], name: str) -> str:
    """Give a key's text in its normal form, empty when it is none."""
    value = of.get(name)
    return normal(value) if isinstance(value, str) else ""


def normal(text: str) -> str:
    """Give a name in lower case without space around it and without a final dot."""
    return text.strip().lower().removesuffix(".")
