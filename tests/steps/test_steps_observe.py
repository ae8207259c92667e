"""A server is read in one go, as its files' version is asked; where it then names another one, once more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.support.worlds import ScriptedShell, make_state
from tlsrunbook.errors import CommandFailed
from tlsrunbook.exchange.command import Greeting, Pipeline, RemoteFault, Reply
from tlsrunbook.steps.observe import observe_server

READS = [
    "Get-ExchangeServer",
    "Get-StoreCertificate",
    "Get-ExchangeCertificate",
    "Get-EdgeSubscription",
    "Get-TransportService",
    "Get-ReceiveConnector",
    "Get-SendConnector",
]


class TogetherShell(ScriptedShell):
    """Notes what travels together, and says of its files' version what it is told to say."""

    def __init__(self, exchange: str | None = None, answers: Mapping[str, Reply] | None = None) -> None:
        super().__init__(make_state(), answers or {})
        self.exchange = exchange
        self.together: list[list[str]] = []

    def open(self) -> Greeting:
        greeting = super().open()
        return greeting if self.exchange is None else replace(greeting, exchange=self.exchange)

    def read(self, *pipelines: Pipeline) -> tuple[Reply, ...]:
        self.together.append([command.name for pipeline in pipelines for command in pipeline])
        return super().read(*pipelines)


def test_a_server_is_read_in_one_go() -> None:
    shell = TogetherShell()
    seen = observe_server(shell)
    assert seen.state == make_state()
    assert shell.together == [READS]


@pytest.mark.parametrize("exchange", ["", "unknown", "08.01.0240.006"])
def test_a_server_whose_files_tell_another_version_is_asked_anew(exchange: str) -> None:
    shell = TogetherShell(exchange)
    seen = observe_server(shell)
    assert seen.state == make_state()
    assert seen.target.version == make_state().version
    assert [names[:2] for names in shell.together] == [READS[:2], READS[1:3]]
    assert shell.together[1] == READS[1:]


@pytest.mark.parametrize("name", READS)
def test_the_first_read_that_fails_is_told_in_the_servers_words(name: str) -> None:
    fault = RemoteFault("It is not there.", "System.Exception", "ObjectNotFound", "Id1", "target")
    shell = TogetherShell(answers={name: Reply(errors=(fault,))})
    with pytest.raises(CommandFailed, match="It is not there") as failed:
        observe_server(shell)
    assert failed.value.where == name
