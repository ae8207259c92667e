"""What activate, connectors and verify share: the connectors that follow the certificate by what they name."""

from __future__ import annotations

from dataclasses import dataclass, field

from tlsrunbook.exchange.state import ExchangeCertificate, ReceiveConnector, SendConnector
from tlsrunbook.plan.outdated import (
    Remembered,
    dangling_names,
    following_receivers,
    following_senders,
    outdated_names,
    sent_from,
)
from tlsrunbook.policy.finding import Finding
from tlsrunbook.policy.followers import dangling_findings
from tlsrunbook.steps.model import Seen, StepContext, Wanted


@dataclass(frozen=True)
class Followers:
    """Connectors that name a certificate which the chosen one replaces, or that is gone.

    Args:
        receivers: Receive connectors.
        senders: Send connectors from this server beyond the three of the site file.
        findings: Connectors that name a certificate which is gone and was for other names.
    """

    receivers: tuple[ReceiveConnector, ...] = ()
    senders: tuple[SendConnector, ...] = ()
    findings: tuple[Finding, ...] = field(default=())


def names_on_record(context: StepContext, seen: Seen) -> Remembered:
    """Ask the evidence what certificates were called, but only when a connector names one that is gone."""
    return context.workspace.remembered_names() if dangling_names(seen.state) else {}


def followers(wanted: Wanted, seen: Seen, new: ExchangeCertificate | None, remembered: Remembered) -> Followers:
    """Find the connectors whose TLS certificate name is outdated.

    Args:
        wanted: Of the step.
        seen: What was observed.
        new: The certificate they shall name; None while it is not issued.
        remembered: What certificates were called when the server was read before.
    """
    state, server = seen.state, wanted.server
    names = outdated_names(state, server, new, remembered)
    three = wanted.site.send_connectors
    own = (
        {one.name_for(server.name) for one in (three.required, three.never, three.default)}
        if three and "send" in server.roles
        else set()
    )
    gone = set(dangling_names(state)) - set(names)
    names_of_own = {name.lower() for name in own}
    others = tuple(connector for connector in sent_from(state) if connector.name.lower() not in names_of_own)
    return Followers(
        following_receivers(state, names),
        following_senders(state, names, own),
        dangling_findings(state, (*state.receive_connectors, *others), gone),
    )
