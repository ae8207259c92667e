"""A server that counts what it is asked, behind the lab's WinRM endpoint; a proxy that cuts what goes to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from counting_machine import CountingMachine
from cutting_proxy import CuttingProxy, cutting
from winrm_fixture import Trust, serving

from tlsrunbook.lab.faults import FaultBoard
from tlsrunbook.lab.loop import LoopThread
from tlsrunbook.lab.winrm import WinrmEndpoint


@pytest.fixture(scope="module")
def loop() -> Iterator[LoopThread]:
    with LoopThread() as thread:
        yield thread


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    return Trust(tmp_path_factory.mktemp("trust"))


@pytest.fixture
def machine() -> CountingMachine:
    return CountingMachine()


@pytest.fixture
def faults() -> FaultBoard:
    return FaultBoard()


@pytest.fixture
def endpoint(loop: LoopThread, trust: Trust, machine: CountingMachine, faults: FaultBoard) -> Iterator[WinrmEndpoint]:
    with serving(loop, trust, machine, faults=faults) as endpoint:
        yield endpoint


@pytest.fixture
def proxy(loop: LoopThread, endpoint: WinrmEndpoint) -> Iterator[CuttingProxy]:
    with cutting(loop, endpoint.port) as proxy:
        yield proxy
