"""What fleet.ipynb holds: ordinary outputs that are kept, and controls that are not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.archives import hasty
from tests.support.fleets import FleetWorld
from tlsrunbook import open_fleet
from tlsrunbook.adapters.store import RunStore
from tlsrunbook.errors import UsageError
from tlsrunbook.evidence.fleet_display import FleetShown
from tlsrunbook.ui import place
from tlsrunbook.ui.fleet import FleetView
from tlsrunbook.ui.fleet_controls import FleetControls


class Output:
    """A cell's output, as the front end holds it."""

    def __init__(self, shown: Any) -> None:
        self.shown = shown

    def update(self, shown: Any) -> None:
        self.shown = shown


class Cell:
    """The outputs of a cell that ran."""

    def __init__(self, view: FleetView, monkeypatch: pytest.MonkeyPatch) -> None:
        self.outputs: list[Output] = []
        monkeypatch.setattr(place, "display", self._display)
        view.show()

    def _display(self, shown: Any, *, display_id: bool) -> Output:
        assert display_id
        self.outputs.append(Output(shown))
        return self.outputs[-1]

    @property
    def controls(self) -> FleetControls:
        controls = self.outputs[0].shown
        assert isinstance(controls, FleetControls)
        return controls

    @property
    def kept(self) -> FleetShown:
        shown = self.outputs[1].shown
        assert isinstance(shown, FleetShown)
        return shown


@pytest.fixture
def world(tmp_path: Path) -> Iterator[FleetWorld]:
    with hasty():
        yield FleetWorld(tmp_path, sites=2, servers=3, fates=("fine", "waiting", "failed", "fine", "untouched", "soon"))


def test_opening_shows_how_many_servers_stand_how_and_asks_nobody(world: FleetWorld) -> None:
    view = open_fleet(world.sites, world.runs)
    bundle = view._repr_mimebundle_()
    assert "6 servers of london, paris" in bundle["text/plain"]
    assert "✗ 1 failed" in bundle["text/plain"]
    assert "<script" not in bundle["text/html"]
    assert "image/svg+xml" in view.picture()._repr_mimebundle_()


def test_a_site_file_is_needed() -> None:
    with pytest.raises(UsageError, match="site is empty"):
        open_fleet("")


def test_the_tables_are_an_ordinary_output_and_controls_change_it(
    world: FleetWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = Cell(open_fleet(world.sites, world.runs), monkeypatch)
    assert "EDGE001" in repr(cell.kept)
    cell.controls.words.value = "paris"
    assert "of 6)" in cell.kept.html()
    assert "london" not in repr(cell.kept).splitlines()[3]
    cell.controls.words.value = ""
    cell.controls.verdict.value = "waiting"
    (row,) = cell.kept.rows(cell.kept.tables[0])
    assert row.server == "london / MBX002"
    cell.controls.verdict.value = ""
    cell.controls.table.value, cell.controls.sort.value = "servers", "server"
    cell.controls.descending.value = True
    named = [row.cells[1].text for row in cell.kept.rows(cell.kept.tables[0])]
    assert named == sorted(named, reverse=True)
    assert "Open requests" not in repr(cell.kept)


def test_reading_again_shows_what_is_new_and_keeps_the_filter(
    world: FleetWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = Cell(open_fleet(world.sites, world.runs), monkeypatch)
    cell.controls.verdict.value = "fine"
    assert len(cell.kept.rows(cell.kept.tables[0])) == 2
    store = RunStore(world.runs, "london")
    record = next(world.runs.glob("london/*/EDGE001/6-verify/attempt-1/record.json"))
    record.write_bytes(b"{")
    cell.controls.again.click()
    assert len(cell.kept.rows(cell.kept.tables[0])) == 1
    assert "not known" in cell.controls.told.value
    (world.sites / "london.toml").unlink()  # the sites stay as they were opened
    change = store.changes()[0]
    (store.folder / change / "change.json").write_text('{"servers": [], "rehearsal": "x"}', encoding="utf-8")
    cell.controls.again.click()
    assert "role=alert" in cell.controls.told.value


def test_a_saved_notebook_says_what_its_controls_were(world: FleetWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = Cell(open_fleet(world.sites, world.runs), monkeypatch)
    bundle = cell.controls._repr_mimebundle_()
    assert "run this cell in JupyterLab" in bundle["text/html"]
    assert bundle["text/plain"] in bundle["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_every_control_is_labelled(world: FleetWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    controls = Cell(open_fleet(world.sites, world.runs), monkeypatch).controls
    row, _, *_ = controls.children
    assert all(control.description for control in row.children)
