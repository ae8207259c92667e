"""Debian's Chromium, or another one that is installed, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def chromium_path() -> str:
    """Give where a Chromium is; empty when there is none."""
    return next((found for name in _NAMES if (found := shutil.which(name))), "")


def need_chromium() -> str:
    """Give where a Chromium is, or skip the test. In CI a missing one is a failure."""
    found = chromium_path()
    if not found:
        assert not os.environ.get("CI"), "no Chromium in CI: .ci/run installs it"
        pytest.skip(f"needs one of {', '.join(_NAMES)} in the PATH")
    return found


@contextmanager
def browser(path: str) -> Iterator[Browser]:
    """Run a Chromium for as long as the block lasts.

    While it does, Playwright has an event loop of its own in this thread: nothing else may call ``asyncio.run`` in it.
    """
    root = os.name == "posix" and os.geteuid() == 0
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"] if root else [])
        try:
            yield opened
        finally:
            opened.close()
