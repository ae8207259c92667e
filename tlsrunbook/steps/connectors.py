"""Step 5: TLS required, TLS never, opportunistic: the three send connectors of a sending server."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tlsrunbook.exchange.command import Later
from tlsrunbook.plan.connector_rows import connector_rows
from tlsrunbook.plan.later import TLS_NAME
from tlsrunbook.plan.model import Plan, PlanItem
from tlsrunbook.plan.outdated import Remembered, sender_items
from tlsrunbook.plan.send_connectors import WantedConnector, as_applied, connector_items, wanted_connectors
from tlsrunbook.plan.target import chosen_certificate, due
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.policy.followers import outdated_findings
from tlsrunbook.policy.routes import judge_owners, judge_routes, route_table
from tlsrunbook.steps.activate import known_of, no_certificate
from tlsrunbook.steps.base import Step
from tlsrunbook.steps.edge_sending import EdgeSeen, as_copy, decide_edge, edges_behind, joined, observe_edges
from tlsrunbook.steps.edge_sync import DEADLINE, start_and_wait, starts
from tlsrunbook.steps.following import Followers, followers, names_on_record
from tlsrunbook.steps.model import Decision, Seen, StepContext, Wanted


@dataclass(frozen=True)
class ConnectorsExtra:
    """What connectors looks at besides the server.

    Args:
        names: What this server's certificates were called when it was read before.
        edges: The Edges that send through it.
    """

    names: Remembered = field(default_factory=dict)
    edges: tuple[EdgeSeen, ...] = ()


class Connectors(Step):
    """Create or alter the three send connectors so that they are as the site file says."""

    id = "connectors"
    number = 5
    slug = "send-connectors"
    title = "Send connectors"

    def applies(self, wanted: Wanted) -> str:
        """Servers that do not send to the Internet, themselves or for an Edge, have no such connectors."""
        sends = "send" in wanted.server.roles or wanted.site.sent_through(wanted.server.name)
        return "" if sends and wanted.site.send_connectors else f"{wanted.server.name} does not send to the Internet"

    def observe(self, context: StepContext) -> Seen:
        """Read the server, recall what its certificates were called, and ask about the Edges that send through it."""
        seen = super().observe(context)
        return replace(seen, extra=ConnectorsExtra(names_on_record(context, seen), observe_edges(context, seen)))

    def decide(self, wanted: Wanted, seen: Seen) -> Decision:
        """Compare the three connectors, its own and those of the Edges that send through this server."""
        if wanted.server.send_through:
            return as_copy(wanted, seen, self._own(wanted, seen))
        own = (self._own(wanted, seen),) if "send" in wanted.server.roles else ()
        return joined((*own, *(decide_edge(wanted, seen, edge) for edge in seen.extra.edges)))

    def perform(self, context: StepContext, item: PlanItem) -> None:
        """Send one item; EdgeSync is awaited too."""
        if isinstance(item.does, tuple) and starts(item.does):
            start_and_wait(context, item.does[0])
        else:
            super().perform(context, item)

    def prove(self, before: Decision, after: Seen) -> tuple[Finding, ...]:
        """Every Edge that sends through this server has the organisation's send connectors."""
        del before
        return edges_behind(after.extra.edges, f" {DEADLINE.total_seconds():.0f} seconds after EdgeSync was started")

    def _own(self, wanted: Wanted, seen: Seen) -> Decision:
        """Compare the server's own three, and ask which one each domain will take."""
        chosen = chosen_certificate(seen.state, wanted.site, wanted.server, wanted.at)
        if chosen is None and not wanted.planning:
            return Decision(findings=(no_certificate(wanted, seen),))
        later = chosen is None or (wanted.planning and due(chosen, wanted.site, wanted.at))
        name = TLS_NAME if later or chosen is None else chosen.tls_certificate_name
        three = three_connectors(wanted, seen, name)
        after = as_applied(three, seen.state)
        follow = (
            followers(wanted, seen, None if later else chosen, seen.extra.names)
            if seen.target.knows("Set-SendConnector", "TlsCertificateName")
            else Followers()
        )
        items = connector_items(three, seen.state, seen.target) + sender_items(follow.senders, seen.target, name)
        findings = (
            *outdated_findings(seen.state, follow.senders),
            *follow.findings,
            *judge_owners(three, seen.state.send_connectors, seen.target.name),
            *judge_routes(three, after, seen.target.name),
        )
        if items and seen.state.is_edge and seen.state.edge_subscribed and not wanted.server.send_through:
            findings = (_subscribed(seen), *findings)
        return Decision(
            Plan(items),
            findings,
            {
                "send connectors": connector_rows(three, seen.state.send_connectors, after),
                "routes": route_table(three, seen.state.send_connectors, after, seen.target.name),
            },
            f"{wanted.server.name} sends with TLS as the site file says: {', '.join(one.name for one in three)}",
            known_of(chosen),
        )


def three_connectors(wanted: Wanted, seen: Seen, certificate_name: str | Later) -> tuple[WantedConnector, ...]:
    """Give the connectors the site file wants on this server.

    Args:
        certificate_name: The TLS certificate name they shall carry.
    """
    connectors = wanted.site.send_connectors
    return wanted_connectors(connectors, wanted.server, seen.target, certificate_name) if connectors else ()


def _subscribed(seen: Seen) -> Finding:
    return Finding(
        "edge-subscribed-blocked",
        Severity.REFUSE,
        f"{seen.state.name} is a subscribed Edge: its send connectors are made inside and arrive by EdgeSync",
        "write the Mailbox server that makes them as send_through in the site file, or give it the role receive only",
        f"server {seen.state.name}",
    )
