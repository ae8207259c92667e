"""A simulated server that counts what it ran, and a shell on it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from winrm_fixture import PASSWORD, USER, Trust

from tlsrunbook.adapters.winrm import WinrmShell
from tlsrunbook.exchange.command import Command, Pipeline
from tlsrunbook.lab.winrm import WinrmEndpoint
from tlsrunbook.secret import Credential, Secret

CREDENTIAL = Credential("lab-admin", USER, Secret(PASSWORD))


class CountingMachine:
    """Gives back what it is asked for, and remembers every command it ran.

    Attributes:
        executed: ``(names, parameters)`` of every pipeline, in order.
        before_answer: Called while a pipeline runs; may block.
        refusal: When set, loading Exchange fails with it.
    """

    name = "EDGE1"

    def __init__(self) -> None:
        self.executed: list[tuple[str, dict[str, Any]]] = []
        self.before_answer: Callable[[], object] = lambda: None
        self.before_load: Callable[[], object] = lambda: None
        self.running = threading.Event()
        self.refusal = ""
        self.loads: list[tuple[str, str]] = []

    def load(self, user: str, password: str) -> dict[str, Any]:
        self.loads.append((user, password))
        self.before_load()
        if self.refusal:
            return {"errors": [_fault(self.refusal)]}
        greeting = {
            "Computer": self.name,
            "PowerShell": "5.1.20348.2849",
            "IsEdge": "True",
            "Exchange": "15.02.2562.017",
            "Parameters": ["Get-Echo=Text,Size", "Set-Echo=Text"],
        }
        return {"objects": [greeting]}

    def execute(self, commands: list[dict[str, Any]], select: list[str]) -> dict[str, Any]:
        names = " | ".join(command["name"] for command in commands)
        values = {item["name"]: item["value"] for command in commands for item in command["parameters"]}
        self.executed.append((names, values))
        self.running.set()
        self.before_answer()
        if "Size" in values:
            values["Text"] = "y" * values["Size"]
        if values.get("Fail"):
            return {"warnings": ["careful"], "errors": [_fault("It cannot be done.")]}
        return {"objects": [{name: values[name] for name in select if name in values}]}

    @property
    def names(self) -> list[str]:
        """What ran, in order."""
        return [names for names, _ in self.executed]


def _fault(message: str) -> dict[str, str]:
    return {
        "message": message,
        "kind": "System.InvalidOperationException",
        "category": "InvalidOperation",
        "error_id": "Id1",
        "target": "t",
    }


def get(**parameters: Any) -> Pipeline:
    """Read something."""
    return (Command.of("Get-Echo", select=("Text", "Missing"), **parameters),)


def put(**parameters: Any) -> Pipeline:
    """Change something."""
    return (Command.of("Set-Echo", select=("Text",), **parameters),)


@contextmanager
def shell_on(endpoint: WinrmEndpoint, trust: Trust, *, port: int = 0, **options: Any) -> Iterator[WinrmShell]:
    """Give a shell, and see to it that nothing of it is left behind."""
    url = f"https://127.0.0.1:{port or endpoint.port}/wsman"
    method = options.pop("method", "ntlm")
    credential = options.pop("credential", CREDENTIAL)
    settings: dict[str, Any] = {"ca_file": str(trust.ca_file), "operation_timeout": 1.0, "command_deadline": 30.0}
    shell = WinrmShell("edge1", url, method, credential, **settings | options)
    try:
        yield shell
    finally:
        shell.close()
        assert endpoint.shells_open == 0


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for a condition, and fail when it does not come true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
