"""A :class:`tlsrunbook.ports.Shell` straight on a simulated server, without WinRM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tlsrunbook.exchange.command import Greeting, Pipeline, Reply
from tlsrunbook.exchange.frames import greeting_of, reply_of, run_request
from tlsrunbook.lab.exchange.world import LabServer
from tlsrunbook.steps.model import Seen
from tlsrunbook.steps.observe import observe_server


@dataclass
class LabShell:
    """Runs pipelines on a simulated server through the frames that the wire carries."""

    server: LabServer
    user: str = "CORP\\admin"
    password: str = "right"

    def open(self) -> Greeting:
        return greeting_of(reply_of({"id": 1, **self.server.load(self.user, self.password)}))

    def run(self, pipeline: Pipeline) -> Reply:
        request: dict[str, Any] = run_request(pipeline)
        return reply_of({"id": 2, **self.server.execute(request["commands"], request["select"])})

    def read(self, *pipelines: Pipeline) -> tuple[Reply, ...]:
        return tuple(self.run(pipeline) for pipeline in pipelines)

    def close(self) -> None:
        """Nothing is open."""


def seen_on(server: LabServer) -> Seen:
    """Read a simulated server as a step does."""
    return observe_server(LabShell(server))
