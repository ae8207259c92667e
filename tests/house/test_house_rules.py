"""Rules of the house that a machine can see."""

from __future__ import annotations

import ast
import importlib
import inspect
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import tlsrunbook
from tlsrunbook import errors

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "tlsrunbook").rglob("*.py"))
LONGEST_FILE = 310
LONGEST_FUNCTION = 60

#: Rows that know no clock, file, socket, environment or random number. Reading the site file and the package's own
#: scripts are the exceptions.
PURE = ("exchange", "certificates", "smtp", "plan", "policy", "evidence")
IMPURE_MODULES = {"os", "socket", "time", "random", "secrets", "subprocess", "tempfile", "uuid", "getpass", "requests"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_tells_one_story(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= LONGEST_FILE
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < LONGEST_FUNCTION, node.name


@pytest.mark.parametrize("row", PURE)
def test_pure_rows_import_nothing_impure(row: str) -> None:
    for path in (ROOT / "tlsrunbook" / row).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in names} & IMPURE_MODULES, path
            if isinstance(node, ast.Attribute) and node.attr in ("now", "utcnow", "today"):
                raise AssertionError(f"{path} reads the clock in line {node.lineno}")


def error_classes() -> list[type[errors.TlsRunbookError]]:
    found = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, errors.TlsRunbookError)]
    assert len(found) > 10
    return found


def example(cls: type[errors.TlsRunbookError]) -> errors.TlsRunbookError:
    if cls is errors.SiteFileError:
        return errors.SiteFileError("a.toml", ("x: wrong -> right",))
    if cls is errors.StepStopped:
        return errors.StepStopped("it stopped", status="blocked", where="a / b / c", todo="look")
    return cls("it is wrong", where="here", todo="do this")


@pytest.mark.parametrize("cls", error_classes(), ids=lambda cls: cls.__name__)
def test_every_error_survives_pickling_and_context_managers(cls: type[errors.TlsRunbookError]) -> None:
    @contextmanager
    def passing() -> Iterator[None]:
        yield

    error = example(cls)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.exit_code) == (cls, str(error), error.exit_code)
    with pytest.raises(cls), passing():
        raise error


def test_every_error_is_in_the_tree_in_the_docstring() -> None:
    tree = errors.__doc__ or ""
    for cls in error_classes():
        assert re.search(rf"\b{cls.__name__}\b", tree), cls.__name__


def test_the_public_names_are_there_and_sorted() -> None:
    assert tlsrunbook.__all__ == sorted(tlsrunbook.__all__)
    for name in tlsrunbook.__all__:
        assert getattr(tlsrunbook, name)
    with pytest.raises(AttributeError):
        _ = tlsrunbook.nothing


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_imports_and_says_what_it_is(path: Path) -> None:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    if not name.endswith("__main__"):
        assert importlib.import_module(name).__doc__


def test_pure_rows_do_not_drag_in_heavy_packages() -> None:
    probe = (
        "import sys, tlsrunbook.steps.registry, tlsrunbook.evidence.display\n"
        "heavy = {'papermill','aiohttp','winrm','keyring','IPython','spnego','requests','rich'} & set(sys.modules)\n"
        "print(sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def committed() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in done.stdout.split("\0") if name]


def test_runs_holds_no_run_and_nothing_names_a_machine() -> None:
    hosts = "|".join(("files\\.python" + "hosted", "pypi\\.org/" + "simple", "deb\\.debian\\.org"))
    paths = "|".join(("/ro" + "ot/", "/wo" + "rk/", "/home/[a-z]+/"))
    wrong = re.compile(f"{hosts}|{paths}".encode())
    for path in committed():
        if path.parts[-2] == "runs":
            assert path.name in ("README.md", ".gitignore")
        if path.is_file():
            found = wrong.search(path.read_bytes())
            assert not found, f"{path}: {found.group().decode() if found else ''}"
