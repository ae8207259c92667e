"""A button that copies a text, also where a page may not use the clipboard."""

from __future__ import annotations

from html import escape

#: Copies what stands after the button; where a page may not use the clipboard, it is selected for Ctrl+C instead.
_COPY = (
    "const t=this.nextElementSibling,s=window.getSelection();s.selectAllChildren(t);"
    "(navigator.clipboard?navigator.clipboard.writeText(t.textContent):"
    "Promise.resolve(document.execCommand('copy'))).then(()=>{this.textContent='Copied'})"
)
_HIDDEN = "position:absolute;left:-9999px;white-space:pre"


def copy_button(words: str, label: str) -> str:
    """Give a button that copies the element right after it.

    Args:
        words: What stands on it.
        label: What it does, for screen readers.
    """
    return (
        f'<button type="button" class="jupyter-button" style="width:auto" aria-label="{escape(label)}" '
        f'onclick="{escape(_COPY)}">{escape(words)}</button>'
    )


def copy_of(words: str, label: str, text: str) -> str:
    """Give a button that copies a text which is not on the page beside it."""
    return f'{copy_button(words, label)}<pre aria-hidden="true" style="{_HIDDEN}">{escape(text)}</pre>'
