"""A person's desk: a fresh lab, a JupyterLab on the runbook of its site, and tabs of a browser."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser

from tests.browser.labpage import LabPage
from tests.support.jupyter import Jupyter, running
from tlsrunbook.lab.faults import FaultBoard
from tlsrunbook.lab.lab import Lab


@dataclass(frozen=True)
class Desk:
    """What a test of the runbook works with.

    Args:
        lab: What the servers really are: ``desk.lab.server(desk.site, "EDGE1").snapshot()``.
        site: Name of the lab's site.
        jupyter: The running JupyterLab, with the evidence in ``jupyter.runs``.
        tab: Opens another browser tab, of another browser user: ``desk.tab(theme="dark").open()``.
    """

    lab: Lab
    site: str
    jupyter: Jupyter
    tab: Callable[..., LabPage]


def open_desk(
    stack: ExitStack,
    opened: Browser,
    folder: Path,
    *,
    faults: tuple[str, ...] = (),
    final_save: float = 600.0,
    server: str = "",
    edit: Callable[[str], str] = str,
    **world: int,
) -> Desk:
    """Open a desk; all of it ends with the stack.

    Args:
        folder: Empty; for site file, evidence, and all that JupyterLab writes.
        faults: Of the lab.
        final_save: Seconds that a finished session waits for its notebook.
        server: Chosen at the start; empty: none is.
        edit: May alter the text of the site file.
        world: Of the lab, such as ``servers=2``; one Edge server by default.
    """
    lab = stack.enter_context(Lab(**{"servers": 1, **world}, faults=FaultBoard(*faults)))
    site = lab.site_names[0]
    path = folder / f"{site}.toml"
    path.write_text(edit(lab.site_file_text(site)), encoding="utf-8")
    chosen = ("--server", server) if server else ()
    jupyter = stack.enter_context(running(folder / "jupyter", str(path), *chosen, final_save=final_save))

    def tab(*, theme: str = "light", width: int = 1280) -> LabPage:
        page = LabPage(opened, jupyter, theme=theme, width=width)
        stack.callback(page.close)
        return page

    return Desk(lab, site, jupyter, tab)
