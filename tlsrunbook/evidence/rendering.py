"""What became of the notebook of a session: archived as it was saved, or missing and why. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tlsrunbook.evidence.data import read_stated, readable_json

SCHEMA = "tlsrunbook.rendering/1"
ARCHIVED, MISSING = "archived", "missing"
_WIDGETS = "widgets"


@dataclass(frozen=True)
class Rendering:
    """What became of the notebook of one session.

    Args:
        at: When this was settled, UTC.
        session: SHA-256 of the ``session.json`` beside it.
        notebook: Name of the file that was saved; empty when it is not known.
        sha256: Of the archived notebook; empty when there is none.
        saved_sha256: Of the file as it was saved, where that is another one because something was left out of it.
        left_out: What was left out, such as ``metadata.widgets``.
        why: Why there is no notebook; empty when there is one.
    """

    at: str
    session: str
    notebook: str = ""
    sha256: str = ""
    saved_sha256: str = ""
    left_out: tuple[str, ...] = ()
    why: str = ""

    @property
    def state(self) -> str:
        """``archived`` or ``missing``."""
        return ARCHIVED if self.sha256 else MISSING

    def encoded(self) -> bytes:
        """Give the bytes of ``rendering.json``."""
        return readable_json({"schema": SCHEMA, "rendering": self.state, **vars(self)})


def read_rendering(content: bytes, *, where: str = "") -> Rendering:
    """Read a ``rendering.json``.

    Raises:
        EvidenceError: It is none, or of a schema that this version does not know.
    """

    def make(data: dict[str, Any]) -> Rendering:
        data.pop("rendering")
        return Rendering(**{**data, "left_out": tuple(data["left_out"])})

    return read_stated(content, SCHEMA, make, what="rendering", where=where)


@dataclass(frozen=True)
class Kept:
    """A saved notebook as it goes into the evidence.

    Args:
        content: The saved bytes themselves where nothing had to be left out.
        saved_sha256: Of the file as it was saved; empty where ``content`` is that.
        left_out: What was left out.
    """

    content: bytes
    saved_sha256: str = ""
    left_out: tuple[str, ...] = ()


def kept(content: bytes, notebook: Mapping[str, Any]) -> Kept:
    """Give a saved notebook without the state of its widgets: that may hold what was typed into them, or uploaded.

    Args:
        content: As it was saved.
        notebook: The same, read.
    """
    metadata = notebook.get("metadata", {})
    if not isinstance(metadata, Mapping) or _WIDGETS not in metadata:
        return Kept(content)
    rest = {key: value for key, value in metadata.items() if key != _WIDGETS}
    without = readable_json({**notebook, "metadata": rest})
    return Kept(without, hashlib.sha256(content).hexdigest(), (f"metadata.{_WIDGETS}",))


def holds_any(content: bytes, secrets: Iterable[str]) -> bool:
    """Whether one of these texts stands in a notebook, as it is or in a way that JSON may spell it.

    Args:
        secrets: An empty one is passed over.
    """
    texts = [text for text in secrets if text]
    spellings = {spelled for text in texts for spelled in (text, json.dumps(text)[1:-1], _plain_json(text))}
    return any(spelled.encode("utf-8", "surrogatepass") in content for spelled in spellings)


def _plain_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]
