"""The model as JSON schema, and as the table of keys in the docs."""

from __future__ import annotations

from typing import Any

from pydantic_core import PydanticUndefined

from tlsrunbook.site.keys import Key, all_keys
from tlsrunbook.site.model import Site
from tlsrunbook.site.problems import to_toml


def json_schema() -> dict[str, Any]:
    """Give the JSON schema (2020-12) of a site file, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Site.model_json_schema(),
        "title": "tlsrunbook site file",
    }


def key_table() -> str:
    """Give the reference of all keys as Markdown, one section to a table of the file."""
    lines: list[str] = []
    tables: dict[str, list[Key]] = {}
    for key in all_keys():
        tables.setdefault(key.table, []).append(key)
    for table, keys in tables.items():
        lines += [f"### {_heading(table)}", "", "| key | default | example | meaning |", "|---|---|---|---|"]
        lines += [_row(key) for key in keys]
        lines.append("")
    return "\n".join(lines)


def _heading(table: str) -> str:
    if not table:
        return "The top of the file"
    if table.endswith("[]"):
        return f"`[[{table.removesuffix('[]').replace('[]', '')}]]`"
    return f"`[{table.replace('[]', '')}]`"


def _row(key: Key) -> str:
    example = f"`{to_toml(key.field.examples[0])}`" if key.field.examples else ""
    if key.tables:
        example = _heading(f"{key.path}[]" if key.listed else key.path)
    only = f" With `kind = {to_toml(key.kinds[0])}` only." if len(key.kinds) == 1 else ""
    return f"| `{key.name}` | {_default(key)} | {example} | {key.field.description}{only} |"


def _default(key: Key) -> str:
    default = key.field.default
    if key.field.is_required():
        return "**required**"
    if key.tables or default is None or default is PydanticUndefined or default in ("", ()):
        return ""
    return f"`{to_toml(list(default) if isinstance(default, tuple) else default)}`"
