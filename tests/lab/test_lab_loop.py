"""The lab's loop in a thread, and ports that refuse."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest

from tlsrunbook.lab.loop import LoopThread
from tlsrunbook.lab.port import Port


async def where() -> str:
    return threading.current_thread().name


def test_work_runs_in_the_loops_own_thread_and_gives_its_result() -> None:
    with LoopThread("own") as loop:
        assert loop.run(where()) == "own"


def test_what_goes_wrong_in_the_work_is_raised_to_the_caller() -> None:
    async def fail() -> None:
        raise KeyError("x")

    with LoopThread() as loop, pytest.raises(KeyError):
        loop.run(fail())


def test_work_that_takes_too_long_is_cancelled() -> None:
    cancelled = threading.Event()

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with LoopThread() as loop:
        with pytest.raises(TimeoutError):
            loop.run(forever(), timeout=0.01)
        assert cancelled.wait(5)


def test_stopping_cancels_what_runs_and_may_be_repeated() -> None:
    ended = threading.Event()

    async def begin() -> asyncio.Task[None]:
        started = asyncio.Event()

        async def forever() -> None:
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        task = asyncio.create_task(forever())
        await started.wait()
        return task

    loop = LoopThread()
    task = loop.run(begin())
    loop.stop()
    loop.stop()
    assert ended.is_set()
    assert task.cancelled()
    with pytest.raises(RuntimeError, match="has been stopped"):
        loop.run(where())


def test_a_port_that_is_taken_says_so_and_gives_nothing_away() -> None:
    async def scene() -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = Port("127.0.0.1", other.getsockname()[1], lambda: False)
            with pytest.raises(OSError, match="in use"):
                await port.start(asyncio.Protocol, None)
            await port.stop()

    asyncio.run(scene())


def test_a_port_refuses_and_listens_as_it_is_told_under_one_number() -> None:
    refused = [True]

    def reachable(number: int) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", number)) == 0

    with LoopThread() as loop:
        port = Port("127.0.0.1", 0, lambda: refused[0])
        loop.run(port.start(asyncio.Protocol, None))
        number = port.number
        for state in (True, False, True, False):
            refused[0] = state
            loop.run(port.adjust())
            assert reachable(number) is not state
        loop.run(port.stop())
        loop.run(port.adjust())
        assert not reachable(number)
        assert port.number == number
