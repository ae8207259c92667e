"""A change in the lab, and pages of the runbook about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.change import Change
from tests.support.runbook_page import Output, Page
from tlsrunbook import open_runbook


@pytest.fixture
def change(change_on: Callable[..., Change]) -> Change:
    return change_on(servers=2)


@pytest.fixture
def open_page(change: Change, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Page]]:
    monkeypatch.setattr("tlsrunbook.ui.runbook.when_opened", lambda _: None)
    books = []

    def opened(server: str = "EDGE1") -> Page:
        outputs: list[Output] = []

        def display(shown: object, *, display_id: bool) -> Output:
            assert display_id
            outputs.append(Output(shown))
            return outputs[-1]

        monkeypatch.setattr("tlsrunbook.ui.place.display", display)
        book = open_runbook(change.site_file, server, change.runs)
        books.append(book)
        return Page(book, outputs)

    yield opened
    for book in books:
        assert book.works.wait(60)
        book.close()
