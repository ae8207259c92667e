"""The step notebooks as files, and what was injected into them."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable
from pathlib import Path

from tlsrunbook.errors import UsageError

#: The parameters of every step notebook, all text.
PARAMETERS = ("site", "server", "runs", "change", "mode")

_PACKAGE = Path(__file__).resolve().parent.parent


def notebook_path(name: str) -> Path:
    """Give a committed notebook's path: in the installed package, or beside it in a checkout.

    Raises:
        UsageError: It is in neither.
    """
    for folder in (_PACKAGE / "notebooks", _PACKAGE.parent / "notebooks"):
        if (folder / name).is_file():
            return folder / name
    raise UsageError(f"the notebook {name} is missing from this installation", todo="install tlsrunbook again")


def notebook_files() -> tuple[Path, ...]:
    """Give the committed notebooks, by name.

    Raises:
        UsageError: There are none.
    """
    folder = notebook_path("1-confirm-fqdn.ipynb").parent
    return tuple(sorted(folder.glob("*.ipynb")))


def refuse_unknown_parameters(cells: Iterable[str]) -> None:
    """Refuse parameters that no step notebook has; papermill itself only warns.

    Args:
        cells: Source of the cells that ran so far. Papermill's own cell starts with ``# Parameters``.

    Raises:
        UsageError: One was misspelt, or is unknown.
    """
    for source in cells:
        if not source.startswith("# Parameters\n"):
            continue
        for name in _assigned(source):
            if name not in PARAMETERS:
                close = difflib.get_close_matches(name.lower(), PARAMETERS, 1)
                hint = f"write {close[0]}" if close else f"the parameters are {', '.join(PARAMETERS)}"
                raise UsageError(f"there is no parameter {name!r}", where="papermill", todo=hint)


def _assigned(source: str) -> list[str]:
    return [
        target.id
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
