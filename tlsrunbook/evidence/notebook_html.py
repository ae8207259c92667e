"""An executed notebook as a page: no script, no network, readable in any browser and on paper."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from typing import Any

from markdown_it import MarkdownIt

from tlsrunbook.errors import EvidenceError
from tlsrunbook.evidence.display import html as record_html
from tlsrunbook.evidence.page import page
from tlsrunbook.evidence.record import MEDIA_TYPE, record_from_data

#: Papermill's own remarks about an error. Ours stand at the cell, and at the top.
_REMARK = "papermill-error-cell-tag"
_STATUSES = {"failed": ("✗ failed", "bad"), "not_run": ("· not run", "quiet"), "not_known": ("? not known", "odd")}
#: Terminal colours and the like.
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|[@-Z\\-_])")
#: Pictures would be fetched from somewhere.
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).disable("image")


def notebook_html(notebook: Mapping[str, Any], title: str, titles: Mapping[str, str] | None = None) -> str:
    """Render a notebook.

    A record is rendered from its data. No HTML that an output brings along is used: everything else is shown as text.

    Args:
        notebook: The notebook's JSON.
        title: For the page's head.
        titles: Title of each step, by its id.
    """
    ended_by = str(notebook.get("metadata", {}).get("papermill", {}).get("ended_by") or "")
    note = f'<p class="lead bad"><span>This notebook ended early: {escape(ended_by)}</span></p>' if ended_by else ""
    cells = "".join(_cell(cell, titles or {}) for cell in notebook.get("cells", ()))
    return page(title, f'<p class="quiet">{escape(title)}</p>{note}{cells}')


def _cell(cell: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    facts = cell.get("metadata", {})
    if _REMARK in facts.get("tags", ()):
        return ""
    source = _text(cell.get("source", ""))
    if cell.get("cell_type") == "markdown":
        return str(_MARKDOWN.render(source))
    if cell.get("cell_type") != "code":
        return f"<pre>{escape(source)}</pre>"
    word, kind = _STATUSES.get(str(facts.get("papermill", {}).get("status", "")), ("", ""))
    note = f'<p class="status {kind}">{word}</p>' if word else ""
    outputs = "".join(_output(output, titles) for output in cell.get("outputs", ()))
    return f'<pre class="source">{escape(source)}</pre>{note}{outputs}'


def _output(output: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    kind = output.get("output_type")
    if kind == "error":
        return f'<pre class="error">{escape(_plain(_text(output.get("traceback", []), join=chr(10))))}</pre>'
    if kind == "stream":
        return f"<pre>{escape(_plain(_text(output.get('text', ''))))}</pre>"
    data = output.get("data", {})
    return _record(data.get(MEDIA_TYPE), titles) or f"<pre>{escape(_plain(_text(data.get('text/plain', ''))))}</pre>"


def _record(data: object, titles: Mapping[str, str]) -> str:
    if not isinstance(data, Mapping):
        return ""
    try:
        record = record_from_data(data)
        return record_html(record, titles.get(record.step, record.step), "")
    except (EvidenceError, KeyError, TypeError, ValueError, AttributeError):
        return ""  # of another version, or made up: its text stands for it


def _text(value: object, join: str = "") -> str:
    return join.join(map(str, value)) if isinstance(value, list) else str(value)


def _plain(text: str) -> str:
    return _ESCAPES.sub("", text)
