"""What a change's evidence tells of the sessions in JupyterLab, for the report and for ``tlsrunbook audit show``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tlsrunbook.errors import EvidenceError
from tlsrunbook.evidence.layout import SESSION, SESSION_PAGE, SESSION_RENDERING
from tlsrunbook.evidence.rendering import Rendering, read_rendering
from tlsrunbook.ports import EvidenceStore

#: Beside a session file: the page of its notebook, and what became of the notebook.
_PAGE, _RENDERING = (Path(name).name for name in (SESSION_PAGE, SESSION_RENDERING))


def session_rows(store: EvidenceStore, change: str) -> tuple[dict[str, Any], ...]:
    """Give one row per session of a change, the oldest first.

    Returns:
        Each ``number``, ``server``, ``begun``, ``finished``, ``user``, ``host``, ``steps`` (text per attempt),
        ``rendering`` (``archived``, ``missing`` or ``not settled``), ``why``, ``notebook``, ``sha256``, and ``page``
        (its path below the change's folder, or empty); or ``number`` and ``wrong``.
    """
    return tuple(_row(path, store.folder / change) for path in store.filed(change, SESSION))


def _row(path: Path, folder: Path) -> dict[str, Any]:
    number = path.parent.name
    try:
        data = json.loads(path.read_bytes())
        rendering = _rendering(path.with_name(_RENDERING))
        steps = [f"{one['step']} {one['attempt']}, {one['mode']}: {one['status']}" for one in data["done"]]
        who = data["who"]
        facts = {name: str(data[name]) for name in ("server", "begun", "finished")}
    except (OSError, ValueError, KeyError, TypeError, EvidenceError) as error:
        return {"number": number, "wrong": f"it cannot be read: {error}"}
    page = path.with_name(_PAGE)
    return {
        "number": number,
        **facts,
        "user": str(who.get("user", "-")),
        "host": str(who.get("host", "-")),
        "steps": steps,
        "rendering": rendering.state if rendering else "not settled",
        "why": rendering.why if rendering else "",
        "notebook": rendering.notebook if rendering else "",
        "sha256": rendering.sha256 if rendering else "",
        "page": page.relative_to(folder).as_posix() if page.is_file() else "",
    }


def _rendering(path: Path) -> Rendering | None:
    try:
        return read_rendering(path.read_bytes(), where=str(path))
    except FileNotFoundError:
        return None
