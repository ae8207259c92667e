"""The request card's own part: the CSR with copy and download, its key, the TLSA records, and what to tell the CA."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from tlsrunbook.evidence.cards import card_of
from tlsrunbook.ui.extras import CardContext

if TYPE_CHECKING:
    import ipywidgets

#: Copies the text of the element before the button; works without a secure context too.
_COPY = (
    "const t=this.previousElementSibling;t.select();"
    "(navigator.clipboard?navigator.clipboard.writeText(t.value):Promise.resolve(document.execCommand('copy')))"
    ".then(()=>{this.textContent='Copied'})"
)


def extra(context: CardContext) -> ipywidgets.Widget | None:
    """Give a button that copies the CSR; None while there is no CSR."""
    csr = csr_of(context)
    if not csr:
        return None
    import ipywidgets  # noqa: PLC0415 - only a notebook has it

    hidden = "position:absolute;width:1px;height:1px;opacity:0"
    return ipywidgets.HTML(
        f'<textarea readonly tabindex="-1" aria-hidden="true" style="{hidden}">{escape(csr)}</textarea>'
        f'<button type="button" class="jupyter-button" onclick="{escape(_COPY)}">Copy the CSR</button>'
    )


def extra_html(context: CardContext) -> str:
    """Give CSR, TLSA records and what to tell the CA as static HTML."""
    record = context.latest.get("request")
    return card_of(record).html() if record else ""


def csr_of(context: CardContext) -> str:
    """Give the CSR of this change's newest request, PEM; empty while there is none."""
    record = context.latest.get("request")
    csr = record.facts.get("CSR") if record else None
    return csr if isinstance(csr, str) else ""
