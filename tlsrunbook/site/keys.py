"""The keys a site file may have, walked from the model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from tlsrunbook.site.model import Site
from tlsrunbook.site.raw import Loc
from tlsrunbook.site.settings import Table


@dataclass(frozen=True)
class Key:
    """One key of the site file.

    Args:
        table: Path of its table, such as ``servers[].logon``; empty for the top of the file.
        name: The key.
        field: What the model says of it.
        tables: The tables it leads to; empty for a value.
        kinds: The kinds of its table that have it; empty when the table has no kinds.
    """

    table: str
    name: str
    field: FieldInfo
    tables: tuple[type[Table], ...]
    kinds: tuple[str, ...]

    @property
    def path(self) -> str:
        """Table and key."""
        return f"{self.table}.{self.name}" if self.table else self.name

    @property
    def listed(self) -> bool:
        """Whether it holds a list of tables (``[[...]]``)."""
        return bool(self.tables) and get_origin(self.field.annotation) is tuple


@dataclass(frozen=True)
class Spot:
    """Where an error's location leads.

    Args:
        loc: The location without what pydantic adds for unions.
        table: The table its last key stands in; None when that is not one of ours.
        field: The last key's field; None when the key is not known.
    """

    loc: Loc
    table: type[Table] | None
    field: FieldInfo | None


def tables_in(annotation: Any) -> tuple[type[Table], ...]:
    """Give all tables that a field's type names, at any depth."""
    if isinstance(annotation, type) and issubclass(annotation, Table):
        return (annotation,)
    return tuple(table for argument in get_args(annotation) for table in tables_in(argument))


@cache
def all_keys() -> tuple[Key, ...]:
    """Give all keys, table by table, in the order of the model. A key that two kinds of a table share comes once."""
    return tuple(_keys((Site,), ""))


def _keys(tables: tuple[type[Table], ...], path: str) -> Iterator[Key]:
    keys: dict[str, Key] = {}
    for table in tables:
        for name, field in table.model_fields.items():
            kinds = tuple(filter(None, (tag(choice) for choice in tables if name in choice.model_fields)))
            keys.setdefault(name, Key(path, name, field, tables_in(field.annotation), kinds))
    yield from keys.values()
    for key in keys.values():
        if key.tables:
            yield from _keys(key.tables, f"{key.path}[]" if key.listed else key.path)


def spot(loc: Loc) -> Spot:
    """Follow an error's location through the model."""
    current: tuple[type[Table], ...] = (Site,)
    table: type[Table] | None = None
    field: FieldInfo | None = None
    clean: list[int | str] = []
    for part in loc:
        if isinstance(part, int):
            clean.append(part)
            continue
        tagged = tuple(choice for choice in current if tag(choice) == part)
        if len(current) > 1 and tagged:
            current = tagged
            continue
        table = next((choice for choice in current if part in choice.model_fields), current[0] if current else None)
        field = table.model_fields.get(part) if table else None
        current = tables_in(field.annotation) if field else ()
        clean.append(part)
    return Spot(tuple(clean), table, field)


def tag(table: type[Table]) -> str:
    """Give what ``kind`` must be for this table; empty for a table without kinds."""
    field = table.model_fields.get("kind")
    if field is None or get_origin(field.annotation) is not Literal:
        return ""
    return str(get_args(field.annotation)[0])
