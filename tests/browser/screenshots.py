"""Takes pictures of every state of a card, and of the fleet: ``python -m tests.browser.screenshots OUT``.

Each is taken at 1280 pixels, in the light and in the dark theme, as ``OUT/<name>-<theme>.png``, on a lab that is
brought into that state.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Locator, expect

from tests.browser.chromium import browser, chromium_path
from tests.browser.desk import Desk, open_desk
from tests.browser.labpage import PATIENCE, RUNBOOK, LabPage
from tests.support.jupyter import waited_for
from tlsrunbook.evidence.fleet_page import fleet_html
from tlsrunbook.site import load_sites
from tlsrunbook.wiring_fleet import fleet_of

#: What a story yields whenever there is something to see: its name, the tab, and what of it (None: the window).
Sight = tuple[str, LabPage, Locator | None]


@dataclass(frozen=True)
class Story:
    """What brings a desk from one state to the next, and the lab's faults from its beginning."""

    tell: Callable[[Desk, LabPage], Iterator[Sight]]
    faults: tuple[str, ...] = ()


def _first_try(desk: Desk, tab: LabPage) -> Iterator[Sight]:
    """Ready, locked, done, planned, at work, held by another, waiting, failed; then on to the end."""
    yield "start", tab, None
    yield "ready", tab, tab.cell("confirm")
    yield "locked", tab, tab.cell("request")
    tab.plan_and_apply("confirm")
    yield "done", tab, tab.cell("confirm")
    tab.press("request", "Plan")
    tab.wait_for_state("request", "planned")
    yield "planned", tab, tab.cell("request")
    yield from _at_work(desk, tab)
    tab.wait_for_state("request", "waiting")
    yield "waiting", tab, tab.cell("request")
    desk.board.clear()
    desk.lab.answer_all()
    tab.press("request", "Look for the answer")
    tab.wait_for_state("request", "done")
    yield "request-done", tab, tab.cell("request")
    desk.board.set("exchange-error:Import-ExchangeCertificate")
    tab.press("install", "Plan")
    tab.wait_for_state("install", "planned")
    yield "install-planned", tab, tab.cell("install")
    tab.press("install", "Approve and apply")
    tab.wait_for_state("install", "failed")
    yield "failed", tab, tab.cell("install")
    desk.board.clear()
    tab.go_on("install")
    yield from _the_end(tab)


def _at_work(desk: Desk, tab: LabPage) -> Iterator[Sight]:
    shutil.copy(desk.jupyter.root / RUNBOOK, desk.jupyter.root / "other.ipynb")
    other = desk.tab().open("other.ipynb").run_all()
    with desk.board.holding("New-ExchangeCertificate") as held:
        tab.press("request", "Approve and apply")
        waited_for(held.is_set, "New-ExchangeCertificate")
        expect(tab.card("request")).to_contain_text("Changing EDGE1", timeout=PATIENCE)
        yield "at-work", tab, tab.cell("request")
        expect(other.card("request")).to_contain_text("works on", timeout=PATIENCE)
        yield "held-by-another", other, other.cell("request")
    other.end_kernel()
    other.close()


def _the_end(tab: LabPage) -> Iterator[Sight]:
    for step in ("activate", "connectors"):
        tab.press(step, "Plan")
        tab.wait_for_state(step, "planned")
        yield f"{step}-planned", tab, tab.cell(step)
        tab.press(step, "Approve and apply")
        tab.wait_for_state(step, "done")
    tab.press("verify", "Check")
    tab.wait_for_state("verify", "done")
    yield "verify-done", tab, tab.cell("verify")
    tab.press("activate", "Undo")
    expect(tab.button("activate", "No, leave it")).to_be_visible(timeout=PATIENCE)
    yield "undo-asked", tab, tab.cell("activate")
    tab.press("activate", "No, leave it")
    tab.finish()
    yield "finished", tab, tab.cell("finish")


def _second_try(desk: Desk, tab: LabPage) -> Iterator[Sight]:
    """Unknown, and blocked."""
    tab.plan_and_apply("confirm")
    tab.press("request", "Plan")
    tab.wait_for_state("request", "planned")
    desk.board.set("gone-after-run:New-ExchangeCertificate")
    tab.press("request", "Approve and apply")
    tab.wait_for_state("request", "unknown")
    yield "unknown", tab, tab.cell("request")
    tab.go_on("request")
    tab.press("install", "Plan")
    tab.wait_for_state("install", re.compile("Blocked|Failed"))
    yield "blocked", tab, tab.cell("install")


STORIES = (Story(_first_try, ("ca-slow",)), Story(_second_try, ("ca-wrong-key",)))


def take(opened: Browser, out: Path) -> Iterator[Path]:
    """Take all pictures, and give the path of each when it is taken."""
    out.mkdir(parents=True, exist_ok=True)
    for story in STORIES:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
            desk = open_desk(stack, opened, folder, server="EDGE1", servers=2, faults=story.faults)
            for name, tab, of in story.tell(desk, desk.tab().open().run_all()):
                for theme in ("light", "dark"):
                    path = out / f"{name}-{theme}.png"
                    tab.show_in(theme)
                    tab.picture(str(path), of)
                    yield path
                tab.show_in("light")
            if story is STORIES[0]:
                yield from _fleet(opened, desk, out)


def _fleet(opened: Browser, desk: Desk, out: Path) -> Iterator[Path]:
    page = desk.folder / "fleet.html"
    sites = load_sites(desk.site_file)
    page.write_text(fleet_html(fleet_of(sites, desk.jupyter.runs, None)), encoding="utf-8")
    for theme in ("light", "dark"):
        context = opened.new_context(viewport={"width": 1280, "height": 900}, color_scheme=theme)
        tab = context.new_page()
        tab.goto(page.as_uri())
        path = out / f"fleet-{theme}.png"
        tab.screenshot(path=path, full_page=True)
        context.close()
        yield path


def main(arguments: list[str]) -> None:
    """Take all pictures."""
    if len(arguments) != 1:
        sys.exit("usage: python -m tests.browser.screenshots OUT")
    path = chromium_path()
    if not path:
        sys.exit("there is no Chromium in the PATH")
    with browser(path) as opened:
        for taken in take(opened, Path(arguments[0])):
            sys.stdout.write(f"{taken}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
