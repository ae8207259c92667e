"""Takes pictures of the runbook in named states: ``python -m tests.browser.screenshots OUT [NAME ...]``.

Each is taken at 1280 pixels, in the light and in the dark theme, as ``OUT/<name>-<theme>.png``. A state is a function
that brings a fresh desk there, and gives what the picture is of.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import Browser, Locator

from tests.browser.chromium import browser, chromium_path
from tests.browser.desk import Desk, open_desk
from tests.browser.labpage import LabPage

THEMES = ("light", "dark")
#: Name -> what brings a desk there; None: the whole window.
State = Callable[[Desk, LabPage], Locator | None]
STATES: dict[str, State] = {}


def state(name: str) -> Callable[[State], State]:
    """Register a state under a name."""

    def add(function: State) -> State:
        STATES[name] = function
        return function

    return add


@state("start")
def _start(desk: Desk, tab: LabPage) -> None:
    del desk
    tab.run_all()


@state("request-planned")
def _request_planned(desk: Desk, tab: LabPage) -> Locator:
    del desk
    tab.run_all()
    tab.press("confirm", "Check")
    tab.wait_for_state("confirm", "done")
    tab.press("request", "Plan")
    tab.wait_for_state("request", "planned")
    return tab.cell("request")


def take(opened: Browser, out: Path, names: list[str]) -> list[Path]:
    """Take the pictures of these states, and give their paths."""
    out.mkdir(parents=True, exist_ok=True)
    taken = []
    for name in names:
        for theme in THEMES:
            with ExitStack() as stack:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
                desk = open_desk(stack, opened, folder, server="EDGE1")
                tab = desk.tab(theme=theme).open()
                path = out / f"{name}-{theme}.png"
                tab.picture(str(path), STATES[name](desk, tab))
                taken.append(path)
    return taken


def main(arguments: list[str]) -> None:
    """Take all pictures, or those that are named."""
    if not arguments or set(arguments[1:]) - set(STATES):
        sys.exit(f"usage: python -m tests.browser.screenshots OUT [{'|'.join(STATES)}]...")
    path = chromium_path()
    if not path:
        sys.exit("there is no Chromium in the PATH")
    with browser(path) as opened:
        for taken in take(opened, Path(arguments[0]), arguments[1:] or list(STATES)):
            sys.stdout.write(f"{taken}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
