"""What a person does on a JupyterLab page, and what they see of the runbook there."""

from __future__ import annotations

import json
import re
from typing import Any

from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.jupyter import Jupyter
from tlsrunbook.steps.registry import step_of

#: How long something on the page may take, in milliseconds.
PATIENCE = 60_000
RUNBOOK = "runbook.ipynb"
_HEIGHT = 900
_NO_KERNEL = {"shouldStart": False, "canStart": False, "autoStartDefault": False}
#: Notes what was clicked, for the message of a test that fails.
_NOTE_CLICKS = """window.clicked = [];
document.addEventListener("click", event => {
    window.clicked.push((event.target.closest?.("button") ?? event.target).textContent.trim().slice(0, 40));
}, true);"""


class LabPage:
    """A browser tab with a notebook.

    Args:
        theme: ``light`` or ``dark``.
        width: Of the window, in pixels.
    """

    def __init__(self, browser: Browser, jupyter: Jupyter, *, theme: str = "light", width: int = 1280) -> None:
        self.jupyter = jupyter
        self.theme, self.width = theme, width
        self.context = browser.new_context(viewport={"width": width, "height": _HEIGHT}, accept_downloads=True)
        self.context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.page.add_init_script(_NOTE_CLICKS)
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
        self._arrange()
        if kernel:
            self._kernel_is("idle")
        return self

    def read(self, notebook: str = RUNBOOK) -> LabPage:
        """Open a notebook as who only reads it does: with no kernel at all."""
        self.notebook = notebook
        self.page.goto(self.jupyter.address(f"lab/workspaces/reader?reset&token={self.jupyter.token}"))
        self.page.wait_for_function("() => window.jupyterapp?.shell")
        self.page.evaluate("async () => { await window.jupyterapp.restored; }")
        self.command("docmanager:open", {"path": notebook, "factory": "Notebook", "kernelPreference": _NO_KERNEL})
        self._arrange()
        assert self.page.evaluate("() => !window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel")
        return self

    def _arrange(self) -> None:
        self.page.wait_for_function("() => window.jupyterapp?.shell?.currentWidget?.content?.widgets?.length > 0")
        if self.theme == "dark":
            self.show_in("dark")
        self.command("application:set-mode", {"mode": "single-document"})

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
        place = self.page.wait_for_function(
            """id => 1 + (window.jupyterapp.shell.currentWidget?.content?.widgets ?? [])
                .findIndex(one => one.model.sharedModel.id === id)""",
            arg=cell,
        )
        index = int(place.json_value()) - 1
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index)

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
        """Press a button of a step's card, when it can be pressed and the kernel has answered what came before."""
        self._kernel_is("idle")
        self.button(step, name).click()

    def wait_for_state(self, step: str, state: str | re.Pattern[str]) -> None:
        """Wait until a card says this state: a word such as ``done`` beside its sign, in any case."""
        pattern = re.compile(rf"^\W*{re.escape(state)}\b", re.IGNORECASE) if isinstance(state, str) else state
        head = self.card(step).locator(".widget-html-content p").first
        try:
            expect(head).to_contain_text(pattern, timeout=PATIENCE)
        except AssertionError as error:
            shown, clicked = self.card(step).inner_text(), self.page.evaluate("() => window.clicked")
            raise AssertionError(f"{error}\nclicked so far: {clicked}\nthe whole card:\n{shown}") from error

    def output(self, step: str) -> Locator:
        """Give the ordinary output of a step's cell: what a save keeps."""
        return self.cell(step).locator(".jp-OutputArea-output").last

    def finish(self) -> None:
        """Press *Finish*, and wait until the session is shown as finished."""
        self.page.get_by_role("button", name="Finish", exact=True).click()
        expect(self.cell("finish")).to_contain_text("was finished at", timeout=PATIENCE)

    def plan_and_apply(self, step: str) -> None:
        """Do a step as its card has it, and wait until it is done."""
        if not step_of(step).looks_only:
            self.press(step, "Plan")
            self.wait_for_state(step, "planned")
        self.press(step, "Check" if step_of(step).looks_only else "Approve and apply")
        self.wait_for_state(step, "done")

    def go_on(self, step: str) -> None:
        """Do a step that was broken off, as its card has it, and wait until it is done."""
        self.press(step, re.compile("^(Check|Plan)"))
        if not step_of(step).looks_only:
            self.press(step, "Approve and apply")  # waits until it is enabled
        self.wait_for_state(step, "done")

    def give(self, step: str, name: str, content: bytes) -> None:
        """Choose a file on a card."""
        with self.page.expect_file_chooser() as chooser:
            self.press(step, re.compile("Give"))
        chooser.value.set_files([{"name": name, "mimeType": "application/octet-stream", "buffer": content}])

    def focused(self) -> str:
        """Give what the thing that has the focus is called."""
        return str(
            self.page.evaluate(
                """() => {
                    const one = document.activeElement;
                    const label = one.labels?.[0]?.textContent || one.textContent || one.getAttribute('aria-label');
                    return (label || one.tagName).trim().slice(0, 60);
                }"""
            )
        )

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

    def faintest(self, within: str = ".jp-OutputArea") -> dict[str, Any]:
        """Give the text that stands out least from what is behind it, with the contrast (1 to 21)."""
        return dict(self.page.evaluate(CONTRAST, within))

    def show_in(self, theme: str) -> None:
        """Change JupyterLab's theme: ``light`` or ``dark``."""
        self.command("apputils:change-theme", {"theme": f"JupyterLab {theme.title()}"})
        light = str(theme == "light").lower()
        self.page.wait_for_selector(f"body[data-jp-theme-light='{light}']", state="attached")

    def picture(self, path: str, of: Locator | None = None) -> None:
        """Take a PNG of the window, or of one element."""
        if of is None:
            self.page.locator(".jp-Notebook .jp-Cell").first.scroll_into_view_if_needed()
            self.page.screenshot(path=path)
            return
        size = of.bounding_box() or {}
        self.page.set_viewport_size({"width": self.width, "height": max(_HEIGHT, int(size["height"]) + 200)})
        of.scroll_into_view_if_needed()
        of.screenshot(path=path)
        self.page.set_viewport_size({"width": self.width, "height": _HEIGHT})


#: The lowest contrast of any visible text with what is behind it, by WCAG's formula.
CONTRAST = """(within) => {
  const parse = (text) => (text.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
  const light = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((v) => v / 255)
      .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) layers.push(parse(getComputedStyle(one).backgroundColor));
    return layers.reverse().reduce((below, [r, g, b, a = 1]) =>
      [r, g, b].map((v, at) => v * a + below[at] * (1 - a)), [255, 255, 255]);
  };
  let worst = { ratio: 99 };
  const root = within ? [...document.querySelectorAll(within)] : [document];
  const texts = "h1, h2, p, a, td, th, small, li, summary, .status, label, button, pre, strong";
  for (const element of root.flatMap((one) => [...one.querySelectorAll(texts)])) {
    if (!element.textContent.trim() || !element.getClientRects().length) continue;
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < worst.ratio) worst = { ratio, text: element.textContent.slice(0, 40), tag: element.tagName };
  }
  return worst;
}"""


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
