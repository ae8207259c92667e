"""Notices when a page is opened on a running kernel: by a reload, in a second tab, on another computer.

Such a page gets the cards as they are, but JupyterLab knows no more which output a card's record belongs to, so that
what is new would not be written into the notebook. The cards then show it themselves, and say so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: The channel over which a page asks for the widgets of a kernel, once when it is opened.
_TARGET = "jupyter.widget.control"


def when_opened(tell: Callable[[], None]) -> None:
    """Have a page that is opened from now on told. Does nothing where there is no Jupyter kernel."""
    import ipywidgets  # noqa: PLC0415 - only a notebook has it
    from comm import get_comm_manager  # noqa: PLC0415

    def opened(comm: Any, message: Any) -> None:
        ipywidgets.Widget.handle_control_comm_opened(comm, message)
        tell()

    manager = get_comm_manager()
    if hasattr(manager, "register_target"):
        manager.register_target(_TARGET, opened)
