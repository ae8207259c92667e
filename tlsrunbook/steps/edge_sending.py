"""Send connectors of subscribed Edges: made by a Mailbox server, brought by EdgeSync, found in the Edge's copy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from tlsrunbook.exchange import cmdlets
from tlsrunbook.exchange.command import Later
from tlsrunbook.exchange.state import EdgeSync, SendConnector
from tlsrunbook.plan.connector_rows import connector_rows
from tlsrunbook.plan.later import joined_known
from tlsrunbook.plan.model import Plan, PlanItem, Reverse
from tlsrunbook.plan.outdated import sender_items
from tlsrunbook.plan.send_connectors import WantedConnector, as_applied, connector_items, wanted_connectors
from tlsrunbook.policy.edge import (
    edgesync_by_itself,
    edgesync_failed,
    edgesync_not_in_step,
    refuse_copy,
    refuse_maker,
)
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.policy.routes import judge_owners, judge_routes, route_table
from tlsrunbook.policy.tls_names import common_name_in, same_name
from tlsrunbook.site import Server
from tlsrunbook.steps.activate import CERTIFICATE_NAME
from tlsrunbook.steps.edge_sync import START, look, start_item, starts
from tlsrunbook.steps.model import Decision, Seen, StepContext, Wanted


@dataclass(frozen=True)
class EdgeSeen:
    """What a Mailbox server knows of one Edge that sends through it.

    Args:
        edge: Of the site file.
        certificate_name: TLS certificate name as the Edge spelled it, from its record; empty while there is none.
        sync: What EdgeSync says; None when the Edge is not subscribed, or this Exchange cannot tell.
    """

    edge: Server
    certificate_name: str
    sync: EdgeSync | None


def observe_edges(context: StepContext, seen: Seen) -> tuple[EdgeSeen, ...]:
    """Ask the evidence and EdgeSync about the Edges that send through this server; nothing without any."""
    through = context.wanted.site.sent_through(context.wanted.server.name)
    return tuple(_observe(context, seen, edge) for edge in through)


def _observe(context: StepContext, seen: Seen, edge: Server) -> EdgeSeen:
    told = context.workspace.recalled(edge.name, "activate").get(CERTIFICATE_NAME)
    asked = edge.name in seen.state.edge_subscriptions and seen.target.knows("Test-EdgeSynchronization")
    sync = look(context.shell, seen.target, edge.name) if asked else None
    return EdgeSeen(edge, told if isinstance(told, str) else "", sync)


def decide_edge(wanted: Wanted, seen: Seen, one: EdgeSeen) -> Decision:
    """Decide what is to be made inside for one Edge, and whether EdgeSync is to be started."""
    edge, connectors = one.edge, wanted.site.send_connectors
    refusals = refuse_maker(seen.state, edge, one.sync)
    if refusals or connectors is None:
        return Decision(findings=refusals)
    named = seen.target.knows("Set-SendConnector", "TlsCertificateName")
    if named and not one.certificate_name and not wanted.planning:
        return Decision(
            Plan(waiting_for=f"the TLS certificate name that {edge.name} gives its certificate"),
            todo=f"run the steps request to activate on {edge.name}, then this step again",
        )
    name = one.certificate_name or Later(f"TLS certificate name that {edge.name} gives its certificate")
    three = wanted_connectors(connectors, edge, seen.target, name)
    items = connector_items(three, seen.state, seen.target)
    items += sender_items(_outdated(seen, one, three) if named else (), seen.target, name)
    copy, after = _of_edge(seen.state.send_connectors, edge), _of_edge(as_applied(three, seen.state), edge)
    can_start = seen.target.knows(START)
    return Decision(
        Plan(_with_sync(seen, one, items) if can_start else items),
        (
            *judge_owners(three, seen.state.send_connectors, edge.name),
            *judge_routes(three, after, edge.name),
            *(() if can_start or not items else (edgesync_by_itself(edge.name),)),
        ),
        {
            f"send connectors of {edge.name}": connector_rows(three, copy, after),
            f"routes of {edge.name}": route_table(three, copy, after, edge.name),
        },
        f"{edge.name} sends with TLS as the site file says, and has it by EdgeSync: "
        f"{', '.join(connector.name for connector in three)}",
    )


def _with_sync(seen: Seen, one: EdgeSeen, items: tuple[PlanItem, ...]) -> tuple[PlanItem, ...]:
    if not items and (one.sync is None or one.sync.in_step):
        return ()
    have = (
        "as before these changes" if items else f"not those of the organisation ({one.sync.status if one.sync else ''})"
    )
    start = start_item(seen.target, one.edge.name, have)
    if not items or not isinstance(items[0].undo, Reverse):
        return (*items, start)
    # Taken back last of all, it is followed by the EdgeSync that tells the Edge.
    push = (cmdlets.start_edge_synchronization(seen.target, one.edge.name),)
    return (replace(items[0], undo=Reverse((*items[0].undo.pipelines, push))), *items[1:], start)


def _outdated(seen: Seen, one: EdgeSeen, three: Sequence[WantedConnector]) -> tuple[SendConnector, ...]:
    """Give the Edge's other connectors that name a certificate of its FQDN which is not the present one."""
    own = {connector.name.lower() for connector in three}
    return tuple(
        connector
        for connector in seen.state.send_connectors
        if connector.source_transport_servers == (one.edge.name,)
        and connector.name.lower() not in own
        and common_name_in(connector.tls_certificate_name or "") in one.edge.all_names
        and not same_name(connector.tls_certificate_name or "", one.certificate_name)
    )


def _of_edge(connectors: Iterable[SendConnector], edge: Server) -> tuple[SendConnector, ...]:
    """Give the connectors as the Edge has them: those it is a source of, and no source in them."""
    own = (connector for connector in connectors if edge.name in connector.source_transport_servers)
    return tuple(replace(connector, source_transport_servers=()) for connector in own)


def as_copy(wanted: Wanted, seen: Seen, own: Decision) -> Decision:
    """Judge a subscribed Edge's copy: it cannot be altered there, so what differs is waited for.

    Args:
        wanted: Of the step.
        seen: The Edge as observed.
        own: What would be done if it could be done here.
    """
    server, refusals = wanted.server, refuse_copy(seen.state, wanted.server)
    if refusals:
        return Decision(findings=refusals)
    if not own.plan.items:
        return replace(own, summary=f"{own.summary}; made by {server.send_through}, brought by EdgeSync")
    change = own.plan.items[0].changes[0]
    differs = f"{change.target}: {change.property}"
    return replace(
        own,
        plan=Plan(waiting_for=f"{server.send_through} to make its send connectors, and EdgeSync ({differs})"),
        todo=f"run the step connectors on {server.send_through}, which starts EdgeSync; then run this step again",
    )


def verify_edge(wanted: Wanted, seen: Seen, one: EdgeSeen) -> tuple[Finding, ...]:
    """Give as errors what is not as the site file says inside, for an Edge that sends through this server."""
    decision, todo = decide_edge(wanted, seen, one), "run the step connectors"
    errors = [replace(f, severity=Severity.ERROR) if f.severity is Severity.REFUSE else f for f in decision.findings]
    if decision.plan.waiting_for:
        text = f"{seen.state.name} does not know {decision.plan.waiting_for}"
        errors.append(Finding("edge-not-activated", Severity.ERROR, text, decision.todo, f"server {one.edge.name}"))
    errors += [
        differs(item, todo) for item in decision.plan.items if not (isinstance(item.does, tuple) and starts(item.does))
    ]
    return tuple(errors) + (() if errors else edges_behind((one,)))


def differs(item: PlanItem, todo: str) -> Finding:
    """Say as an error what an item of a plan would put right."""
    change = item.changes[0]
    text = f"{change.target}: {change.property} is {change.have!r} and shall be {change.want!r}"
    return Finding("server-differs", Severity.ERROR, text, todo, change.target)


def edges_behind(edges: Iterable[EdgeSeen], waited: str = "") -> tuple[Finding, ...]:
    """Name the Edges that do not have the organisation's send connectors."""
    behind = [one.sync for one in edges if one.sync and not one.sync.in_step]
    return tuple(
        edgesync_failed(sync, Severity.ERROR) if sync.failed else edgesync_not_in_step(sync, waited) for sync in behind
    )


def joined(parts: Sequence[Decision]) -> Decision:
    """Put the decisions for several sending servers together; what one waits for does not hold up the others."""
    waiting = [part for part in parts if part.plan.waiting_for]
    return Decision(
        Plan(
            tuple(item for part in parts for item in part.plan.items),
            "; ".join(part.plan.waiting_for for part in waiting),
        ),
        tuple(finding for part in parts for finding in part.findings),
        {name: value for part in parts for name, value in part.facts.items()},
        "; ".join(part.summary for part in parts if part.summary),
        known=joined_known(part.known for part in parts),
        todo="; ".join(part.todo for part in waiting),
    )
