"""A browser for all tests of this folder, and desks on fresh labs.

All of them are one group for xdist, so that one worker has one browser, and gives it back before anything else is run
there: Playwright has an event loop of its own in the thread that uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import browser, need_chromium
from tests.browser.desk import Desk, open_desk


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of this folder together."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("browser"))


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """One browser; each tab of it is a user of its own."""
    with browser(need_chromium()) as opened:
        yield opened


@pytest.fixture
def desk_on(chromium: Browser, tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    """Give desks that end with the test: ``desk_on(server="EDGE1", faults=("ca-slow",))``; see ``open_desk``."""
    with ExitStack() as stack:
        yield partial(open_desk, stack, chromium, tmp_path)
