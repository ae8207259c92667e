"""EdgeSync: started, and awaited as a condition with a deadline."""

from __future__ import annotations

from datetime import datetime, timedelta

from tlsrunbook.errors import CommandFailed, DecodeError
from tlsrunbook.exchange import cmdlets, decode
from tlsrunbook.exchange.command import Command, Pipeline
from tlsrunbook.exchange.state import EdgeSync
from tlsrunbook.exchange.version import ExchangeVersion, Target
from tlsrunbook.plan.model import Change, Compensate, PlanItem
from tlsrunbook.ports import Shell
from tlsrunbook.steps.model import StepContext
from tlsrunbook.steps.observe import ask

START = "Start-EdgeSynchronization"

#: For how long the Edge's copy is awaited. EdgeSync comes round every three minutes by itself.
DEADLINE = timedelta(minutes=4)
#: Seconds between two looks: the first pause, and the longest.
PAUSES = (0.5, 10.0)


def look(shell: Shell, target: Target, edge: str) -> EdgeSync:
    """Ask a Mailbox server about one Edge's copy.

    Raises:
        CommandFailed: It was answered with an error.
        DecodeError: It is not about this Edge.
    """
    every = decode.decode_edge_synchronization(ask(shell, cmdlets.test_edge_synchronization(target, edge)))
    found = [sync for sync in every if sync.edge == edge]
    if len(found) != 1:
        names = ", ".join(sync.edge for sync in every) or "nothing"
        raise DecodeError(f"asked for {edge}, and Exchange answered with {names}", where="Test-EdgeSynchronization")
    return found[0]


def start_item(target: Target, edge: str, have: str) -> PlanItem:
    """Give the item that brings the organisation's send connectors to an Edge.

    Args:
        target: The Mailbox server.
        edge: The Edge's name.
        have: How its copy is now.
    """
    return PlanItem(
        f"Bring the send connectors to {edge} now, and wait until it has them",
        (cmdlets.start_edge_synchronization(target, edge),),
        (Change(f"Edge server {edge}", "send connectors", have, "as in the organisation"),),
        Compensate((), "what is taken back in the organisation is brought to the Edge by EdgeSync too"),
    )


def starts(pipeline: Pipeline) -> bool:
    """Whether a pipeline starts EdgeSync."""
    return pipeline[0].name == START


def start_and_wait(context: StepContext, command: Command) -> None:
    """Start EdgeSync, and wait until the Edge has what the organisation has, EdgeSync fails, or time is up.

    What came of it is read again by the step, which then tells it.

    Raises:
        CommandFailed: It was answered with an error, or could not reach the Edge.
    """
    greeting = context.shell.open()
    target = Target(greeting.computer, greeting.is_edge, ExchangeVersion(0, 0, 0, 0), greeting.parameters)
    named = command.get("TargetServer")
    through = context.wanted.site.sent_through(context.wanted.server.name)
    edges = [named] if isinstance(named, str) else [server.name for server in through]
    reply = ask(context.shell, command)
    for edge in edges:
        failure = decode.decode_edge_start(reply, edge)
        if failure:
            raise CommandFailed(
                f"EdgeSync to {edge}: {failure}",
                where=START,
                todo="the connectors are made inside and did not arrive; run the step again when the cause is gone",
            )
    until = context.clock.now() + DEADLINE
    for edge in edges:
        _wait(context, target, edge, until)


def _wait(context: StepContext, target: Target, edge: str, until: datetime) -> None:
    pause, longest = PAUSES
    while True:
        sync = look(context.shell, target, edge)
        if sync.in_step or sync.failed or context.clock.now() + timedelta(seconds=pause) > until:
            return
        context.clock.pause(pause)
        pause = min(2 * pause, longest)
