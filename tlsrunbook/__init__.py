"""A Jupyter-based runbook for public TLS certificates on Exchange's SMTP connectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsrunbook.about import __version__

if TYPE_CHECKING:
    from tlsrunbook.ui.by_hand import open_recorded, open_run
    from tlsrunbook.ui.fleet import open_fleet
    from tlsrunbook.ui.runbook import open_runbook

__all__ = ["__version__", "open_fleet", "open_recorded", "open_run", "open_runbook"]


def __getattr__(name: str) -> object:
    # The command line and the engine import the package without the adapters; a notebook asks for these.
    if name in ("open_recorded", "open_run"):
        from tlsrunbook.ui import by_hand  # noqa: PLC0415

        return getattr(by_hand, name)
    if name == "open_runbook":
        from tlsrunbook.ui.runbook import open_runbook  # noqa: PLC0415

        return open_runbook
    if name == "open_fleet":
        from tlsrunbook.ui.fleet import open_fleet  # noqa: PLC0415

        return open_fleet
    raise AttributeError(f"module 'tlsrunbook' has no attribute {name!r}")
