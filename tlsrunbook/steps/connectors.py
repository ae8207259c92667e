"""Step 5: TLS required, TLS never, opportunistic: the three send connectors of a sending server."""

from __future__ import annotations

from tlsrunbook.exchange.command import Later
from tlsrunbook.plan.later import TLS_NAME
from tlsrunbook.plan.model import Plan
from tlsrunbook.plan.send_connectors import WantedConnector, as_applied, connector_items, wanted_connectors
from tlsrunbook.plan.target import chosen_certificate, due
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.policy.routes import judge_owners, judge_routes, route_table
from tlsrunbook.steps.activate import known_of, no_certificate
from tlsrunbook.steps.base import Step
from tlsrunbook.steps.model import Decision, Seen, Wanted


class Connectors(Step):
    """Create or alter the three send connectors so that they are as the site file says."""

    id = "connectors"
    number = 5
    slug = "send-connectors"
    title = "Send connectors"

    def applies(self, wanted: Wanted) -> str:
        """Servers that do not send to the Internet have no such connectors."""
        if "send" not in wanted.server.roles or wanted.site.send_connectors is None:
            return f"{wanted.server.name} does not send to the Internet"
        return ""

    def decide(self, wanted: Wanted, seen: Seen) -> Decision:
        """Compare the three connectors, and ask which one each domain will take."""
        chosen = chosen_certificate(seen.state, wanted.site, wanted.server, wanted.at)
        if chosen is None and not wanted.planning:
            return Decision(findings=(no_certificate(wanted, seen),))
        later = chosen is None or (wanted.planning and due(chosen, wanted.site, wanted.at))
        three = three_connectors(wanted, seen, TLS_NAME if later or chosen is None else chosen.tls_certificate_name)
        after = as_applied(three, seen.state, seen.target)
        items = connector_items(three, seen.state, seen.target)
        findings = (
            *judge_owners(three, seen.state.send_connectors, seen.target.name),
            *judge_routes(three, after, seen.target.name),
        )
        if items and seen.state.is_edge and seen.state.edge_subscribed:
            findings = (_subscribed(seen), *findings)
        return Decision(
            Plan(items),
            findings,
            {"routes": route_table(three, seen.state.send_connectors, after, seen.target.name)},
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
        "give the Edge the role receive only, and the Mailbox server of its site the role send",
        f"server {seen.state.name}",
    )
