"""A person's desk: a fresh lab, a JupyterLab on the runbook of its site, and tabs of a browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser

from tests.browser.labpage import LabPage
from tests.faults.afterwards import changing
from tests.support.holding import HoldingBoard
from tests.support.jupyter import Jupyter, running
from tlsrunbook.lab.lab import Lab


@dataclass(frozen=True)
class Desk:
    """What a test of the runbook works with.

    Args:
        lab: What the servers really are: ``desk.lab.server(desk.site, "EDGE1").snapshot()``.
        site: Name of the lab's site.
        jupyter: The running JupyterLab, with the evidence in ``jupyter.runs``.
        tab: Opens another browser tab, of another browser user: ``desk.tab(theme="dark").open()``.
        board: Faults of the lab, and what stops a server in the middle of a cmdlet.
        folder: With the site file, ``jupyter.runs``, and what a folder authority has.
    """

    lab: Lab
    site: str
    jupyter: Jupyter
    tab: Callable[..., LabPage]
    board: HoldingBoard
    folder: Path

    @property
    def site_file(self) -> Path:
        """The site file."""
        return self.folder / f"{self.site}.toml"

    def changed(self, server: str = "EDGE1") -> dict[str, int]:
        """Give the cmdlets that changed something on a server, with how often each did."""
        return changing(self.lab.station(self.site, server).winrm.counters.succeeded)


def by_hand(text: str) -> str:
    """Let a folder be the authority in a site file, where the lab's CA would be asked."""
    return re.sub(r'kind = "lab".*\nurl = .*', 'kind = "folder"\noutbox = "outbox"\ninbox = "inbox"', text)


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
    board = HoldingBoard(*faults)
    lab = stack.enter_context(Lab(**{"servers": 1, **world}, faults=board))
    site = lab.site_names[0]
    path = folder / f"{site}.toml"
    path.write_text(edit(lab.site_file_text(site)), encoding="utf-8")
    chosen = ("--server", server) if server else ()
    jupyter = stack.enter_context(running(folder / "jupyter", str(path), *chosen, final_save=final_save))

    def tab(*, theme: str = "light", width: int = 1280) -> LabPage:
        page = LabPage(opened, jupyter, theme=theme, width=width)
        stack.callback(page.close)
        return page

    return Desk(lab, site, jupyter, tab, board, folder)
