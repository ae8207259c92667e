"""What pydantic found, in the words of an administrator: key path, what is wrong, what to write instead."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING

from tlsrunbook.site.keys import Spot, all_keys, spot, tables_in, tag
from tlsrunbook.site.raw import Loc, Problem
from tlsrunbook.site.settings import Table
from tlsrunbook.site.wrong import TOGETHER, WRONG

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_SECRETS = re.compile(r"pass|pwd|secret|user|login|token|private_?key|account", re.IGNORECASE)
_NEVER_HERE = (
    'never put secrets or users here: name a credential (credential = "exchange-admin" in the server\'s logon), '
    "and keep its user and password in the environment, the credentials file or the keyring"
)
_SHORT_FORMS = {"c": "country", "o": "organization", "ou": "organizational_unit", "l": "locality", "s": "state"}
_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")


def explain(errors: Iterable[ErrorDetails]) -> list[Problem]:
    """Turn pydantic's errors into problems, in their order.

    A key that is missing because it is misspelt is one problem.
    """
    found: list[Problem] = []
    guessed: set[Loc] = set()
    missing: list[tuple[int, Problem]] = []
    for error in errors:
        if error["type"] == TOGETHER or _only_echoes(error):
            continue
        place = spot(error["loc"])
        if error["type"] == "extra_forbidden":
            problem, meant = _unknown_key(place)
            if meant:
                guessed.add((*place.loc[:-1], meant))
        else:
            problem = _problem(error, place)
            if error["type"] == "missing":
                missing.append((len(found), problem))
        found.append(problem)
    spared = {index for index, problem in missing if problem.loc in guessed}
    return [problem for index, problem in enumerate(found) if index not in spared]


def _only_echoes(error: ErrorDetails) -> bool:
    # pydantic calls a list empty when none of its entries is valid; the entries' own problems say it better.
    return error["type"] == "too_short" and bool(error["input"])


def line(problem: Problem, data: Mapping[str, object]) -> str:
    """Write a problem as ``key path: what is wrong -> what to write instead``."""
    return f"{key_path(problem.loc, data)}: {problem.what} -> {problem.todo}"


def key_path(loc: Loc, data: Mapping[str, object]) -> str:
    """Write a location as ``servers[1] (MBX1).logon.port``: list entries are told by their names, too."""
    text = ""
    value: object = data
    for part in loc:
        value = _step(value, part)
        if isinstance(part, int):
            text += f"[{part}]{_label(value)}"
        else:
            key = part if _BARE.match(part) else json.dumps(part, ensure_ascii=False)
            text += f".{key}" if text else key
    return text or "the file"


def _step(value: object, part: int | str) -> object:
    if isinstance(part, int):
        return value[part] if isinstance(value, list) and part < len(value) else None
    return value.get(part) if isinstance(value, Mapping) else None


def _label(value: object) -> str:
    if not isinstance(value, Mapping):
        return ""
    name = value.get("name", value.get("domain"))
    return f" ({name})" if isinstance(name, str) and name.isprintable() and 0 < len(name) <= 40 else ""


def _unknown_key(place: Spot) -> tuple[Problem, str]:
    key = str(place.loc[-1])
    known = tuple(place.table.model_fields) if place.table else ()
    if _SECRETS.search(key):
        return Problem(place.loc, "is no key of a site file", _NEVER_HERE), ""
    short = _SHORT_FORMS.get(key.lower(), "")
    spelt = key.lower().replace("-", "_")
    begun = [name for name in known if len(spelt) >= 3 and name.startswith(spelt)]
    close = begun or difflib.get_close_matches(spelt, known, n=1, cutoff=0.6)
    meant = short if short in known else next(iter(close), "")
    if meant:
        return Problem(place.loc, "is not a known key", f"did you mean {meant}?"), meant
    homes = [
        entry.table or "the top of the file, before the first [table]" for entry in all_keys() if entry.name == key
    ]
    if homes and len(homes) <= 2:
        return Problem(place.loc, "is not a key of this table", f"it belongs to {' or '.join(homes)}"), ""
    return Problem(place.loc, "is not a known key", f"take it out; known here: {', '.join(known)}"), ""


def _problem(error: ErrorDetails, place: Spot) -> Problem:
    kind, context = error["type"], error.get("ctx", {})
    if kind == WRONG:
        return Problem(place.loc, str(context["what"]), str(context["todo"]))
    if kind == "missing":
        return Problem(place.loc, "is missing", f"write {_example(place)}")
    if kind in {"union_tag_invalid", "union_tag_not_found"}:
        return _wrong_kind(place, str(context.get("tag", "")))
    if kind == "literal_error":
        return Problem(place.loc, "is none of the words it may be", _choices(str(context["expected"]), error["input"]))
    if kind in {"too_short", "string_too_short"}:
        return Problem(place.loc, "is empty", f"write {_example(place)}")
    if kind in {"too_long", "string_too_long"}:
        return Problem(place.loc, "is too long", f"write at most {context['max_length']} characters")
    if kind in {"greater_than_equal", "less_than_equal"}:
        bound = f"at least {context['ge']}" if "ge" in context else f"at most {context['le']}"
        return Problem(place.loc, f"is {error['input']}", f"write a whole number of {bound}")
    return Problem(place.loc, f"is {toml_kind(error['input'])}", f"write {_shape(kind, place)}")


def _wrong_kind(place: Spot, given: str) -> Problem:
    kinds = [tag(table) for table in (tables_in(place.field.annotation) if place.field else ())]
    loc = (*place.loc, "kind")
    listed = " or ".join(f'"{kind}"' for kind in kinds)
    if not given:
        return Problem(loc, "is missing", f"write kind = {listed}")
    if given == "acme":
        return Problem(loc, '"acme" is not supported by this version yet', 'use "folder"')
    return Problem(loc, f'"{given}" is not known', f"write {listed}")


def _choices(expected: str, given: object) -> str:
    words = re.findall(r"'([^']*)'", expected)
    close = difflib.get_close_matches(given.lower(), words, n=1, cutoff=0.6) if isinstance(given, str) else []
    listed = ", ".join(f'"{word}"' for word in words)
    return f'did you mean "{close[0]}"? It may be {listed}' if close else f"write one of {listed}"


def _shape(kind: str, place: Spot) -> str:
    tables: tuple[type[Table], ...] = tables_in(place.field.annotation) if place.field else ()
    key = ".".join(str(part) for part in place.loc if isinstance(part, str))
    if kind in {"tuple_type", "frozen_set_type", "list_type"}:
        return f"each one as a table of its own: [[{key}]]" if tables else f"a list: {_example(place)}"
    if kind in {"model_type", "model_attributes_type", "dict_type"}:
        return f"a table: [{key}]"
    if kind == "string_type":
        return f"text, in quotes: {_example(place)}"
    if kind == "path_type":
        return f"a path, in quotes: {_example(place)}"
    if kind == "int_type":
        return f"a whole number, without quotes: {_example(place)}"
    if kind == "bool_type":
        return "true or false, without quotes"
    return _example(place)


def _example(place: Spot) -> str:
    key = next((part for part in reversed(place.loc) if isinstance(part, str)), "")
    if place.field is None:
        return key
    tables = tables_in(place.field.annotation)
    if tables:
        path = ".".join(str(part) for part in place.loc if isinstance(part, str))
        return f"[[{path}]]" if str(place.field.annotation).startswith("tuple") else f"a table [{path}]"
    examples = place.field.examples or [""]
    example = examples[0]
    if place.loc and isinstance(place.loc[-1], int) and isinstance(example, list):
        return to_toml(example[0])
    return f"{key} = {to_toml(example)}"


def to_toml(value: object) -> str:
    """Write a simple value as TOML."""
    if isinstance(value, date):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False)


def toml_kind(value: object) -> str:
    """Name what a TOML value is, without showing it: it might be a secret."""
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, Mapping):
        return "a table"
    for kinds, words in (
        ((str,), "text"),
        ((int, float), "a number"),
        ((list, tuple), "a list"),
        ((date,), "a date"),
    ):
        if isinstance(value, kinds):
            return words
    return "a value of another kind"
