"""Reads travel together: fewer ways there and back, the same answers, and what breaks is asked again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from counting_machine import CountingMachine, get, put, shell_on
from cutting_proxy import CuttingProxy
from winrm_fixture import Trust, serving

from tlsrunbook.adapters.winrm_protocol import TemplateProtocol
from tlsrunbook.errors import SessionLost
from tlsrunbook.lab.faults import FaultBoard
from tlsrunbook.lab.loop import LoopThread
from tlsrunbook.lab.winrm import Timing, WinrmEndpoint

READS = tuple(get(Text=f"text {number}") for number in range(6))
TEXTS = [f"text {number}" for number in range(6)]


@pytest.fixture
def endpoint(loop: LoopThread, trust: Trust, machine: CountingMachine, faults: FaultBoard) -> Iterator[WinrmEndpoint]:
    with serving(loop, trust, machine, faults=faults, timing=Timing(round_trip=0.05)) as endpoint:
        yield endpoint


def test_six_reads_go_there_and_back_together(endpoint: WinrmEndpoint, trust: Trust, machine: CountingMachine) -> None:
    with shell_on(endpoint, trust) as shell:
        shell.open()
        before = endpoint.counters.requests
        replies = shell.read(*READS)
        spent = endpoint.counters.requests - before
    assert [reply.objects[0]["Text"] for reply in replies] == TEXTS
    assert machine.names == ["Get-Echo"] * 6
    assert spent <= 4, "one Send, and a Receive or two: the answers were there after the first way back"


def test_the_first_error_among_reads_is_a_reply_like_any_other(endpoint: WinrmEndpoint, trust: Trust) -> None:
    with shell_on(endpoint, trust) as shell:
        replies = shell.read(READS[0], get(Text="x", Fail=True), READS[1])
        assert [reply.failed for reply in replies] == [False, True, False]
        assert shell.read() == ()
        assert [reply.objects[0]["Text"] for reply in shell.read(READS[4])] == ["text 4"]


def test_reads_too_large_for_one_envelope_go_in_several(endpoint: WinrmEndpoint, trust: Trust) -> None:
    texts = [str(number) * 30_000 for number in range(6)]
    with shell_on(endpoint, trust) as shell:
        replies = shell.read(*(get(Text=text) for text in texts))
    assert [reply.objects[0]["Text"] for reply in replies] == texts


def test_what_changes_something_travels_alone(endpoint: WinrmEndpoint, trust: Trust, machine: CountingMachine) -> None:
    with shell_on(endpoint, trust) as shell, pytest.raises(ValueError, match="alone"):
        shell.read(READS[0], put(Text="x"))
    assert machine.executed == []


def test_what_a_dropped_connection_left_unanswered_is_asked_again(
    loop: LoopThread, endpoint: WinrmEndpoint, trust: Trust, machine: CountingMachine, proxy: CuttingProxy
) -> None:
    with shell_on(endpoint, trust, port=proxy.port) as shell:
        shell.open()
        cuts = iter([loop.run])

        def cut() -> None:
            for run in cuts:
                run(proxy.cut())

        machine.before_answer = cut
        replies = shell.read(*READS)
        assert [reply.objects[0]["Text"] for reply in replies] == TEXTS
        assert shell.run(put(Text="after")).objects == ({"Text": "after"},)
    assert proxy.cuts == 1
    assert machine.names.count("Set-Echo") == 1
    assert endpoint.counters.powershell_starts == 1


@pytest.mark.parametrize("fault", ["gone-before-run", "gone-after-run"])
def test_a_server_that_goes_away_under_reads_loses_the_session_and_nothing_else(
    endpoint: WinrmEndpoint, trust: Trust, faults: FaultBoard, fault: str
) -> None:
    with shell_on(endpoint, trust, command_deadline=5.0) as shell:
        shell.open()
        faults.set(fault)
        with pytest.raises(SessionLost):
            shell.read(*READS)
        assert [reply.objects[0]["Text"] for reply in shell.read(*READS)] == TEXTS


def test_a_send_that_is_in_doubt_does_not_lose_a_read(
    endpoint: WinrmEndpoint, trust: Trust, faults: FaultBoard
) -> None:
    with shell_on(endpoint, trust) as shell:
        shell.open()
        faults.set("send-times-out")
        assert [reply.objects[0]["Text"] for reply in shell.read(*READS)] == TEXTS


def test_a_message_from_a_template_is_what_pywinrm_writes() -> None:
    sent: list[str] = []

    class Catching(TemplateProtocol):
        def send_message(self, message: str) -> bytes:
            if self._only_writes:
                return super().send_message(message)
            sent.append(message)
            return b"<Envelope/>"

    protocol = Catching("https://127.0.0.1:1/wsman", transport="basic", username="a", password="b")
    for text in (b"\n1 1 1 eyJ9\n", b"\n2 1 1 \\g<0>\n"):
        protocol.send_command_input("SHELL", "COMMAND", text)
        super(TemplateProtocol, protocol).send_command_input("SHELL", "COMMAND", text)
        protocol.get_command_output_raw("SHELL", "COMMAND")
        super(TemplateProtocol, protocol).get_command_output_raw("SHELL", "COMMAND")
    ids = [message.partition("uuid:")[2][:36] for message in sent]
    assert len(set(ids)) == len(ids) == 8
    plain = [message.replace(one, "") for message, one in zip(sent, ids, strict=True)]
    assert plain[0::2] == plain[1::2]
    assert plain[0] != plain[4]
