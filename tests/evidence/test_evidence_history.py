"""Recorded states and transcripts are read back as they were written, or not at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from worlds import certificate, make_state, receive, send

from tlsrunbook.errors import EvidenceError
from tlsrunbook.evidence.data import readable_json, to_data
from tlsrunbook.evidence.history import receipts, sent_commands
from tlsrunbook.exchange.command import Command
from tlsrunbook.exchange.state import AddressSpace
from tlsrunbook.exchange.state_data import state_from_data
from tlsrunbook.secret import Secret

STATE = make_state(
    certificate("A", raw=b"\x00\xff", services=None, request="MII"),
    certificate("B", services=frozenset({"SMTP", "IIS"}), self_signed=None),
    send_connectors=(send("S", AddressSpace("*", 5), smart_hosts=("[10.0.0.1]",), tls_certificate_name=None),),
    receive_connectors=(receive(), receive("Other", permission_groups=frozenset())),
    intermediates=frozenset({"C" * 40}),
)


def stored() -> Any:
    return json.loads(readable_json(to_data(STATE)))


def test_a_state_comes_back_from_the_disk_as_it_was() -> None:
    assert state_from_data(stored()) == STATE


def test_what_a_newer_version_adds_is_left_out() -> None:
    data = stored()
    data["new"] = data["send_connectors"][0]["new"] = 1
    assert state_from_data(data) == STATE


@pytest.mark.parametrize("part", ["version", "certificates", "intermediates", "send_connectors", "name"])
def test_a_state_that_lacks_a_part_is_refused_with_its_file(part: str) -> None:
    data = stored()
    del data[part]
    with pytest.raises(EvidenceError, match="lacks") as caught:
        state_from_data(data, where="before.json")
    assert caught.value.where == "before.json"


def line(event: str, **facts: Any) -> dict[str, Any]:
    return json.loads(json.dumps({"event": event, **to_data(facts)}))


def test_only_changing_pipelines_count_and_each_with_its_answer() -> None:
    made, read = Command.of("New-X", Name="a", Data=b"\x01", List=("b",)), Command.of("Get-X")
    lines = [
        line("sent", changes=False, commands=(read,)),
        line("answered", outcome="ok"),
        line("sent", changes=True, commands=(made,)),
        line("answered", outcome="ok"),
        line("sent", changes=True, commands=(made, Command.of("Set-Y"))),
        line("answered", outcome="error"),
        line("sent", changes=True, commands=(made,)),
        line("lost", outcome="unknown"),
        line("submitted", receipt="order 7"),
        line("sent", changes=True, commands=(made,)),
    ]
    found = sent_commands(lines)
    assert [one.answer for one in found] == ["ok", "error", "unknown", "unknown"]
    assert [one.certain for one in found] == [True, False, False, False]
    assert found[0].pipeline == (made,)
    assert len(found[1].pipeline) == 2
    assert receipts(lines) == ("order 7",)


def test_a_secret_is_no_part_of_what_is_undone() -> None:
    command = Command.of("Set-X", Name="a", Password=Secret("planted"))
    (sent,) = sent_commands([line("sent", changes=True, commands=(command,))])
    assert sent.pipeline == (Command.of("Set-X", Name="a"),)


def test_a_line_of_another_shape_is_refused() -> None:
    with pytest.raises(EvidenceError, match="cannot be understood"):
        sent_commands([{"event": "sent", "changes": True, "commands": [{"name": "not a cmdlet"}]}], where="t")
