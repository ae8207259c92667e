"""What ``runbook.ipynb`` holds: a chooser, one card per step, and the end. State lies in the records, never in here."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tlsrunbook.errors import TlsRunbookError, UsageError
from tlsrunbook.evidence.display import Shown
from tlsrunbook.steps.registry import step_of
from tlsrunbook.ui.bench import Bench
from tlsrunbook.ui.cards import Card
from tlsrunbook.ui.chooser import Chooser
from tlsrunbook.ui.ending import Ending
from tlsrunbook.ui.extras import CardContext
from tlsrunbook.ui.known import Known, KnownShown
from tlsrunbook.ui.model import Position, face
from tlsrunbook.ui.page import WAY_BACK, CardShown, Still, shown_of
from tlsrunbook.ui.pages import when_opened
from tlsrunbook.ui.place import Place
from tlsrunbook.ui.progress import Tell
from tlsrunbook.ui.servers import look_now, servers_known
from tlsrunbook.ui.watch import watch
from tlsrunbook.ui.works import Works
from tlsrunbook.wiring_ports import authority_of

_WHAT = {"plan": "Planning", "apply": "Applying", "undo": "Looking at the way back of", "back": "Going back from"}


def open_runbook(site: str | Path, server: str = "", runs: str | Path = "runs", change: str = "") -> Runbook:
    """Open the interactive runbook. Nothing is sent, and nothing is written, before a button is pressed.

    Args:
        site: Path of the site file.
        server: Server name in the site file; may be empty, and chosen on the page.
        runs: Folder for the evidence.
        change: Change id; empty means the server's open change, else its newest one, else none yet.

    Raises:
        UsageError: A parameter cannot be used; the message says what to write instead.
    """
    if not str(site):
        todo = "write the path of the site file into the first cell, or start with: tlsrunbook notebook SITE"
        raise UsageError("site is empty", where="parameter site", todo=todo)
    bench = Bench(Path(site), Path(runs), change=str(change))
    if str(server):
        bench.server = bench.site.server(str(server)).name
        bench.look()
    return Runbook(bench)


class Runbook:
    """The cards of one server at a time. Make one with :func:`tlsrunbook.open_runbook`.

    Args:
        bench: Does what the buttons say.
    """

    _current: Runbook | None = None

    def __init__(self, bench: Bench) -> None:
        if Runbook._current is not None:
            Runbook._current.close()  # the cell was run again: what the earlier one showed is over
        Runbook._current = self
        self.bench, self.works = bench, Works()
        self.cards: dict[str, Place[Card]] = {}
        self._beside: dict[str, dict[str, object]] = {}
        self._way_back: tuple[str, Shown] | None = None
        self._looked: dict[str, tuple[Known, ...]] = {}
        self._drawing = threading.RLock()
        self.chooser: Place[Chooser] | None = None
        self._ending = Ending(self)
        self._watching = watch(self, lambda book: book.bench.stamp(), lambda book: book.refresh())
        when_opened(self._page_opened)

    # What the notebook's cells call.

    def _ipython_display_(self) -> None:
        """Show the chooser."""
        names = [server.name for server in self.bench.site.servers]
        chooser = Chooser(names, self._choose, self._pressed_chooser)
        chooser.server.value = self.bench.server
        self.chooser = Place(chooser)
        self.refresh()
        self.chooser.show()

    def confirm(self) -> None:
        """Show the card of step 1."""
        self._card("confirm")

    def request(self) -> None:
        """Show the card of step 2."""
        self._card("request")

    def install(self) -> None:
        """Show the card of step 3."""
        self._card("install")

    def activate(self) -> None:
        """Show the card of step 4."""
        self._card("activate")

    def connectors(self) -> None:
        """Show the card of step 5."""
        self._card("connectors")

    def verify(self) -> None:
        """Show the card of step 6."""
        self._card("verify")

    def finish(self) -> None:
        """Show the card that closes the session; a session that was closed is shown with all it did."""
        self._ending.show()

    def close(self) -> None:
        """Let go of the page: its cards are no more drawn."""
        self._watching.set()

    def _card(self, step: str) -> None:
        self.cards[step] = Place(Card(step, self.press))
        self.refresh()
        self.cards[step].show()

    # What is pressed.

    def press(self, step: str, action: str) -> None:
        """Do what a button of a card says; gives control back at once.

        Args:
            action: ``plan``, ``apply``, ``undo``, ``back`` (the second button of going back) or ``keep``.
        """
        if action == "keep":
            self._way_back = None
            self.works.guard.forget()
            self.refresh()
            return
        card = self.cards[step].controls
        read = card.static.face.read if card.static else None
        job = {
            "plan": lambda tell: self.bench.plan(step, tell),
            "apply": lambda tell: self.bench.apply(step, read, tell),
            "undo": lambda tell: self._ask_back(step, tell),
            "back": lambda tell: self._go_back(step, tell),
        }[action]
        self.begin(f"{_WHAT[action]} {step_of(step).title}", job, card.tell)

    def _ask_back(self, step: str, tell: Tell) -> None:
        self._way_back = None
        shown = self.bench.undo(step, None, tell)
        self._beside.setdefault(step, {})[WAY_BACK] = shown
        if shown.record.status.value == "planned":
            self._way_back = (step, shown)

    def _go_back(self, step: str, tell: Tell) -> None:
        asked, self._way_back = self._way_back, None
        if asked is None or asked[0] != step:
            raise UsageError("what going back would do was not shown yet", todo="press Undo first")
        read = asked[1].record.plan_digest
        self._beside.setdefault(step, {})[WAY_BACK] = self.bench.undo(step, read, tell)

    def _choose(self, server: str) -> None:
        if not server or server == self.bench.server or self.works.busy:
            return
        self.bench.choose(server)
        self._beside, self._way_back = {}, None
        self.refresh()

    def _pressed_chooser(self, action: str) -> None:
        if self.chooser is None:
            return
        chooser = self.chooser.controls
        self.bench.why = {"ticket": chooser.ticket.value.strip(), "reason": chooser.reason.value.strip()}
        jobs: dict[str, Callable[[Tell], Any]] = {
            "look": self._look,
            "plan-all": self.bench.plan_all,
            "new": lambda _: self.bench.begin_anew(),
        }
        self.begin({"look": "Looking", "plan-all": "Planning", "new": "Starting"}[action], jobs[action], chooser.tell)

    def _look(self, tell: Tell) -> None:
        server = self.bench.server
        self._looked[server] = look_now(self.bench.site, server, tell)

    def begin(self, what: str, job: Callable[[Tell], Any], tell: Callable[..., None]) -> None:
        """Begin a piece of work, unless another one is under way; gives control back at once.

        Args:
            what: For people.
            tell: Shows a line, and its role, where the button was pressed.
        """
        if self.chooser:
            chooser = self.chooser.controls
            self.bench.why = {"ticket": chooser.ticket.value.strip(), "reason": chooser.reason.value.strip()}

        def ended(trouble: str) -> None:
            self.refresh()
            tell(trouble, "alert") if trouble else tell("")

        if self.works.begin(what, job, tell, ended):
            self._freeze()
            tell(f"{what} …")

    # What is shown.

    def refresh(self) -> None:
        """Read the records, and draw everything as they say."""
        with self._drawing:
            try:
                now = self.bench.look() if self.bench.server else None
            except TlsRunbookError as error:
                self._freeze()
                if self.chooser:
                    self.chooser.controls.tell(str(error), "alert")
                return
            if self.chooser:
                self.chooser.put(self._known(now))
                self.chooser.controls.draw(now, busy=self.works.busy)
                self.chooser.controls.warn(self.bench.troubles())
            for step, place in self.cards.items():
                self._draw(step, place, now)
            self._ending.draw(busy=self.works.busy)
            if self.works.busy:  # begun while this was drawn by another thread
                self._freeze()

    def _draw(self, step: str, place: Place[Card], now: Position | None) -> None:
        if now is None:
            place.controls.idle()
            place.put(Still("No server is chosen."))
            return
        shows = face(step_of(step), now)
        folder = self.bench.folder_of(shows.record) if shows.record else ""
        static = CardShown(shows, now.server, shown_of(shows, folder), dict(self._beside.get(step, {})))
        back = self._way_back[1] if self._way_back and self._way_back[0] == step else None
        place.put(static)  # before the controls say so: whoever saves then saves it
        place.controls.static = static
        place.controls.draw(shows, self._context(step, now), busy=self.works.busy, way_back=back)

    def _context(self, step: str, now: Position) -> CardContext:
        site = self.bench.site
        store = self.bench.store(site)
        return CardContext(
            step=step,
            site=site,
            server=site.server(now.server),
            change=now.change,
            store=store,
            latest=store.latest(now.change, now.server) if now.change else {},
            records=now.records,
            make_authority=lambda: authority_of(site),
            show=lambda name, shown: self._show(step, name, shown),
        )

    def _show(self, step: str, name: str, shown: object) -> None:
        self._beside.setdefault(step, {})[name] = shown
        self.refresh()

    def _known(self, now: Position | None) -> KnownShown:
        site = self.bench.site
        rows = servers_known(site, self.bench.store(site))
        rows = tuple(
            row
            for server in site.servers
            for row in self._looked.get(server.name, tuple(one for one in rows if one.server == server.name))
        )
        notes = (f"Change {now.change} on {now.server}.",) if now and now.change else ()
        return KnownShown(site.name, rows, self.bench.now(), now.server if now else "", notes)

    def take_away(self, instead: object) -> None:
        """Put something in place of all controls: nothing of the page needs a kernel any more."""
        places: list[Place[Any]] = [*self.cards.values(), *([self.chooser] if self.chooser else [])]
        for place in places:
            place.replace(instead)
        self.cards, self.chooser = {}, None

    def _freeze(self) -> None:
        for place in self.cards.values():
            place.controls.freeze()
        if self.chooser:
            self.chooser.controls.freeze()
        self._ending.freeze()

    def _page_opened(self) -> None:
        places: list[Place[Any]] = [*self.cards.values(), *([self.chooser] if self.chooser else [])]
        for place in [*places, *self._ending.places]:
            place.page_opened()
