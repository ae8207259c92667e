"""What a person does on a JupyterLab page, and what they see of the runbook there."""

from __future__ import annotations

import json
import re
from typing import Any

from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.jupyter import Jupyter

#: How long something on the page may take, in milliseconds.
PATIENCE = 60_000
RUNBOOK = "runbook.ipynb"


class LabPage:
    """A browser tab with a notebook.

    Args:
        theme: ``light`` or ``dark``.
        width: Of the window, in pixels.
    """

    def __init__(self, browser: Browser, jupyter: Jupyter, *, theme: str = "light", width: int = 1280) -> None:
        self.jupyter = jupyter
        self.theme = theme
        self.context = browser.new_context(viewport={"width": width, "height": 900}, accept_downloads=True)
        self.context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.notebook = RUNBOOK

    def close(self) -> None:
        """Close the tab and forget its cookies."""
        self.context.close()

    # --- the notebook -------------------------------------------------------------------------------------------------

    def open(self, notebook: str = RUNBOOK, *, kernel: bool = True) -> LabPage:
        """Open a notebook as the only tab.

        Args:
            kernel: Whether to wait until its kernel is ready.
        """
        self.notebook = notebook
        self.page.goto(self.jupyter.address(f"lab/tree/{notebook}?reset&token={self.jupyter.token}"))
        self.page.wait_for_function("() => window.jupyterapp?.shell?.currentWidget?.content?.widgets?.length > 0")
        if self.theme == "dark":
            self.command("apputils:change-theme", {"theme": "JupyterLab Dark"})
            self.page.wait_for_selector("body[data-jp-theme-light='false']", state="attached")
        self.command("application:set-mode", {"mode": "single-document"})
        if kernel:
            self._kernel_is("idle")
        return self

    def reload(self) -> LabPage:
        """Load the page again, as F5 does."""
        return self.open(self.notebook)

    def command(self, name: str, arguments: object = None) -> None:
        """Run one of JupyterLab's commands, and wait for its end."""
        self.page.evaluate(
            "async ([name, told]) => { await window.jupyterapp.commands.execute(name, told ?? undefined); }",
            [name, arguments],
        )

    def run_all(self) -> LabPage:
        """Run all cells, and wait until none is at work."""
        self.command("notebook:run-all-cells")
        self.wait_for_cells()
        return self

    def run_cell(self, cell: str) -> None:
        """Run one cell by its id, and wait for its end."""
        self.page.evaluate(
            """async id => {
                const notebook = window.jupyterapp.shell.currentWidget.content;
                notebook.activeCellIndex = notebook.widgets.findIndex(one => one.model.sharedModel.id === id);
                await window.jupyterapp.commands.execute('notebook:run-cell');
            }""",
            cell,
        )
        self.wait_for_cells()

    def wait_for_cells(self) -> None:
        """Wait until no cell is at work."""
        self.page.wait_for_function(
            """() => ![...document.querySelectorAll('.jp-InputPrompt')].some(one => one.textContent.includes('*'))"""
        )

    def save(self) -> dict[str, Any]:
        """Save, and give what lies on disk then."""
        self.command("docmanager:save")
        self.page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
        return self.saved()

    def saved(self) -> dict[str, Any]:
        """Give the notebook as it lies on disk."""
        return self.jupyter.read(self.notebook)

    def restart_kernel(self) -> None:
        """Restart the kernel, as *Restart Kernel* does; outputs stay."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
        self._kernel_is("idle")

    def end_kernel(self) -> None:
        """Shut the kernel down."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")

    def _kernel_is(self, status: str) -> None:
        self.page.wait_for_function(
            "status => window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === status",
            arg=status,
        )

    def cell(self, cell: str) -> Locator:
        """Give a cell by its id, with its outputs."""
        index = self.page.evaluate(
            """id => window.jupyterapp.shell.currentWidget.content.widgets
                .findIndex(one => one.model.sharedModel.id === id)""",
            cell,
        )
        return self.page.locator(".jp-Notebook .jp-Cell").nth(int(index))

    # --- the runbook --------------------------------------------------------------------------------------------------

    @property
    def server(self) -> Locator:
        """The first card's choice of a server."""
        return self.page.get_by_role("combobox", name="Server")

    def choose(self, server: str) -> None:
        """Choose a server in the first card."""
        self.server.select_option(server)

    def card(self, step: str) -> Locator:
        """Give the controls of a step's card."""
        return self.page.locator(f".tlsrunbook-card.tlsrunbook-{step}")

    def button(self, step: str, name: str | re.Pattern[str]) -> Locator:
        """Give a button of a step's card by what is written on it."""
        return self.card(step).get_by_role("button", name=name, exact=isinstance(name, str))

    def press(self, step: str, name: str | re.Pattern[str]) -> None:
        """Press a button of a step's card, when it can be pressed."""
        self.button(step, name).click()

    def wait_for_state(self, step: str, state: str | re.Pattern[str]) -> None:
        """Wait until a card says this state: a word such as ``done`` beside its sign, in any case."""
        pattern = re.compile(rf"^\W*{re.escape(state)}\b", re.IGNORECASE) if isinstance(state, str) else state
        head = self.card(step).locator(".widget-html-content p").first
        expect(head).to_contain_text(pattern, timeout=PATIENCE)

    def output(self, step: str) -> Locator:
        """Give the ordinary output of a step's cell: what a save keeps."""
        return self.cell(step).locator(".jp-OutputArea-output").last

    def finish(self) -> None:
        """Press *Finish*, and wait until the session is shown as finished."""
        self.page.get_by_role("button", name="Finish", exact=True).click()
        expect(self.cell("finish")).to_contain_text("was finished at", timeout=PATIENCE)

    # --- how it looks -------------------------------------------------------------------------------------------------

    def scrolls_sideways(self) -> list[str]:
        """Give what is wider than the place it has, so that one would have to scroll to the side."""
        return list(
            self.page.evaluate(
                """() => [document.documentElement, ...document.querySelectorAll(
                        '.jp-WindowedPanel-outer, .jp-OutputArea-output, .tlsrunbook-card')]
                    .filter(one => one.scrollWidth > one.clientWidth + 1
                        && ['auto', 'scroll', 'visible'].includes(getComputedStyle(one).overflowX))
                    .map(one => `${one.className}: ${one.scrollWidth} > ${one.clientWidth}`)"""
            )
        )

    def picture(self, path: str, of: Locator | None = None) -> None:
        """Take a PNG of the window, or of one element."""
        if of is None:
            self.page.screenshot(path=path)
            return
        window = self.page.viewport_size
        box = of.bounding_box()
        assert window
        assert box, "it is not on the page"
        # What is higher than the window would be cut off by the notebook's own scrolling.
        self.page.set_viewport_size(
            {"width": window["width"], "height": max(window["height"], int(box["height"]) + 250)}
        )
        of.scroll_into_view_if_needed()
        of.screenshot(path=path)
        self.page.set_viewport_size(window)


def texts_of(cell: dict[str, Any], kind: str = "text/plain") -> str:
    """Give what a saved cell's outputs say, in one of their spellings."""
    found = [output.get("data", {}).get(kind, "") for output in cell.get("outputs", ())]
    return "\n".join("".join(text) if isinstance(text, list) else str(text) for text in found)


def saved_cell(notebook: dict[str, Any], cell: str) -> dict[str, Any]:
    """Give a cell of a saved notebook by its id."""
    return next(dict(one) for one in notebook["cells"] if one["id"] == cell)


def as_text(notebook: dict[str, Any]) -> str:
    """Give a saved notebook as one text, to look for what must not be in it."""
    return json.dumps(notebook, ensure_ascii=False)
