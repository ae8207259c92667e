"""Keeps JupyterLab from taking the keys that are meant for a list on a card.

In command mode JupyterLab takes letters and arrow keys for its own: M makes the cell Markdown, and what it showed is
gone. It lets go of them where a text field has the focus, or a control that carries an attribute; a widget cannot.
"""

from __future__ import annotations

import ipywidgets as widgets

#: A picture that is none marks all lists of its output when it fails; they may be there a moment later than it is.
_MARK = (
    "const mark = setInterval(() => { const all = "
    "this.closest('.jp-OutputArea-output')?.querySelectorAll('select') ?? []; "
    "for (const one of all) one.setAttribute('data-lm-suppress-shortcuts', 'true'); "
    "if (all.length) clearInterval(mark); }, 50); setTimeout(() => clearInterval(mark), 60000)"
)


def own_keys() -> widgets.HTML:
    """Give what has to stand once among controls with lists; it shows nothing."""
    picture = f'<img alt="" src="data:," style="display:none" onerror="{_MARK}">'
    return widgets.HTML(picture, layout={"height": "0", "margin": "0"})
