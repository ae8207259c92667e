"""The request card's own part: a button that copies the CSR. All else of it is shown with the record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsrunbook.ui.copying import copy_of
from tlsrunbook.ui.extras import CardContext

if TYPE_CHECKING:
    import ipywidgets


def extra(context: CardContext) -> ipywidgets.Widget | None:
    """Give a button that copies the CSR; None while there is no CSR."""
    csr = csr_of(context)
    if not csr:
        return None
    import ipywidgets  # noqa: PLC0415 - only a notebook has it

    label = f"Copy the certificate request (CSR) of {context.server.name}"
    return ipywidgets.HTML(copy_of("Copy the CSR", label, csr))


def csr_of(context: CardContext) -> str:
    """Give the CSR of this change's newest request, PEM; empty while there is none."""
    found = (record.facts.get("CSR") for record in reversed(context.records) if record.step == "request")
    return next((csr for csr in found if isinstance(csr, str)), "")
