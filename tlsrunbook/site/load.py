"""Reading site files: all problems at once, or a :class:`Site`."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tlsrunbook.errors import SiteFileError, UsageError
from tlsrunbook.site.model import Site
from tlsrunbook.site.problems import explain, line
from tlsrunbook.site.raw import Problem
from tlsrunbook.site.together import together

_PLACE = re.compile(r" \(at (line \d+, column \d+|end of document)\)\Z")


def load_site(path: Path | str) -> Site:
    """Read one site file.

    Args:
        path: A TOML file. Relative paths in it are taken from its folder.

    Raises:
        UsageError: There is no such file, or it cannot be read.
        SiteFileError: It has problems; all of them are listed.
    """
    return parse_site(_read(Path(path)), path=path)


def load_sites(path: Path | str) -> tuple[Site, ...]:
    """Read a site file, or all of a folder (``*.toml``, by name), leaving out what sites name as credentials file.

    Raises:
        UsageError: There is no such file or folder, or no site file in it.
        SiteFileError: One or more files have problems; all problems of all files are listed.
    """
    folder = Path(path)
    if not folder.is_dir():
        return (load_site(folder),)
    contents, problems = _read_all(folder)
    sites: list[Site] = []
    for file, data in contents.items():
        try:
            sites.append(parse_site(data, path=file))
        except SiteFileError as error:
            problems += [f"{file.name}: {problem}" for problem in error.problems]
    seen: dict[str, str] = {}
    for site in sites:
        first = seen.setdefault(site.name, site.path.name)
        if first != site.path.name:
            problems.append(
                f'{site.path.name}: name: "{site.name}" is also the site of {first} -> give it its own name'
            )
    if problems:
        raise SiteFileError(str(path), tuple(problems))
    return tuple(sites)


def parse_site(data: Mapping[str, Any], *, path: Path | str = "") -> Site:
    """Check the contents of a site file.

    Args:
        data: What the TOML says, as nested dictionaries and lists.
        path: The file it comes from; empty when there is none, and then relative paths stay relative.

    Raises:
        SiteFileError: It has problems; all of them are listed.
    """
    file = Path(path).absolute() if path else Path()
    folder = file.parent

    def resolve(relative: Path) -> Path:
        return Path(os.path.normpath(folder / relative.expanduser()))

    problems: list[Problem] = []
    site: Site | None = None
    try:
        site = Site.model_validate(data, context={"resolve": resolve} if path else None)
    except ValidationError as error:
        problems = explain(error.errors(include_url=False))
    # Outside the handler: pydantic's error knows the values, and a value may be a secret that went astray.
    if site is None:
        known = {problem.loc for problem in problems}
        problems += [problem for problem in together(data) if problem.loc not in known]
        raise SiteFileError(str(path) or "site", tuple(line(problem, data) for problem in sorted(problems, key=_order)))
    site._path = file  # noqa: SLF001 -- set once, before anybody has the site
    return site


def _order(problem: Problem) -> tuple[int, int]:
    """Sort by table, and in a list of tables by entry; what stands in one entry keeps its order."""
    tables = list(Site.model_fields)
    first, second = (*problem.loc, "", "")[:2]
    place = tables.index(first) if isinstance(first, str) and first in tables else len(tables)
    return place, second if isinstance(second, int) else -1


def _read_all(folder: Path) -> tuple[dict[Path, dict[str, Any]], list[str]]:
    files = sorted(file for file in folder.glob("*.toml") if file.is_file() and not file.name.startswith("."))
    contents: dict[Path, dict[str, Any]] = {}
    problems: dict[Path, tuple[str, ...]] = {}
    for file in files:
        try:
            contents[file] = _read(file)
        except SiteFileError as error:
            problems[file] = error.problems
    secret = {_credentials_file(file, data) for file, data in contents.items()}
    contents = {file: data for file, data in contents.items() if file.absolute() not in secret}
    listed = [
        f"{file.name}: {each}" for file, lines in problems.items() if file.absolute() not in secret for each in lines
    ]
    if not contents and not listed:
        raise UsageError(
            "there is no site file in this folder", where=str(folder), todo="name a *.toml file, or its folder"
        )
    return contents, listed


def _credentials_file(file: Path, data: Mapping[str, Any]) -> Path | None:
    table = data.get("credentials")
    name = table.get("file") if isinstance(table, Mapping) else None
    return Path(os.path.normpath(file.absolute().parent / name)) if isinstance(name, str) else None


def _read(file: Path) -> dict[str, Any]:
    try:
        raw = file.read_bytes()
    except FileNotFoundError:
        raise UsageError("there is no such site file", where=str(file), todo=_other_files(file)) from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageError(
            f"the site file cannot be read: {reason}", where=str(file), todo="check the path and its rights"
        ) from error
    try:
        return tomllib.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError:
        problem = "the file: is not UTF-8 text -> save it as UTF-8 (PowerShell 5.1: Set-Content -Encoding UTF8)"
    except tomllib.TOMLDecodeError as error:
        problem = _syntax_problem(str(error), raw)
    raise SiteFileError(str(file), (problem,))


def _syntax_problem(message: str, raw: bytes) -> str:
    found = _PLACE.search(message)
    place = found[1] if found else "the file"
    what = message[: found.start()] if found else message
    number = re.match(r"line (\d+)", place)
    lines = raw.decode("utf-8-sig").splitlines()
    text = lines[int(number[1]) - 1] if number and int(number[1]) <= len(lines) else ""
    if "\\" in text and re.search(r"escape|hex|Unescaped|\\", what):
        todo = "write a path with forward slashes, or in single quotes: 'C:\\ca\\outbox'"
    elif "servers" in text and text.lstrip().startswith("["):
        todo = "begin each server with [[servers]]"
    elif "twice" in what or "overwrite" in what:
        todo = "keep one of both"
    else:
        todo = 'write key = "text", key = 30, key = true or key = ["a", "b"], one to a line'
    return f"{place}: {what} -> {todo}"


def _other_files(file: Path) -> str:
    try:
        names = sorted(entry.name for entry in file.parent.glob("*.toml"))
    except OSError:
        names = []
    close = difflib.get_close_matches(file.name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {file.parent / close[0]}?"
    return "name a site file; docs/example-site.toml shows one"
