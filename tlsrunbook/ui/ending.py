"""The end of a session: writes it down, shows it, and takes the controls off the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlsrunbook.evidence.display import Shown
from tlsrunbook.steps.registry import step_of
from tlsrunbook.ui.finish import Closed, FinishCard
from tlsrunbook.ui.page import Still
from tlsrunbook.ui.place import Place
from tlsrunbook.ui.progress import Tell
from tlsrunbook.ui.session import Session

if TYPE_CHECKING:
    from tlsrunbook.ui.runbook import Runbook


_OVER = "This session was finished. To go on, run all cells again."


class Ending:
    """The last card of a runbook."""

    def __init__(self, book: Runbook) -> None:
        self._book = book
        self._place: Place[FinishCard] | None = None
        self._over: str | None = None  # what stands in place of the button; None: the button does

    @property
    def places(self) -> tuple[Place[Any], ...]:
        """Its place, when it is shown."""
        return (self._place,) if self._place else ()

    def show(self) -> None:
        """Show it in the cell that runs now."""
        self._place, self._over = Place(FinishCard(self.press)), None
        self.draw(busy=self._book.works.busy)
        self._place.show()

    def press(self) -> None:
        """Close the session; gives control back at once."""
        if self._place:
            self._book.begin("Finishing", self._finish, self._place.controls.tell)

    def _finish(self, _tell: Tell) -> None:
        if self._book.bench.finish() is not None and self._place:
            self._book.take_away(Still(_OVER))  # first: whoever sees that it is finished may save at once
            self._over = ""
            self._say_over()
            self.draw(busy=True)

    def draw(self, *, busy: bool) -> None:
        """Show the newest session if nothing was done since, else that there is something to finish."""
        if self._place is None:
            return
        session, left = self._book.bench.newest_session()
        if session is not None and not left:
            self._place.put(Closed(session, str(self._book.bench.runs), self._records(session)))
            self._say_over()
        elif left:
            self._place.put(Still(f"Not finished yet: {left} attempt(s) on record belong to no finished session."))
        else:
            self._place.put(Still("Nothing was done yet."))
        self._place.controls.button.disabled = busy or not left

    def _say_over(self) -> None:
        """Say in place of the button that this is over, and what could not be archived of it."""
        troubles = "".join(f" Not archived or sealed: {one}" for one in self._book.bench.troubles())
        text = _OVER + troubles
        if self._place and self._over is not None and text != self._over:
            self._over = text
            self._place.replace(Still(text))

    def freeze(self) -> None:
        """Let it not be pressed."""
        if self._place:
            self._place.controls.button.disabled = True

    def _records(self, session: Session) -> tuple[Shown, ...]:
        """Give the newest record of each step of a session, in the order in which they were done."""
        newest = {one.step: one.attempt for one in session.done}
        return tuple(
            Shown(record, step_of(record.step).title, self._book.bench.folder_of(record))
            for record in self._book.bench.records(session.change)
            if newest.get(record.step) == record.attempt
        )
