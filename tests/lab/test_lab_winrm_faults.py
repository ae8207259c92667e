"""Servers that refuse, restart, and go away in the middle: over the wire, with unmodified pywinrm."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from winrm.exceptions import InvalidCredentialsError, WinRMOperationTimeoutError, WSManFaultError
from winrm_fixture import (
    Conversation,
    EchoMachine,
    Trust,
    close_sockets,
    connected,
    conversing,
    echo,
    line,
    run,
    serving,
)

from tlsrunbook.lab.faults import FaultBoard
from tlsrunbook.lab.loop import LoopThread
from tlsrunbook.lab.winrm import WinrmEndpoint


@pytest.fixture(scope="module")
def loop() -> Iterator[LoopThread]:
    with LoopThread("test-faults") as loop:
        yield loop


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    return Trust(tmp_path_factory.mktemp("trust"))


@pytest.fixture
def endpoint(loop: LoopThread, trust: Trust) -> Iterator[WinrmEndpoint]:
    with serving(loop, trust) as endpoint:
        yield endpoint


def test_the_refused_port_refuses_and_listens_again_when_the_fault_is_over(loop: LoopThread, trust: Trust) -> None:
    board = FaultBoard("winrm-refused@EDGE1")
    with serving(loop, trust, faults=board) as endpoint:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", endpoint.port), timeout=5)
        board.clear()
        wait_until_listening(endpoint.port)
        with connected(endpoint, trust) as protocol:
            assert run(protocol, "split")[2] == 7
        board.set("winrm-refused@OTHER")
        with connected(endpoint, trust) as protocol:
            assert run(protocol, "split")[2] == 7
        board.set("winrm-refused")
        with connected(endpoint, trust) as protocol, pytest.raises(requests.exceptions.ConnectionError):
            protocol.open_shell()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", endpoint.port), timeout=5)


def wait_until_listening(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            threading.Event().wait(0.01)
        else:
            return


def test_the_refused_logon_refuses_the_right_password(loop: LoopThread, trust: Trust) -> None:
    board = FaultBoard("logon-refused@edge1")
    with serving(loop, trust, faults=board) as endpoint:
        for transport in ("ntlm", "basic"):
            with connected(endpoint, trust, transport=transport) as protocol, pytest.raises(InvalidCredentialsError):
                protocol.open_shell()
        board.clear()
        with connected(endpoint, trust) as protocol:
            assert run(protocol, "split")[2] == 7


def test_after_a_restart_connections_and_shells_are_gone_and_a_client_comes_back(
    loop: LoopThread, endpoint: WinrmEndpoint, trust: Trust
) -> None:
    async def restart() -> None:
        endpoint.vanish()

    def restart_once_it_waits(requests_before: int) -> None:
        while endpoint.counters.requests == requests_before:
            threading.Event().wait(0.005)
        loop.run(restart())

    with connected(endpoint, trust) as protocol:
        shell = protocol.open_shell()
        command = protocol.run_command(shell, "upper", console_mode_stdin=False)
        protocol.get_command_output_raw(shell, command)
        killer = threading.Thread(target=restart_once_it_waits, args=(endpoint.counters.requests,))
        killer.start()
        with pytest.raises(requests.exceptions.ConnectionError):
            protocol.get_command_output_raw(shell, command)
        killer.join(10)
        assert endpoint.shells_open == 0
        with pytest.raises(WSManFaultError) as caught:
            protocol.get_command_output_raw(shell, command)
        assert caught.value.wsman_fault_code == 2150858843
        assert run(protocol, "split")[2] == 7


def lost(conversation: Conversation, work: Callable[[], object]) -> None:
    """Do something that ends with a dropped connection, or, on a new connection, with a shell that is gone."""
    with pytest.raises((requests.exceptions.ConnectionError, WSManFaultError)) as caught:
        work()
    if isinstance(caught.value, WSManFaultError):
        assert caught.value.wsman_fault_code == 2150858843
    close_sockets(conversation.protocol)


@pytest.mark.parametrize(("fault", "executed"), [("gone-before-run", []), ("gone-after-run", ["Set-Echo"])])
def test_a_server_that_goes_away_has_run_the_cmdlet_or_not_and_comes_back(
    loop: LoopThread, trust: Trust, fault: str, executed: list[str]
) -> None:
    machine = EchoMachine()
    board = FaultBoard(f"{fault}:Set-Echo@edge1")
    with serving(loop, trust, machine, faults=board) as endpoint:
        with conversing(endpoint, trust) as conversation:
            conversation.echo(2, "a")
            assert conversation.answers(1)[0]["ok"]
            lost(conversation, lambda: send_and_wait(conversation, line(3, echo("b", "Set-Echo"))))
        assert machine.executed[1:] == executed
        assert endpoint.shells_open == 0
        with conversing(endpoint, trust) as conversation:
            conversation.request(2, echo("again", "Set-Echo"))
            assert conversation.answers(1)[0]["objects"] == [{"Text": "again"}]
            conversation.close()
    assert endpoint.counters.powershell_starts == 2
    assert endpoint.counters.cmdlets["Set-Echo"] == len(executed) + 1


def send_and_wait(conversation: Conversation, data: bytes) -> None:
    conversation.send(data)
    conversation.answers(1)


def test_a_send_that_times_out_has_arrived_and_repeating_it_runs_nothing(loop: LoopThread, trust: Trust) -> None:
    machine = EchoMachine()
    with (
        serving(loop, trust, machine, faults=FaultBoard("send-times-out:Set-Echo")) as endpoint,
        conversing(endpoint, trust) as conversation,
    ):
        conversation.echo(2, "a")
        conversation.answers(1)
        request = line(3, echo("b", "Set-Echo"))
        with pytest.raises(WinRMOperationTimeoutError):
            conversation.send(request)
        conversation.send(request)
        assert [answer["id"] for answer in conversation.answers(2)] == [3, 3]
    assert machine.executed == ["Get-Echo", "Set-Echo"]


def test_a_killed_powershell_leaves_the_machine_to_finish_and_the_next_one_waits(
    loop: LoopThread, trust: Trust
) -> None:
    started, release = threading.Event(), threading.Event()

    class Slow(EchoMachine):
        busy = 0

        def execute(self, commands: list[dict[str, Any]], select: list[str]) -> dict[str, Any]:
            assert self.busy == 0
            self.busy += 1
            started.set()
            assert release.wait(10)
            self.busy -= 1
            return super().execute(commands, select)

    machine = Slow()
    with serving(loop, trust, machine) as endpoint:
        with conversing(endpoint, trust) as first:
            first.echo(2, "a")
            assert started.wait(10)
            first.close()
        with connected(endpoint, trust) as protocol:
            second = Conversation(protocol)
            threading.Timer(0.05, release.set).start()
            assert second.begin()["ok"]
            second.echo(2, "b")
            assert second.answers(1)[0]["objects"] == [{"Text": "b"}]
            second.close()
    assert machine.executed == ["Get-Echo", "Get-Echo"]
