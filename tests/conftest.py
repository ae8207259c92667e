"""Fixtures for tests that need the whole lab."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.change import Change
from tests.support.planted import Planted, evidence_below, logged
from tlsrunbook.lab.faults import FaultBoard
from tlsrunbook.lab.lab import Lab


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees a proxy, a credential or a Jupyter folder of the computer it runs on."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    for name in ("TLSRUNBOOK_SIGNING_KEY", "TLSRUNBOOK_LEASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TLSRUNBOOK_CONFIG_DIR", str(tmp_path / ".config"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / ".ipython"))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")


@pytest.fixture(autouse=True)
def _no_secret_is_left_behind(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Search what every test leaves: evidence, log and errors."""
    planted = Planted()
    with caplog.at_level(logging.DEBUG), planted.watching():
        yield
    if planted.markers:
        log = logged([*caplog.get_records("setup"), *caplog.get_records("call")])
        places = {**evidence_below(tmp_path), "the log": log, "an error": "\n".join(planted.errors).encode()}
        assert planted.found_in(places) == [], "a secret was left behind"


@pytest.fixture
def make_lab() -> Iterator[Callable[..., Lab]]:
    """Give labs that end with the test: ``make_lab(sites=1, servers=2, faults=["smtp-closed"])``."""
    with ExitStack() as stack:

        def make(*, faults: tuple[str, ...] = (), **world: Any) -> Lab:
            return stack.enter_context(Lab(**world, faults=FaultBoard(*faults)))

        yield make


@pytest.fixture
def change_on(make_lab: Callable[..., Lab], tmp_path: Path) -> Callable[..., Change]:
    """Give a change on a fresh lab of one site: ``change_on(faults=(...)).apply("EDGE1", "confirm")``."""

    def make(*, authority: str = "lab", **world: object) -> Change:
        lab = make_lab(**world)
        return Change(lab, tmp_path, authority)

    return make
