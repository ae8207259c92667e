"""The session that one notebook leaves to the next: asked again when it is gone, never after a change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tlsrunbook.errors import SessionLost
from tlsrunbook.exchange.command import Command, Greeting, Pipeline, Reply
from tlsrunbook.run import kept
from tlsrunbook.run.kept import close_kept, keeping, kept_shell

READ: Pipeline = (Command("Get-ExchangeCertificate", {}),)
CHANGE: Pipeline = (Command("New-ExchangeCertificate", {}),)


@dataclass
class Session:
    """Loses its next answers; tells what was asked of it."""

    lost: int = 0
    asked: list[str] = field(default_factory=list)

    def open(self) -> Greeting:
        raise NotImplementedError

    def run(self, pipeline: Pipeline) -> Reply:
        self.asked.append(pipeline[0].name)
        if self.lost:
            self.lost -= 1
            raise SessionLost("the session ended")
        return Reply(())

    def read(self, *pipelines: Pipeline) -> tuple[Reply, ...]:
        return tuple(self.run(pipeline) for pipeline in pipelines)

    def close(self) -> None:
        self.asked.append("closed")


@pytest.fixture(autouse=True)
def _nothing_is_kept() -> Iterator[None]:
    yield
    kept._kept.clear()


def test_the_first_question_of_a_later_notebook_is_asked_again_in_a_new_session() -> None:
    session = Session()
    assert kept_shell("x", lambda: session).read(READ) == (Reply(()),)
    session.lost = 1
    assert kept_shell("x", Session).read(READ) == (Reply(()),)
    assert session.asked == [READ[0].name, READ[0].name, "closed", READ[0].name]


def test_it_is_asked_again_once_only() -> None:
    session = Session()
    kept_shell("x", lambda: session)
    session.lost = 2
    with pytest.raises(SessionLost):
        kept_shell("x", Session).run(READ)
    assert session.asked == [READ[0].name, "closed", READ[0].name]


@pytest.mark.parametrize("before", [0, 1], ids=["as the first thing", "later"])
def test_a_change_is_never_sent_again(before: int) -> None:
    session = Session()
    kept_shell("x", lambda: session)
    shell = kept_shell("x", Session)
    for _ in range(before):
        shell.run(READ)
    session.lost = 1
    with pytest.raises(SessionLost):
        shell.run(CHANGE)
    assert session.asked.count(CHANGE[0].name) == 1


def test_a_session_that_is_lost_in_its_first_notebook_is_lost() -> None:
    session = Session(lost=1)
    with pytest.raises(SessionLost):
        kept_shell("x", lambda: session).run(READ)
    assert session.asked == [READ[0].name]


def test_another_key_ends_the_one_that_was_kept_and_closing_ends_the_last() -> None:
    one, two = Session(), Session()
    first = kept_shell("x", lambda: one)
    assert kept_shell("x", Session) is first
    assert kept_shell("y", lambda: two) is not first
    assert one.asked == ["closed"]
    close_kept()
    close_kept()
    assert two.asked == ["closed"]


def test_a_session_is_kept_only_where_the_engine_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TLSRUNBOOK_KEEP_SESSION", raising=False)
    assert not keeping()
    monkeypatch.setenv("TLSRUNBOOK_KEEP_SESSION", "1")
    assert keeping()
