"""Keeps known secrets out of what a notebook shows, by their value."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from tlsrunbook.secret import MASK

#: Shorter values stand in ordinary text by chance; masking them would take the record apart.
SHORTEST = 4


class Redaction:
    """Masks values wherever they stand, as they are or as JSON, Python, HTML and URLs spell them.

    Args:
        values: The secrets; those shorter than :data:`SHORTEST` characters are left alone.
    """

    def __init__(self, values: Iterable[str]) -> None:
        spelled = {form for value in values if len(value) >= SHORTEST for form in _spelled(value)}
        self._forms = sorted(spelled, key=len, reverse=True)

    def __bool__(self) -> bool:
        return bool(self._forms)

    def text(self, text: str) -> str:
        """Mask the secrets in a text."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, MASK)
        return text

    def data(self, data: Any) -> Any:
        """Give a copy of JSON data with the secrets masked in every text; names of fields are left alone."""
        if isinstance(data, str):
            return self.text(data)
        if isinstance(data, Mapping):
            return {key: self.data(value) for key, value in data.items()}
        if isinstance(data, list | tuple):
            return [self.data(value) for value in data]
        return data

    def notebook(self, notebook: Any) -> None:
        """Mask the secrets in a notebook's cells and in papermill's metadata, in place."""
        if not self:
            return
        for cell in notebook.cells:
            for part in ("source", "outputs"):
                if cell.get(part):
                    cell[part] = _like(notebook, self.data(cell[part]))
        facts = notebook.metadata.get("papermill", {})
        for part in ("parameters", "default_parameters"):
            if facts.get(part):
                facts[part] = self.data(facts[part])


def _spelled(value: str) -> set[str]:
    return {value, json.dumps(value)[1:-1], repr(value)[1:-1], html.escape(value), quote(value, safe="")}


def _like(notebook: Any, data: Any) -> Any:
    """Give data the kind of mapping that the notebook's own are, so that its attributes can be read."""
    if isinstance(data, Mapping):
        made = type(notebook)()
        made.update({key: _like(notebook, value) for key, value in data.items()})
        return made
    return [_like(notebook, one) for one in data] if isinstance(data, list) else data
