"""Who runs this, where from, with what, and when."""

from __future__ import annotations

import getpass
import os
from datetime import UTC

import pytest

from tlsrunbook import __version__
from tlsrunbook.adapters.origin import SystemClock, tool, who


def test_the_time_is_utc() -> None:
    assert SystemClock().now().tzinfo is UTC


def test_who_names_user_host_and_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "anna")
    found = who()
    assert (found["user"], found["process"]) == ("anna", str(os.getpid()))
    assert found["host"]


@pytest.mark.parametrize("trouble", [KeyError("uid"), OSError("No username set"), ImportError("no module named pwd")])
def test_an_account_without_a_name_is_unknown_and_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    def nobody() -> str:
        raise trouble

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert who()["user"] == "unknown"


def test_the_tool_names_its_version() -> None:
    assert tool()["package"] == __version__


def test_a_process_that_works_for_somebody_elsewhere_names_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "asked_by" not in who()
    monkeypatch.setenv("TLSRUNBOOK_ASKED_BY", "anna on ADMIN7")
    assert who()["asked_by"] == "anna on ADMIN7"
