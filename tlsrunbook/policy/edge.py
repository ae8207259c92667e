"""Subscribed Edge servers: what stops the Mailbox server that makes their send connectors, and what they wait for."""

from __future__ import annotations

from tlsrunbook.exchange.state import EdgeSync, ServerState
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.site import Server

RULES = {
    "edge-not-subscribed": "A server whose send connectors are made by another one has an Edge Subscription",
    "send-through-not-edge": "Only an Edge Transport server gets its send connectors from another server",
    "send-through-an-edge": "The server that makes send connectors for others is a Mailbox server",
    "edge-not-activated": "The record of the step activate tells what an Edge server calls its certificate",
    "edgesync-failed": "EdgeSync reaches the Edge server, whose default SMTP certificate is the recorded one",
    "edgesync-not-in-step": "The Edge server has the send connectors of the organisation",
    "edgesync-by-itself": "EdgeSync is started after the send connectors were made",
}


def refuse_maker(state: ServerState, edge: Server, sync: EdgeSync | None) -> tuple[Finding, ...]:
    """Refuse to make send connectors that would never arrive.

    Args:
        state: Of the server that makes them.
        edge: The Edge server of the site file.
        sync: What EdgeSync says of it; None when it was not asked.
    """
    if state.is_edge:
        text = f"{state.name} is an Edge server and makes no send connectors for {edge.name}"
        todo = f"write a Mailbox server as send_through of {edge.name} in the site file"
        return (_refusal("send-through-an-edge", text, todo, state.name),)
    if edge.name not in state.edge_subscriptions:
        others = ", ".join(state.edge_subscriptions) or "none"
        text = f"the organisation of {state.name} has no Edge Subscription {edge.name} (it has {others})"
        todo = (
            f"subscribe {edge.name}, or take send_through out: an Edge without subscription has its own send connectors"
        )
        return (_refusal("edge-not-subscribed", text, todo, edge.name),)
    return (edgesync_failed(sync, Severity.REFUSE),) if sync and sync.failed else ()


def refuse_copy(state: ServerState, server: Server) -> tuple[Finding, ...]:
    """Refuse to wait on an Edge for what can never come."""
    if not state.is_edge:
        text = f"{state.name} is no Edge server: nobody makes its send connectors for it"
        return (_refusal("send-through-not-edge", text, "take send_through out of the site file", state.name),)
    if not state.edge_subscribed:
        text = f"{state.name} has no Edge Subscription, and the site file says that {server.send_through} sends for it"
        todo = "subscribe it, or take send_through out: an Edge without subscription has its own send connectors"
        return (_refusal("edge-not-subscribed", text, todo, state.name),)
    return ()


def edgesync_failed(sync: EdgeSync, severity: Severity) -> Finding:
    """Say that EdgeSync does not reach an Edge, and what as a rule is behind it."""
    return Finding(
        "edgesync-failed",
        severity,
        f"EdgeSync to {sync.edge} fails ({sync.status}): {sync.detail or 'the server does not say why'}",
        "if a default SMTP certificate was replaced, run the step activate of the same change there: it puts it back; "
        f"else subscribe {sync.edge} anew. Then run this step again",
        f"server {sync.edge}",
    )


def edgesync_not_in_step(sync: EdgeSync, waited: str) -> Finding:
    """Say that an Edge does not have the organisation's send connectors.

    Args:
        sync: What EdgeSync says.
        waited: For how long it was awaited, such as `` after 240 seconds``; may be empty.
    """
    return Finding(
        "edgesync-not-in-step",
        Severity.ERROR,
        f"{sync.edge} does not have the send connectors of the organisation{waited}: SyncStatus {sync.status}, "
        f"SendConnectorStatus {sync.send_connectors or 'not told'}",
        "look at the events of Microsoft Exchange EdgeSync; run the step connectors again, which starts it again",
        f"server {sync.edge}",
    )


def edgesync_by_itself(edge: str) -> Finding:
    """Say that nothing here can start EdgeSync."""
    return Finding(
        "edgesync-by-itself",
        Severity.INFO,
        f"this Exchange, or the account's role, has no Start-EdgeSynchronization; {edge} gets its send connectors when "
        "EdgeSync comes round (every three minutes)",
        "",
        f"server {edge}",
    )


def _refusal(rule: str, text: str, todo: str, name: str) -> Finding:
    return Finding(rule, Severity.REFUSE, text, todo, f"server {name}")
