"""What ``fleet.ipynb`` holds: the whole fleet from what is on record. Controls filter and sort; the output is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tlsrunbook.errors import UsageError
from tlsrunbook.evidence.fleet_display import FleetPicture, FleetShown, View, summary, summary_html, verdicts_of
from tlsrunbook.evidence.fleet_model import Fleet
from tlsrunbook.run.short_traceback import short_tracebacks
from tlsrunbook.site import Site, load_sites
from tlsrunbook.wiring_fleet import fleet_of


@short_tracebacks()
def open_fleet(site: str | Path, runs: str | Path = "runs") -> FleetView:
    """Read where every server stands, from the evidence. Nothing is sent to any server, and nothing is written.

    Args:
        site: Path of a site file, or of a folder of them.
        runs: Folder of the evidence.

    Raises:
        UsageError: A parameter cannot be used; the message says what to write instead.
    """
    if not str(site):
        todo = "write the path of the site file, or of a folder of them, into the first cell"
        raise UsageError("site is empty", where="parameter site", todo=todo)
    return FleetView(load_sites(Path(site)), Path(runs))


class FleetView:
    """The fleet as it is on record. Make one with :func:`tlsrunbook.open_fleet`.

    Args:
        sites: As loaded.
        runs: Folder of the evidence.
    """

    def __init__(self, sites: Sequence[Site], runs: Path) -> None:
        self._sites = tuple(sites)
        self._runs = runs
        self._shown = FleetShown(fleet_of(self._sites, runs))

    @property
    def fleet(self) -> Fleet:
        """As it was read last."""
        return self._shown.fleet

    def picture(self) -> FleetPicture:
        """Show when all certificates end, with the limits that public certificates have."""
        return FleetPicture(self.fleet)

    @short_tracebacks()
    def show(self) -> None:
        """Show servers, steps, ends, requests, stale connectors and endpoints, with controls to filter and to sort."""
        from tlsrunbook.ui.fleet_controls import FleetControls  # noqa: PLC0415 - widgets are slow to import
        from tlsrunbook.ui.pages import when_opened  # noqa: PLC0415
        from tlsrunbook.ui.place import Place  # noqa: PLC0415

        heads = tuple(dict.fromkeys(head for one in self._shown.tables for head in one.heads if head != one.pictured))
        titles = {one.id: one.title for one in self._shown.tables}
        controls = FleetControls(verdicts_of(self.fleet), titles, heads)
        place = Place(controls)
        place.put(self._shown)
        place.show()
        controls.on_view(self._putting(place.put))
        controls.on_again(self._reading(place.put, controls))
        when_opened(place.page_opened)

    def _putting(self, put: Callable[[object], None]) -> Callable[[View], None]:
        def see(view: View) -> None:
            self._shown = self._shown.seen(view)
            put(self._shown)

        return see

    def _reading(self, put: Callable[[object], None], controls: Any) -> Callable[[], None]:
        def again() -> None:
            self._shown = FleetShown(fleet_of(self._sites, self._runs), self._shown.view)
            put(self._shown)
            controls.tell(summary(self.fleet))

        return again

    def __repr__(self) -> str:
        return summary(self.fleet)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        del include, exclude
        return {"text/html": summary_html(self.fleet), "text/plain": repr(self)}
