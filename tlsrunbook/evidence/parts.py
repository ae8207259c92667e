"""Pieces of a record's display: HTML that needs no script and no style sheet, and reads on white and on dark alike."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from html import escape

CELL = "text-align:left;vertical-align:top;padding:2px 12px 2px 0;border:0;white-space:pre-wrap"
CODE = "white-space:pre-wrap;overflow-wrap:anywhere;margin:2px 0 6px 0;padding:4px 8px;border-left:3px solid #8886"
NOTE = "margin:2px 0 6px 0"
_CAPTION = "text-align:left;font-weight:bold;padding:4px 0 2px 0"

#: A sign for the words by which a comparison ends, so that colour is never the only sign.
AGREEMENT = {"yes": "✓ yes", "no": "✗ no", "unknown": "? unknown", "nothing to compare": "– nothing to compare"}
_AGREEMENT_COLOURS = {"✓": "#2e8b57", "✗": "#cf3b3b", "?": "#9b4dca"}


def html_table(heads: Sequence[str], rows: Iterable[Sequence[str]], caption: str, narrow: Sequence[int] = ()) -> str:
    """Give a table; ``narrow`` columns are never broken, and a column with nothing in it is left out."""
    rows = list(rows)
    used = [at for at in range(len(heads)) if any(row[at] for row in rows)]
    wrap = {at: "white-space:nowrap" if at in narrow else "overflow-wrap:anywhere;min-width:7em" for at in used}
    head = "".join(
        f'<th scope="col" style="{CELL};font-weight:bold;opacity:.75">{escape(heads[at])}</th>' for at in used
    )
    body = "".join(
        "<tr>" + "".join(f'<td style="{CELL};{wrap[at]}">{_cell(row[at])}</td>' for at in used) + "</tr>"
        for row in rows
    )
    if not body:
        return ""
    style = "border-collapse:collapse;margin:2px 0 8px 0;font-size:13px"
    return (
        f'<table style="{style}"><caption style="{_CAPTION}">{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _cell(text: str) -> str:
    """Give a cell's text; one that says how a comparison ended is coloured too."""
    colour = _AGREEMENT_COLOURS.get(text[:1]) if text in AGREEMENT.values() else None
    sign = f'<span style="color:{colour}">{text[:1]}</span>'  # the word reads in every theme
    return f"<strong>{sign}{escape(text[1:])}</strong>" if colour else escape(text)


def html_code(text: str) -> str:
    """Give lines as they are; one click selects them all."""
    return f'<pre style="{CODE};user-select:all">{escape(text)}</pre>'


def html_note(text: str, lead: str = "") -> str:
    """Give a paragraph, with its first words in bold."""
    return f'<p style="{NOTE}">{f"<strong>{escape(lead)}</strong> " if lead else ""}{escape(text)}</p>'


def html_download(name: str, content: str) -> str:
    """Give a link that saves a text as a file; it holds the text itself and needs no server.

    Args:
        name: The file's name; what does not belong into one becomes ``-``.
    """
    data = base64.b64encode(content.encode("utf-8")).decode("ascii")
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "file"
    href = f"data:application/octet-stream;base64,{data}"
    return f'<p style="{NOTE}"><a download="{safe}" href="{href}">Download {escape(safe)}</a></p>'
