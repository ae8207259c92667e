"""What breaks between us and a server, and that every request still ran exactly once, or is said to be unknown."""

from __future__ import annotations

import base64
import random
import threading

import pytest
from counting_machine import CountingMachine, get, put, shell_on, wait_until
from cutting_proxy import CuttingProxy
from winrm_fixture import Trust

from tlsrunbook.adapters import winrm_conversation
from tlsrunbook.adapters.winrm_errors import Trouble, WireError
from tlsrunbook.adapters.winrm_wire import Wire
from tlsrunbook.errors import ConnectionFailed, OutcomeUnknown, SessionLost
from tlsrunbook.exchange.command import Command, Pipeline, Projected
from tlsrunbook.lab.faults import FaultBoard
from tlsrunbook.lab.loop import LoopThread
from tlsrunbook.lab.winrm import WinrmEndpoint
from tlsrunbook.secret import Secret


async def _vanish(endpoint: WinrmEndpoint) -> None:
    endpoint.vanish()


def test_a_send_that_times_out_after_it_was_written_runs_once(
    endpoint: WinrmEndpoint, trust: Trust, machine: CountingMachine, faults: FaultBoard
) -> None:
    with shell_on(endpoint, trust) as shell:
        shell.open()
        faults.set("send-times-out:Set-Echo")
        assert shell.run(put(Text="a")).objects == ({"Text": "a"},)
        assert shell.run(put(Text="b")).objects == ({"Text": "b"},)
    assert [values["Text"] for _, values in machine.executed] == ["a", "b"]


@pytest.mark.parametrize("seed", range(4))
def test_whatever_becomes_of_a_send_every_request_arrives_whole_and_runs_once(
    endpoint: WinrmEndpoint, trust: Trust, machine: CountingMachine, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = random.Random(seed)
    whole = Wire.send

    def send(wire: Wire, line: Secret, seconds: float) -> None:
        """Write all of a line, half of it or nothing, and then say so, or say that it is not known."""
        share = chance.choice(("all", "all", "half", "nothing"))
        text = line.reveal()
        if share != "nothing":
            whole(wire, line if share == "all" else Secret(text[: chance.randrange(len(text))]), seconds)
        if share != "all" or chance.random() < 0.3:
            raise WireError(chance.choice((Trouble.WAITING, Trouble.BROKEN)), "injected")

    monkeypatch.setattr(Wire, "send", send)
    monkeypatch.setattr(winrm_conversation, "_PAUSES", (0.01,))
    blobs = [chance.randbytes(size) for size in (10, 100_000, 20)]
    with shell_on(endpoint, trust) as shell:
        for blob in blobs:
            assert not shell.run((Command.of("Set-Echo", FileData=blob),)).failed
    assert [base64.b64decode(values["FileData"]) for _, values in machine.executed] == blobs


@pytest.mark.parametrize("trouble", [Trouble.WAITING, Trouble.BROKEN])
def test_a_change_whose_send_was_in_doubt_when_the_server_went_is_unknown(
    loop: LoopThread,
    endpoint: WinrmEndpoint,
    trust: Trust,
    machine: CountingMachine,
    monkeypatch: pytest.MonkeyPatch,
    trouble: Trouble,
) -> None:
    whole = Wire.send

    def send(wire: Wire, line: Secret, seconds: float) -> None:
        whole(wire, line, seconds)
        wait_until(machine.running.is_set)
        loop.run(_vanish(endpoint))
        monkeypatch.undo()
        raise WireError(trouble, "injected")

    with shell_on(endpoint, trust) as shell:
        shell.open()
        monkeypatch.setattr(Wire, "send", send)
        with pytest.raises(OutcomeUnknown):
            shell.run(put(Text="x"))
    assert machine.names == ["Set-Echo"]


def test_a_send_that_times_out_while_the_command_goes_on_runs_once(
    endpoint: WinrmEndpoint, trust: Trust, machine: CountingMachine, faults: FaultBoard
) -> None:
    with shell_on(endpoint, trust) as shell:
        shell.open()
        faults.set("send-times-out:Set-Echo")
        begin = endpoint.counters.requests
        machine.before_answer = lambda: wait_until(lambda: endpoint.counters.requests >= begin + 5)
        assert shell.run(put(Text="a")).objects == ({"Text": "a"},)
        machine.before_answer = lambda: None
        assert shell.run(get(Text="b")).objects == ({"Text": "b"},)
    assert machine.names == ["Set-Echo", "Get-Echo"]


def test_a_connection_dropped_while_idle_is_made_again(
    loop: LoopThread, endpoint: WinrmEndpoint, trust: Trust, machine: CountingMachine, proxy: CuttingProxy
) -> None:
    with shell_on(endpoint, trust, port=proxy.port) as shell:
        shell.run(put(Text="a"))
        loop.run(proxy.cut())
        assert shell.run(put(Text="b")).objects == ({"Text": "b"},)
    assert proxy.connections > 1
    assert endpoint.counters.powershell_starts == 1
    assert len(machine.executed) == 2


@pytest.mark.parametrize("cuts", [1, 3])
def test_a_connection_dropped_while_waiting_is_made_again_and_the_command_runs_once(
    loop: LoopThread,
    endpoint: WinrmEndpoint,
    trust: Trust,
    machine: CountingMachine,
    proxy: CuttingProxy,
    cuts: int,
) -> None:
    with shell_on(endpoint, trust, port=proxy.port, operation_timeout=10.0) as shell:
        shell.open()

        def cut() -> None:
            for _ in range(cuts):
                before = proxy.connections
                loop.run(proxy.cut())
                wait_until(lambda: proxy.connections > before)  # noqa: B023  # waited for within the loop

        machine.before_answer = cut
        assert shell.run(put(Text="a")).objects == ({"Text": "a"},)
    assert machine.names == ["Set-Echo"]
    assert endpoint.counters.powershell_starts == 1


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_an_answer_lost_on_the_way_is_given_again(
    endpoint: WinrmEndpoint, trust: Trust, machine: CountingMachine, proxy: CuttingProxy, size: int
) -> None:
    with shell_on(endpoint, trust, port=proxy.port) as shell:
        shell.open()
        machine.running.clear()
        passed = 0

        def lose(data: bytes) -> bool:
            """Lose what comes after the command ran; of a long answer, something in the middle."""
            nonlocal passed
            passed += len(data) if machine.running.is_set() else 0
            lost = passed > size // 2
            if lost:
                proxy.drop_answer = lambda _: False
            return lost

        proxy.drop_answer = lose
        assert shell.run(get(Size=size)).objects[0]["Text"] == "y" * size
    assert proxy.cuts == 1
    assert len(machine.executed) == 1


@pytest.mark.parametrize("pipeline", [get(Text="x"), put(Text="x")])
def test_a_session_that_ended_before_anything_was_sent_changed_nothing(
    loop: LoopThread, endpoint: WinrmEndpoint, trust: Trust, machine: CountingMachine, pipeline: Pipeline
) -> None:
    with shell_on(endpoint, trust) as shell:
        shell.open()
        loop.run(_vanish(endpoint))
        with pytest.raises(SessionLost, match="nothing was changed"):
            shell.run(pipeline)
        assert machine.executed == []
        assert shell.run(pipeline).objects == ({"Text": "x"},)
    assert len(machine.executed) == 1


@pytest.mark.parametrize(
    ("fault", "pipeline", "error", "ran"),
    [
        ("gone-before-run", get(Text="x"), SessionLost, 0),
        ("gone-before-run", put(Text="x"), OutcomeUnknown, 0),
        ("gone-after-run", get(Text="x"), SessionLost, 1),
        ("gone-after-run", put(Text="x"), OutcomeUnknown, 1),
        ("gone-after-run", (*get(Text="x"), *put()), OutcomeUnknown, 1),
    ],
)
def test_a_server_that_goes_away_under_a_command_leaves_a_change_unknown(
    endpoint: WinrmEndpoint,
    trust: Trust,
    machine: CountingMachine,
    faults: FaultBoard,
    fault: str,
    pipeline: Pipeline,
    error: type[Exception],
    ran: int,
) -> None:
    with shell_on(endpoint, trust) as shell:
        shell.open()
        faults.set(fault)
        with pytest.raises(error) as caught:
            shell.run(pipeline)
        assert type(caught.value) is error
        assert "edge1" in str(caught.value)
        assert len(machine.executed) == ran
        assert shell.run(get(Text="look")).objects == ({"Text": "look"},)
    assert len(machine.executed) == ran + 1


def test_a_server_that_is_gone_for_good_is_given_up_and_closing_is_quiet(
    loop: LoopThread, endpoint: WinrmEndpoint, trust: Trust, machine: CountingMachine
) -> None:
    with shell_on(endpoint, trust, command_deadline=2.0) as shell:
        shell.open()
        loop.run(endpoint.stop())
        with pytest.raises(SessionLost, match="nothing was changed"):
            shell.run(put(Text="x"))
        with pytest.raises(ConnectionFailed, match="no session could be opened"):
            shell.open()
        shell.close()
    assert machine.executed == []


def test_a_credential_that_is_refused_later_on_is_named(
    loop: LoopThread, endpoint: WinrmEndpoint, trust: Trust, proxy: CuttingProxy, faults: FaultBoard
) -> None:
    with shell_on(endpoint, trust, port=proxy.port) as shell:
        shell.open()
        faults.set("logon-refused")
        loop.run(proxy.cut())
        with pytest.raises(SessionLost, match="lab-admin"):
            shell.run(put(Text="x"))
        faults.clear()
        shell.close()
        loop.run(_vanish(endpoint))  # the shell could not be closed without a logon


def test_powershell_that_ends_by_itself_is_reported_with_its_words(
    endpoint: WinrmEndpoint, trust: Trust, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tlsrunbook.exchange.bootstrap.arguments", lambda: ["-EncodedCommand", "x" * 9000])
    with shell_on(endpoint, trust) as shell, pytest.raises(ConnectionFailed, match="command line is too long"):
        shell.open()


def test_closing_waits_for_nobody_and_may_be_repeated(
    endpoint: WinrmEndpoint, trust: Trust, machine: CountingMachine
) -> None:
    with shell_on(endpoint, trust) as shell:
        shell.close()
        shell.open()
        shell.close()
        shell.close()
        assert endpoint.shells_open == 0
        assert shell.run(get(Text="again")).objects == ({"Text": "again"},)


def test_two_threads_take_turns(endpoint: WinrmEndpoint, trust: Trust, machine: CountingMachine) -> None:
    seen: list[Projected] = []
    with shell_on(endpoint, trust) as shell:

        def work(name: str) -> None:
            seen.extend(shell.run(get(Text=f"{name}{number}")).objects[0]["Text"] for number in range(10))

        threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(seen, key=str) == sorted(f"{name}{number}" for name in "abc" for number in range(10))
    assert endpoint.counters.powershell_starts == 1
